/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream writes a store. A sender that reconnects (its VM moved, its network was cut) must not
 * wait until the old connection has timed out, and must not be let in while that one may still
 * write: the old stream is ended first, and waited for, before the new one is welcomed.
 */
#include <errno.h>

#include "common/clock.h"
#include "receiver/listener.h"
#include "receiver/session.h"
#include "receiver/store.h"

#define CLAIM_MS       15000
#define RETRY_CLAIM_MS 1000

/* The lock is held, which keeps the session alive: it gives the store back before it is freed. */
static void stream_end(struct session *session)
{
	atomic_store(&session->ended, true);
	tls_shutdown_now(session->conn);
	listener_kick(session);
}

int store_stream_claim(struct store *store, struct session *session, struct answer *answer)
{
	int64_t deadline_ms = clock_monotonic_ms() + CLAIM_MS;
	uint64_t ticket;
	int rc = 0;

	pthread_mutex_lock(&store->lock);
	ticket = ++store->stream_ticket;
	while (rc == 0 && store->stream != NULL && store->stream != session) {
		stream_end(store->stream);
		store_wait(store, 500);
		rc = store_check(store, answer);
		if (rc == 0 && ticket != store->stream_ticket) {
			rc = answer_lost(answer, -ECANCELED, "a newer stream has come");
		} else if (rc == 0 && clock_monotonic_ms() > deadline_ms) {
			rc = answer_busy(answer, "stream-busy", RETRY_CLAIM_MS,
					 "the stream before this one has not ended yet");
		}
	}
	if (rc == 0) {
		store->stream = session;
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

void store_stream_release(struct store *store, struct session *session)
{
	pthread_mutex_lock(&store->lock);
	if (store->stream == session) {
		store->stream = NULL;
		pthread_cond_broadcast(&store->changed);
	}
	pthread_mutex_unlock(&store->lock);
}

int store_stream_wait_gone(struct store *store, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (store->stream != NULL) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();

		if (left_ms <= 0) {
			return -ETIMEDOUT;
		}
		listener_kick(store->stream); /* it says its farewell by itself */
		store_wait(store, left_ms < 1000 ? (int)left_ms : 1000);
	}
	return 0;
}

int store_stream_end(struct store *store, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (store->stream != NULL) {
		if (clock_monotonic_ms() > deadline_ms) {
			return -ETIMEDOUT;
		}
		stream_end(store->stream);
		store_wait(store, 500);
	}
	return 0;
}

void store_stream_evict(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	if (store->stream != NULL) {
		listener_kick(store->stream); /* it says its farewell by itself */
	}
	pthread_mutex_unlock(&store->lock);
}
