/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/relay_thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#define RELAY_EVENTS	64
#define RELAY_SCAN_MS	500
#define RELAY_OWNER_BIT 1u /* in an event's pointer: which of the stream's sockets */

static void thread_mark_ready(struct relay_thread *thread, struct relay_stream *stream)
{
	if (!stream->in_ready) {
		stream->in_ready = true;
		stream->ready_next = thread->ready;
		thread->ready = stream;
	}
}

static void stream_log_end(const struct relay_stream *stream)
{
	const struct token_target *target = &stream->target;
	unsigned long long bytes = atomic_load(&stream->bytes);

	if (stream->end == RELAY_END_DONE || stream->end == RELAY_END_STOPPED) {
		log_info("relayed stream of %s to %s (%s) ends after %llu bytes: %s",
			 target->relationship, target->node, target->peer, bytes,
			 relay_end_to_string(stream->end));
	} else {
		log_warning("relayed stream of %s to %s at %s port %u (%s) ends after %llu bytes: "
			    "%s%s%s",
			    target->relationship, target->node, target->host, target->port,
			    target->peer, bytes, relay_end_to_string(stream->end),
			    stream->error == 0 ? "" : ": ",
			    stream->error == 0 ? "" : strerror(stream->error));
	}
}

/* The one place where a stream ends. It is on no ready list. */
static void thread_remove(struct relay_thread *thread, struct relay_stream *stream)
{
	stream_log_end(stream);
	pthread_mutex_lock(&thread->lock);
	if (stream->prev != NULL) {
		stream->prev->next = stream->next;
	} else {
		thread->streams = stream->next;
	}
	if (stream->next != NULL) {
		stream->next->prev = stream->prev;
	}
	thread->count--;
	atomic_fetch_add(&thread->relay->finished_bytes, atomic_load(&stream->bytes));
	pthread_mutex_unlock(&thread->lock);
	relay_stream_free(stream);
}

static void thread_run_ready(struct relay_thread *thread)
{
	struct relay_stream *stream = thread->ready, *next;
	int64_t now = clock_monotonic_ms();

	thread->ready = NULL;
	for (; stream != NULL; stream = next) {
		bool more;

		next = stream->ready_next;
		stream->in_ready = false;
		more = relay_stream_turn(stream, &thread->pipes, now);
		if (stream->end != RELAY_RUNNING) {
			thread_remove(thread, stream);
		} else if (more) {
			thread_mark_ready(thread, stream);
		}
	}
}

static enum relay_end stream_overdue(const struct relay *relay, const struct relay_stream *stream,
				     int64_t now)
{
	bool half = stream->up.eof || stream->down.eof;
	int limit = half ? relay->options.half_idle_timeout_ms : relay->options.idle_timeout_ms;

	if (!stream->connected) {
		return now - stream->started_ms > relay->options.connect_timeout_ms
			       ? RELAY_END_CONNECT_TIMEOUT
			       : RELAY_RUNNING;
	}
	return now - stream->active_ms > limit ? RELAY_END_IDLE : RELAY_RUNNING;
}

static void thread_scan(struct relay_thread *thread)
{
	int64_t now = clock_monotonic_ms();

	if (now - thread->scanned_ms < RELAY_SCAN_MS) {
		return;
	}
	thread->scanned_ms = now;
	/* Only this thread links and unlinks, so reading the list here needs no lock. */
	for (struct relay_stream *stream = thread->streams; stream != NULL; stream = stream->next) {
		enum relay_end end = stream_overdue(thread->relay, stream, now);

		if (end != RELAY_RUNNING && stream->end == RELAY_RUNNING) {
			stream->end = end;
			thread_mark_ready(thread, stream);
		}
	}
}

static int thread_register(struct relay_thread *thread, struct relay_stream *stream)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

	event.data.ptr = stream;
	if (epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, stream->peer_fd, &event) < 0) {
		return -errno;
	}
	event.data.ptr = (void *)((uintptr_t)stream | RELAY_OWNER_BIT);
	return epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, stream->owner_fd, &event) < 0 ? -errno
											: 0;
}

/* Move new streams into the list and put their sockets on epoll. */
static void thread_take_incoming(struct relay_thread *thread)
{
	pthread_mutex_lock(&thread->lock);
	while (thread->incoming != NULL) {
		struct relay_stream *stream = thread->incoming;
		int rc;

		thread->incoming = stream->next;
		stream->next = thread->streams;
		if (stream->next != NULL) {
			stream->next->prev = stream;
		}
		thread->streams = stream;
		rc = thread_register(thread, stream);
		if (rc < 0) {
			stream->end = RELAY_END_NO_PIPE;
			stream->error = -rc;
			thread_mark_ready(thread, stream);
		}
	}
	pthread_mutex_unlock(&thread->lock);
}

static void thread_take_event(struct relay_thread *thread, const struct epoll_event *event)
{
	uintptr_t tagged = (uintptr_t)event->data.ptr;
	struct relay_stream *stream;
	uint64_t count;

	if (event->data.ptr == NULL) {
		if (read(thread->wake_fd, &count, sizeof(count)) < 0) {
			log_debug("relay wakeup without a reason");
		}
		return;
	}
	stream = (struct relay_stream *)(tagged & ~(uintptr_t)RELAY_OWNER_BIT);
	relay_stream_event(stream, (tagged & RELAY_OWNER_BIT) != 0, event->events);
	thread_mark_ready(thread, stream);
}

static void *thread_main(void *arg)
{
	struct relay_thread *thread = arg;
	struct epoll_event events[RELAY_EVENTS];

	while (!atomic_load(&thread->relay->stopping)) {
		int timeout = thread->ready != NULL	? 0
			      : thread->streams != NULL ? RELAY_SCAN_MS
							: -1;
		int n = epoll_wait(thread->epoll_fd, events, RELAY_EVENTS, timeout);

		for (int i = 0; i < n; i++) {
			thread_take_event(thread, &events[i]);
		}
		thread_take_incoming(thread);
		thread_run_ready(thread);
		thread_scan(thread);
	}
	thread_take_incoming(thread);
	while (thread->streams != NULL) {
		thread->streams->end = RELAY_END_STOPPED;
		thread_remove(thread, thread->streams);
	}
	pipe_pool_destroy(&thread->pipes);
	return NULL;
}

/* ---- called by the control thread ---- */

int relay_thread_start(struct relay_thread *thread, struct relay *relay)
{
	struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};
	sigset_t all, old;
	int rc;

	thread->relay = relay;
	pthread_mutex_init(&thread->lock, NULL);
	thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	thread->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (thread->epoll_fd < 0 || thread->wake_fd < 0 ||
	    epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, thread->wake_fd, &wake) < 0) {
		return -errno;
	}
	/* Signals belong to the control thread's loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread->thread, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	thread->started = rc == 0;
	return -rc;
}

static void thread_wake(struct relay_thread *thread)
{
	uint64_t one = 1;

	if (write(thread->wake_fd, &one, sizeof(one)) < 0) {
		log_debug("relay thread is already awake"); /* EAGAIN: the counter is full */
	}
}

void relay_thread_stop(struct relay_thread *thread)
{
	if (thread->started) {
		thread_wake(thread);
		pthread_join(thread->thread, NULL);
	}
	cleanup_close_fn(&thread->epoll_fd);
	cleanup_close_fn(&thread->wake_fd);
	pthread_mutex_destroy(&thread->lock);
}

void relay_thread_add(struct relay_thread *thread, struct relay_stream *stream)
{
	pthread_mutex_lock(&thread->lock);
	stream->next = thread->incoming;
	thread->incoming = stream;
	thread->count++;
	pthread_mutex_unlock(&thread->lock);
	thread_wake(thread);
}

size_t relay_thread_count(struct relay_thread *thread)
{
	size_t count;

	pthread_mutex_lock(&thread->lock);
	count = thread->count;
	pthread_mutex_unlock(&thread->lock);
	return count;
}
