/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/receiver_child.h"

/* Streams are ended and layers merged before the first word. One that works says so each time it
 * knows more, but filling a layer with many logs takes as long as it takes. */
#define FIRST_WORD_MS 90000
/* A primary answers at once between two cycles and while it sends; when it begins or ends one,
 * libvirt has its attention for a moment. */
#define PULSE_WAIT_MS 4000

struct takeover_wait {
	struct takeover_wait *next;
	uint64_t id;
	int64_t deadline_ms; /* monotonic; INT64_MAX: it works */
	replica_takeover_cb done;
	void *arg;
};

static int wait_send(struct engine *engine, enum frame_type type, const ProtobufCMessage *message,
		     uint64_t id, replica_takeover_cb done, void *arg)
{
	struct takeover_wait *wait = calloc(1, sizeof(*wait));
	int result;

	if (wait == NULL) {
		return -ENOMEM;
	}
	result = receiver_child_send(engine->receiver, type, message);
	if (result < 0) {
		free(wait);
		return result;
	}
	wait->id = id;
	wait->deadline_ms = clock_monotonic_ms() + FIRST_WORD_MS;
	wait->done = done;
	wait->arg = arg;
	wait->next = engine->takeover_waits;
	engine->takeover_waits = wait;
	return 0;
}

/* Answers to an engine before this one, or a receiver before, must not be taken for ours. */
static uint64_t next_id(const struct engine *engine)
{
	static uint64_t last;

	if (last == 0) {
		last = engine->boot << 16;
	}
	return ++last;
}

int replica_takeover_ask(struct replica *replica, Vmreplica__Ipc__StoreTakeover *request,
			 replica_takeover_cb done, void *arg)
{
	if (!replica_is_open(replica)) {
		return -ENOTCONN;
	}
	request->id = next_id(replica->engine);
	request->relationship = replica->settings.relationship;
	return wait_send(replica->engine, FRAME_STORE_TAKEOVER, &request->base, request->id, done,
			 arg);
}

int replica_takeover_end(struct replica *replica, Vmreplica__Ipc__StoreTakeoverEnd *request,
			 replica_takeover_cb done, void *arg)
{
	if (!replica_is_open(replica)) {
		return -ENOTCONN;
	}
	request->id = next_id(replica->engine);
	request->relationship = replica->settings.relationship;
	return wait_send(replica->engine, FRAME_STORE_TAKEOVER_END, &request->base, request->id,
			 done, arg);
}

int replica_takeover_end_at(struct engine *engine, Vmreplica__Ipc__StoreTakeoverEnd *request,
			    replica_takeover_cb done, void *arg)
{
	if (!receiver_child_is_ready(engine->receiver)) {
		return -ENOTCONN;
	}
	request->id = next_id(engine);
	return wait_send(engine, FRAME_STORE_TAKEOVER_END, &request->base, request->id, done, arg);
}

int replica_takeover_extents(struct replica *replica, Vmreplica__Ipc__StoreExtents *request,
			     replica_takeover_cb done, void *arg)
{
	if (!replica_is_open(replica)) {
		return -ENOTCONN;
	}
	request->id = next_id(replica->engine);
	request->relationship = replica->settings.relationship;
	return wait_send(replica->engine, FRAME_STORE_EXTENTS, &request->base, request->id, done,
			 arg);
}

int replica_takeover_pulse(struct replica *replica, replica_takeover_cb done, void *arg)
{
	Vmreplica__Ipc__StorePulse request = VMREPLICA__IPC__STORE_PULSE__INIT;

	if (!replica_is_open(replica)) {
		return -ENOTCONN;
	}
	request.id = next_id(replica->engine);
	request.relationship = replica->settings.relationship;
	request.wait_ms = PULSE_WAIT_MS;
	return wait_send(replica->engine, FRAME_STORE_PULSE, &request.base, request.id, done, arg);
}

void replica_takeover_forget(struct engine *engine, const void *arg)
{
	struct takeover_wait **from = &engine->takeover_waits;

	while (*from != NULL) {
		struct takeover_wait *wait = *from;

		if (wait->arg == arg) {
			*from = wait->next;
			free(wait);
		} else {
			from = &wait->next;
		}
	}
}

/* Off the list before it is called: the callback may ask for more. */
static void wait_answer(struct engine *engine, struct takeover_wait *wait,
			const Vmreplica__Ipc__StoreTaken *answer)
{
	struct takeover_wait **from = &engine->takeover_waits;
	replica_takeover_cb done = wait->done;
	void *arg = wait->arg;

	while (*from != wait) {
		from = &(*from)->next;
	}
	*from = wait->next;
	free(wait);
	done(arg, answer);
}

void replica_takeover_answered(struct engine *engine, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct takeover_wait *wait = engine->takeover_waits;

	while (wait != NULL && wait->id != answer->id) {
		wait = wait->next;
	}
	if (wait == NULL) {
		return; /* forgotten, or it came too late */
	}
	if (answer->working) {
		wait->deadline_ms = INT64_MAX;
		wait->done(wait->arg, answer);
	} else {
		wait_answer(engine, wait, answer);
	}
}

static struct takeover_wait *wait_due(const struct engine *engine, int64_t now_ms, uint64_t newest)
{
	struct takeover_wait *wait = engine->takeover_waits;

	while (wait != NULL && (wait->deadline_ms > now_ms || wait->id > newest)) {
		wait = wait->next;
	}
	return wait;
}

/* Callbacks may ask anew, which is left alone here, and forget others. */
static void waits_fail(struct engine *engine, int64_t now_ms, int error, const char *text)
{
	uint64_t newest = engine->takeover_waits != NULL ? engine->takeover_waits->id : 0;
	struct takeover_wait *wait;

	while ((wait = wait_due(engine, now_ms, newest)) != NULL) {
		Vmreplica__Ipc__StoreTaken answer = VMREPLICA__IPC__STORE_TAKEN__INIT;

		answer.id = wait->id;
		answer.error = error;
		answer.text = vm_status_borrow(text);
		wait_answer(engine, wait, &answer);
	}
}

void replica_takeover_receiver_lost(struct engine *engine)
{
	waits_fail(engine, INT64_MAX, -ECONNRESET, "the receiver ended");
}

void replica_takeover_tick(struct engine *engine, int64_t now_ms)
{
	bool ending = now_ms == INT64_MAX;

	/* at the end those that work fail, too */
	waits_fail(engine, ending ? INT64_MAX : now_ms, ending ? -ESHUTDOWN : -ETIMEDOUT,
		   ending ? "the engine is stopping" : "the receiver does not answer");
}
