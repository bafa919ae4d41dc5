/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"

struct job {
	struct job *next;
	worker_run_cb run; /* NULL for a post */
	worker_done_cb done;
	void (*post)(void *arg); /* NULL for a job */
	void *arg;
	int result;
};

struct job_queue {
	struct job *head, **tail;
};

struct workers {
	qb_loop_t *loop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job_queue waiting, finished; /* under lock */
	bool stopping;			    /* under lock */
	int event_fd;			    /* finished is not empty */
	int count;			    /* threads running */
	char name[16];
	pthread_t threads[];
};

static void queue_init(struct job_queue *queue)
{
	queue->head = NULL;
	queue->tail = &queue->head;
}

static void queue_push(struct job_queue *queue, struct job *job)
{
	job->next = NULL;
	*queue->tail = job;
	queue->tail = &job->next;
}

static struct job *queue_pop(struct job_queue *queue)
{
	struct job *job = queue->head;

	if (job != NULL) {
		queue->head = job->next;
		if (queue->head == NULL) {
			queue->tail = &queue->head;
		}
	}
	return job;
}

/* Hand a job over to the control thread. */
static void workers_finish(struct workers *workers, struct job *job)
{
	uint64_t one = 1;

	pthread_mutex_lock(&workers->lock);
	queue_push(&workers->finished, job);
	pthread_mutex_unlock(&workers->lock);
	/* Can only fail when the counter is full, and then the loop is awake already. */
	if (write(workers->event_fd, &one, sizeof(one)) < 0) {
		return;
	}
}

static void *worker_main(void *arg)
{
	struct workers *workers = arg;

	for (;;) {
		struct job *job;

		pthread_mutex_lock(&workers->lock);
		while (workers->waiting.head == NULL && !workers->stopping) {
			pthread_cond_wait(&workers->wake, &workers->lock);
		}
		job = workers->stopping ? NULL : queue_pop(&workers->waiting);
		pthread_mutex_unlock(&workers->lock);
		if (job == NULL) {
			return NULL;
		}
		job->result = job->run(job->arg);
		workers_finish(workers, job);
	}
}

static void job_deliver(struct job *job)
{
	if (job->post != NULL) {
		job->post(job->arg);
	} else if (job->done != NULL) {
		job->done(job->arg, job->result);
	}
	free(job);
}

/* Take the whole queue, so that what a callback adds waits for the next turn of the loop. */
static struct job *workers_take_finished(struct workers *workers)
{
	struct job *list;

	pthread_mutex_lock(&workers->lock);
	list = workers->finished.head;
	queue_init(&workers->finished);
	pthread_mutex_unlock(&workers->lock);
	return list;
}

static bool workers_deliver(struct workers *workers)
{
	struct job *list = workers_take_finished(workers);
	bool any = list != NULL;

	while (list != NULL) {
		struct job *job = list;

		list = job->next;
		job_deliver(job);
	}
	return any;
}

static int32_t workers_dispatch_cb(int32_t fd, int32_t revents, void *data)
{
	uint64_t count;

	(void)revents;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
		return 0;
	}
	workers_deliver(data);
	return 0;
}

static int workers_start_threads(struct workers *workers, int count)
{
	sigset_t all, old;
	int error = 0;

	/* Signals belong to the control thread's loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (workers->count < count && error == 0) {
		pthread_t *thread = &workers->threads[workers->count];

		error = pthread_create(thread, NULL, worker_main, workers);
		if (error == 0) {
			char name[16];

			snprintf(name, sizeof(name), "%.10s-%d", workers->name,
				 workers->count % 1000);
			pthread_setname_np(*thread, name);
			workers->count++;
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -error;
}

struct workers *workers_new(qb_loop_t *loop, const char *name, int count)
{
	struct workers *workers;
	int error;

	if (count <= 0) {
		errno = EINVAL;
		return NULL;
	}
	workers = calloc(1, sizeof(*workers) + (size_t)count * sizeof(workers->threads[0]));
	if (workers == NULL) {
		return NULL;
	}
	workers->loop = loop;
	snprintf(workers->name, sizeof(workers->name), "%s", name);
	queue_init(&workers->waiting);
	queue_init(&workers->finished);
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->wake, NULL);
	workers->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = workers->event_fd < 0 ? -errno
				      : qb_loop_poll_add(loop, QB_LOOP_MED, workers->event_fd,
							 POLLIN, workers, workers_dispatch_cb);
	if (error == 0) {
		error = workers_start_threads(workers, count);
	}
	if (error < 0) {
		workers_free(workers);
		errno = -error;
		return NULL;
	}
	return workers;
}

static void workers_stop_threads(struct workers *workers)
{
	struct job *job;

	pthread_mutex_lock(&workers->lock);
	workers->stopping = true;
	pthread_cond_broadcast(&workers->wake);
	pthread_mutex_unlock(&workers->lock);
	for (int i = 0; i < workers->count; i++) {
		pthread_join(workers->threads[i], NULL);
	}
	while ((job = queue_pop(&workers->waiting)) != NULL) {
		job->result = -ECANCELED;
		queue_push(&workers->finished, job);
	}
}

void workers_free(struct workers *workers)
{
	if (workers == NULL) {
		return;
	}
	workers_stop_threads(workers);
	/* Each argument is given back to its owner; a done callback may post once more. */
	while (workers_deliver(workers)) {
	}
	if (workers->event_fd >= 0) {
		qb_loop_poll_del(workers->loop, workers->event_fd);
		close(workers->event_fd);
	}
	pthread_cond_destroy(&workers->wake);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}

int workers_submit(struct workers *workers, worker_run_cb run, worker_done_cb done, void *arg)
{
	cleanup_free struct job *job = NULL;
	bool stopping;

	if (workers == NULL) {
		return -ESHUTDOWN;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		return -ENOMEM;
	}
	job->run = run;
	job->done = done;
	job->arg = arg;
	pthread_mutex_lock(&workers->lock);
	stopping = workers->stopping;
	if (!stopping) {
		queue_push(&workers->waiting, steal_ptr(job));
		pthread_cond_signal(&workers->wake);
	}
	pthread_mutex_unlock(&workers->lock);
	return stopping ? -ESHUTDOWN : 0;
}

int workers_post(struct workers *workers, void (*fn)(void *arg), void *arg)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		return -ENOMEM;
	}
	job->post = fn;
	job->arg = arg;
	workers_finish(workers, job);
	return 0;
}
