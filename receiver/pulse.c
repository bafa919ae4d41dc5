/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/pulse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "receiver/listener.h"
#include "receiver/session.h"
#include "receiver/stores.h"

#define PULSE_MIN_MS 1000
#define PULSE_MAX_MS 10000
#define FLIGHT_MS    500 /* what a site sent before it went dark is here by then */

/* One question on its way through a worker. */
struct pulse {
	struct receiver *receiver; /* borrowed */
	struct store *store;	   /* a reference; NULL = not open */
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t id;
	int wait_ms;
	bool lives;
	char text[REASON_MAX];
};

/* ---- the session's side ---- */

void pulse_greet(struct session *session)
{
	struct store *store = session->store;

	session->pinged = atomic_load(&store->pulses_asked);
	if (atomic_load(&store->taken)) {
		atomic_store(&store->knocked_ms, clock_monotonic_ms());
	}
}

int pulse_ping(struct session *session, struct answer *answer)
{
	uint64_t asked = session->store != NULL ? atomic_load(&session->store->pulses_asked)
						: session->pinged;
	Vmreplica__Wire__Ping ping = VMREPLICA__WIRE__PING__INIT;

	if (asked == session->pinged) {
		return 0;
	}
	session->pinged = ping.value = asked;
	return session_send(session, FRAME_PING, &ping.base, NULL, 0, answer);
}

void pulse_take(struct session *session, uint64_t value)
{
	struct store *store = session->store;

	pthread_mutex_lock(&store->lock);
	if (value > store->pulses_heard && value <= atomic_load(&store->pulses_asked)) {
		store->pulses_heard = value;
		pthread_cond_broadcast(&store->changed);
	}
	pthread_mutex_unlock(&store->lock);
}

/* ---- the question; store->lock is held ---- */

static void lives(struct pulse *pulse, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void lives(struct pulse *pulse, const char *format, ...)
{
	va_list args;

	pulse->lives = true;
	va_start(args, format);
	vsnprintf(pulse->text, sizeof(pulse->text), format, args);
	va_end(args);
}

/* Wait until it has answered, or another one has come. */
static void pulse_wait(const struct pulse *pulse, const struct session *stream, uint64_t asked)
{
	int64_t left_ms = pulse->wait_ms, deadline_ms = clock_monotonic_ms() + left_ms;
	struct store *store = pulse->store;

	while (store->pulses_heard < asked && left_ms > 0 &&
	       (store->stream == stream || store->stream == NULL)) {
		store_wait(store, (int)left_ms);
		left_ms = deadline_ms - clock_monotonic_ms();
	}
}

static void pulse_listen(struct pulse *pulse)
{
	struct store *store = pulse->store;
	struct session *stream = store->stream;
	uint64_t asked = atomic_fetch_add(&store->pulses_asked, 1) + 1;
	char node[NODE_NAME_MAX + 1];

	snprintf(node, sizeof(node), "%s", stream->node);
	listener_kick(stream);
	pulse_wait(pulse, stream, asked);
	if (store->pulses_heard >= asked) {
		lives(pulse, "its engine on %s has just answered on the replication stream", node);
	} else if (store->stream != NULL && store->stream != stream) {
		lives(pulse, "its engine on %s has just begun a stream", store->stream->node);
	} else if (store->stream == stream &&
		   tls_silent_ms(stream->conn) < pulse->wait_ms - FLIGHT_MS) {
		/* a slow line is busy with one frame for longer */
		lives(pulse, "its engine on %s is sending a cycle at this moment", node);
	}
}

static void pulse_look(struct pulse *pulse)
{
	struct store *store = pulse->store;
	int64_t knocked_ms = atomic_load(&store->knocked_ms);

	if (atomic_load(&store->taken) && knocked_ms != 0) {
		lives(pulse,
		      "its engine has come with a stream %" PRId64
		      " s ago, after this failover was begun",
		      (clock_monotonic_ms() - knocked_ms) / 1000);
	} else if (store->stream != NULL) {
		pulse_listen(pulse);
	}
}

static int pulse_run(void *arg)
{
	struct pulse *pulse = arg;

	pthread_mutex_lock(&pulse->store->lock);
	pulse_look(pulse);
	pthread_mutex_unlock(&pulse->store->lock);
	return 0;
}

/* ---- the answer ---- */

static void pulse_done_cb(void *arg, int result)
{
	Vmreplica__Ipc__StoreTaken message = VMREPLICA__IPC__STORE_TAKEN__INIT;
	struct pulse *pulse = arg;

	if (result < 0) {
		snprintf(pulse->text, sizeof(pulse->text), "%s",
			 result == -ENOENT ? "the replica's store is not open here"
					   : strerror(-result));
	}
	message.id = pulse->id;
	message.relationship = pulse->relationship;
	message.error = result;
	message.text = pulse->text;
	message.primary_lives = pulse->lives;
	if (pulse->receiver->link != NULL) {
		link_send(pulse->receiver->link, FRAME_STORE_TAKEN, &message.base);
	}
	store_unref(pulse->store);
	free(pulse);
}

void pulse_request(struct receiver *receiver, const Vmreplica__Ipc__StorePulse *request)
{
	struct pulse *pulse = calloc(1, sizeof(*pulse));

	if (pulse == NULL) {
		return; /* the engine's request runs into its timeout */
	}
	pulse->receiver = receiver;
	pulse->id = request->id;
	pulse->wait_ms = request->wait_ms < PULSE_MIN_MS   ? PULSE_MIN_MS
			 : request->wait_ms > PULSE_MAX_MS ? PULSE_MAX_MS
							   : (int)request->wait_ms;
	snprintf(pulse->relationship, sizeof(pulse->relationship), "%s", request->relationship);
	pulse->store = stores_find(receiver, pulse->relationship);
	if (pulse->store == NULL) {
		pulse_done_cb(pulse, -ENOENT);
	} else if (workers_submit(receiver->pulse_workers, pulse_run, pulse_done_cb, pulse) < 0) {
		pulse_done_cb(pulse, -ENOMEM);
	}
}
