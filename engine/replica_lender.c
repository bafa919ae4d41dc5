/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_lender.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "engine/engine.h"
#include "engine/receiver_child.h"

#define ANSWER_MS 120000 /* a large batch that is being applied, and many logs to look at */
#define SLICE_MS  250

/* One question. It belongs to the worker and to the control thread, whoever lets go last frees it:
 * a worker that gave up waiting is answered all the same. */
struct lend_call {
	struct lend_call *next; /* the control thread's */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* monotonic clock */
	unsigned int holders;
	bool done;
	int error;
	char text[REPLICA_LENDER_ERROR_LEN];
	struct replica_lent lent;
	/* constant once it is posted */
	struct replica_lender lender;
	char after[CUT_ID_LEN + 1], known[REPLICA_LENT_KNOWN][CUT_ID_LEN + 1];
	size_t known_count;
	bool look, application;
	uint64_t id; /* the control thread's */
};

static void call_release(struct lend_call *call)
{
	bool last;

	pthread_mutex_lock(&call->lock);
	last = --call->holders == 0;
	pthread_mutex_unlock(&call->lock);
	if (last) {
		pthread_cond_destroy(&call->changed);
		pthread_mutex_destroy(&call->lock);
		free(call);
	}
}

static struct lend_call *call_new(const struct replica_lender *lender)
{
	struct lend_call *call = calloc(1, sizeof(*call));
	pthread_condattr_t attributes;

	if (call == NULL) {
		return NULL;
	}
	call->lender = *lender;
	call->holders = 1;
	pthread_mutex_init(&call->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&call->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return call;
}

/* ---- on the control thread ---- */

static void holder_format(const struct replica_lender *lender, char *text, size_t size)
{
	snprintf(text, size, "extended-%s", lender->reader);
}

/* Answer, and let go of it. */
static void call_finish(struct lend_call *call, int error, const char *text)
{
	pthread_mutex_lock(&call->lock);
	call->done = true;
	call->error = error;
	snprintf(call->text, sizeof(call->text), "%s", text);
	pthread_cond_broadcast(&call->changed);
	pthread_mutex_unlock(&call->lock);
	call_release(call);
}

static void call_send_cb(void *arg)
{
	struct lend_call *call = arg;
	struct engine *engine = call->lender.engine;
	Vmreplica__Ipc__StoreLend request = VMREPLICA__IPC__STORE_LEND__INIT;
	char *known[REPLICA_LENT_KNOWN];
	char holder[64];

	holder_format(&call->lender, holder, sizeof(holder));
	for (size_t i = 0; i < call->known_count; i++) {
		known[i] = call->known[i];
	}
	call->id = ++engine->lend_id;
	request.id = call->id;
	request.relationship = call->lender.relationship;
	request.holder = holder;
	request.after_cut_id = call->after;
	request.known = known;
	request.n_known = call->known_count;
	request.look = call->look;
	request.application = call->application;
	if (engine->receiver == NULL || !receiver_child_is_ready(engine->receiver) ||
	    receiver_child_send(engine->receiver, FRAME_STORE_LEND, &request.base) < 0) {
		call_finish(call, -EAGAIN, "the receiver does not run: it is started again");
		return;
	}
	call->next = engine->lend_calls;
	engine->lend_calls = call;
}

static struct lend_call *call_take(struct engine *engine, uint64_t id)
{
	struct lend_call **link = &engine->lend_calls;
	struct lend_call *call;

	while (*link != NULL && (*link)->id != id) {
		link = &(*link)->next;
	}
	call = *link;
	if (call != NULL) {
		*link = call->next;
	}
	return call;
}

/* What the receiver says, within the bounds of what it can be. */
static bool lent_take(struct lend_call *call, const Vmreplica__Ipc__StoreLent *answer)
{
	struct replica_lent *lent = &call->lent;

	if (answer->cut == NULL || answer->n_disks == 0 || answer->n_disks > DISKS_MAX ||
	    strlen(answer->extents) > PATH_LEN_MAX || strlen(answer->vm_state) > PATH_LEN_MAX) {
		return false;
	}
	snprintf(lent->cut_id, sizeof(lent->cut_id), "%s", answer->cut->cut_id);
	lent->seq = answer->cut->seq;
	lent->time_ms = answer->cut->time_ms;
	lent->application = strcmp(answer->consistency, "application") == 0;
	snprintf(lent->extents, sizeof(lent->extents), "%s", answer->extents);
	snprintf(lent->vm_state, sizeof(lent->vm_state), "%s", answer->vm_state);
	for (size_t i = 0; i < answer->n_disks; i++) {
		const Vmreplica__Ipc__TakenDisk *disk = answer->disks[i];

		if (strlen(disk->backing) > PATH_LEN_MAX) {
			return false;
		}
		snprintf(lent->disks[i].name, sizeof(lent->disks[i].name), "%s", disk->name);
		snprintf(lent->disks[i].layer, sizeof(lent->disks[i].layer), "%s", disk->backing);
		lent->disks[i].size_bytes = disk->size_bytes;
	}
	lent->disk_count = answer->n_disks;
	for (size_t i = 0; i < answer->n_known; i++) {
		for (size_t k = 0; k < call->known_count; k++) {
			lent->known[k] |= strcmp(answer->known[i], call->known[k]) == 0;
		}
	}
	return true;
}

void replica_lender_answered(struct engine *engine, const Vmreplica__Ipc__StoreLent *answer)
{
	struct lend_call *call = call_take(engine, answer->id);

	if (call == NULL) {
		return;
	}
	if (answer->error == 0 && !lent_take(call, answer)) {
		call_finish(call, -EPROTO, "the receiver lends something that makes no sense");
	} else {
		call_finish(call, answer->error, answer->text);
	}
}

void replica_lender_receiver_lost(struct engine *engine)
{
	while (engine->lend_calls != NULL) {
		struct lend_call *call = engine->lend_calls;

		engine->lend_calls = call->next;
		call_finish(call, -EAGAIN, "the receiver has ended: it is started again");
	}
}

static void return_send_cb(void *arg)
{
	struct replica_lender *lender = arg;
	Vmreplica__Ipc__StoreLendEnd request = VMREPLICA__IPC__STORE_LEND_END__INIT;
	char holder[64];

	holder_format(lender, holder, sizeof(holder));
	request.relationship = lender->relationship;
	request.holder = holder;
	if (lender->engine->receiver != NULL) {
		receiver_child_send(lender->engine->receiver, FRAME_STORE_LEND_END, &request.base);
	}
	free(lender);
}

/* ---- on a worker ---- */

static void wait_slice(struct lend_call *call)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += SLICE_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&call->changed, &call->lock, &until);
}

static int call_wait(struct lend_call *call, char error[REPLICA_LENDER_ERROR_LEN])
{
	int64_t deadline_ms = clock_monotonic_ms() + ANSWER_MS;
	int result = 0;

	pthread_mutex_lock(&call->lock);
	while (!call->done && result == 0) {
		if (canceller_is_cancelled(call->lender.canceller)) {
			snprintf(error, REPLICA_LENDER_ERROR_LEN, "stopped from this side");
			result = -ECANCELED;
		} else if (clock_monotonic_ms() > deadline_ms) {
			snprintf(error, REPLICA_LENDER_ERROR_LEN, "the receiver does not answer");
			result = -ETIMEDOUT;
		} else {
			wait_slice(call);
		}
	}
	if (result == 0 && call->error != 0) {
		snprintf(error, REPLICA_LENDER_ERROR_LEN, "%s", call->text);
		result = call->error;
	}
	pthread_mutex_unlock(&call->lock);
	return result;
}

int replica_lender_ask(const struct replica_lender *lender,
		       const struct replica_lend_question *question, struct replica_lent *ret_lent,
		       char error[REPLICA_LENDER_ERROR_LEN])
{
	struct lend_call *call = call_new(lender);
	int result;

	if (call == NULL) {
		snprintf(error, REPLICA_LENDER_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	snprintf(call->after, sizeof(call->after), "%s", question->after_cut_id);
	for (size_t i = 0; i < question->known_count; i++) {
		snprintf(call->known[i], sizeof(call->known[i]), "%s", question->known[i]);
	}
	call->known_count = question->known_count;
	call->look = question->look;
	call->application = question->application;
	call->holders = 2;
	if (workers_post(lender->engine->task_workers, call_send_cb, call) < 0) {
		call->holders = 1;
		call_release(call);
		snprintf(error, REPLICA_LENDER_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	result = call_wait(call, error);
	if (result == 0) {
		*ret_lent = call->lent;
	}
	call_release(call);
	return result;
}

void replica_lender_return(const struct replica_lender *lender)
{
	struct replica_lender *copy = malloc(sizeof(*copy));

	/* without memory the lease ends it */
	if (copy != NULL) {
		*copy = *lender;
		if (workers_post(lender->engine->task_workers, return_send_cb, copy) < 0) {
			free(copy);
		}
	}
}
