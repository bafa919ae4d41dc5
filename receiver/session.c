/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/session.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/validate.h"
#include "receiver/authorization.h"
#include "receiver/cycle.h"
#include "receiver/hello.h"
#include "receiver/listener.h"
#include "receiver/pulse.h"
#include "receiver/borrow.h"
#include "receiver/verify.h"

#define STEP_MS		   250 /* how soon a waiting worker sees its store's flags */
#define IDLE_MS		   200 /* a stream that is silent for so long after a frame is parked */
#define SEND_MS		   30000
#define DRAIN_MS	   3000
#define DRAIN_DENIED_MS	   300 /* who may not send shall not keep a worker */
#define RETRY_SUSPENDED_MS 10000
#define SESSION_ARENA_MAX  (1024u * 1024u)

struct session *session_new(struct receiver *receiver, struct tls_conn *conn)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		tls_conn_free(conn);
		return NULL;
	}
	session->receiver = receiver;
	session->conn = conn;
	atomic_init(&session->references, 1);
	channel_init_tls(&session->channel, conn);
	arena_init(&session->arena, SESSION_ARENA_MAX);
	return session;
}

struct session *session_ref(struct session *session)
{
	atomic_fetch_add(&session->references, 1);
	return session;
}

void session_unref(struct session *session)
{
	if (session == NULL || atomic_fetch_sub(&session->references, 1) != 1) {
		return;
	}
	session_shrink(session);
	tls_conn_free(session->conn);
	free(session);
}

static void session_buffer_give(struct session *session)
{
	if (session->buffer != NULL) {
		buffer_pool_give(session->receiver->stream_buffers, session->buffer);
		session->buffer = NULL;
		admission_share_give(&session->ticket);
	}
}

/* Its peer has some of the buffers, not all: streams of one whose line stalls would keep them from
 * the others. False: not now. */
static bool session_buffer_take(struct session *session)
{
	if (!admission_share_take(&session->ticket, STEP_MS)) {
		return false;
	}
	session->buffer = buffer_pool_take(session->receiver->stream_buffers, STEP_MS);
	if (session->buffer == NULL) {
		admission_share_give(&session->ticket);
	}
	return session->buffer != NULL;
}

void session_shrink(struct session *session)
{
	session_buffer_give(session);
	arena_reset(&session->arena);
	channel_destroy(&session->channel);
}

void session_release(struct session *session)
{
	struct store *store = session->store;

	if (store != NULL) {
		session->store = NULL;
		store_stream_release(store, session);
		store_unref(store);
	}
}

/* ---- receiving and sending ---- */

/* Is there a reason to stop that does not come over the wire? */
static int session_interrupted(struct session *session, struct answer *answer)
{
	struct store *store = session->store;

	if (atomic_load(&session->ended)) {
		return answer_lost(answer, -ECANCELED, "a newer stream has replaced this one");
	}
	if (store != NULL && atomic_load(&store->closing)) {
		return answer_moved(answer, 1000, "the replica of %s is leaving this node",
				    store->vm);
	}
	if (store != NULL && atomic_load(&store->taken)) {
		return answer_denied(answer, "epoch",
				     "the replica of %s has failed over: nothing more is taken",
				     store->vm);
	}
	if (store != NULL && atomic_load(&store->suspended)) {
		return answer_busy(answer, "suspended", RETRY_SUSPENDED_MS,
				   "the replica of %s is paused by its administrator", store->vm);
	}
	return 0;
}

/* Wait for bytes, looking up now and then. 0, -ETIMEDOUT without an answer, or with one. */
static int session_wait(struct session *session, int64_t deadline_ms, struct answer *answer)
{
	struct pollfd pfd = {.fd = tls_fd(session->conn), .events = POLLIN};

	for (;;) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		int rc = session_interrupted(session, answer);

		rc = rc < 0 ? rc : pulse_ping(session, answer);
		if (rc < 0 || tls_has_pending(session->conn)) {
			return rc;
		}
		if (poll(&pfd, 1,
			 left_ms <= 0	     ? 0
			 : left_ms < STEP_MS ? (int)left_ms
					     : STEP_MS) > 0) {
			return 0;
		}
		if (left_ms <= 0) {
			return -ETIMEDOUT;
		}
	}
}

static int receive_failed(struct session *session, int rc, struct answer *answer)
{
	switch (rc) {
	case -EBADMSG:
	case -EPROTO:
		return answer_failure(answer, "malformed",
				      "a frame that is not of this protocol came");
	case -EMSGSIZE:
		return answer_failure(answer, "limits", "a frame came that is too long");
	default:
		return answer_lost(answer, rc, "the connection from %s ended: %s",
				   tls_peer_address(session->conn), strerror(-rc));
	}
}

static int frame_receive(struct session *session, struct frame *ret_frame, struct answer *answer)
{
	char error[VALIDATE_ERROR_LEN];
	int rc = channel_receive(&session->channel, &session->arena, ret_frame, session->buffer,
				 FRAME_PAYLOAD_MAX, STEP_MS);

	if (rc == -ETIMEDOUT) {
		return rc; /* what woke us was no application data */
	}
	if (rc < 0) {
		return receive_failed(session, rc, answer);
	}
	session->wire_bytes +=
		FRAME_HEADER_LEN + ret_frame->raw_message_len + ret_frame->payload_len;
	if (validate_frame(ret_frame, error) < 0) {
		return answer_failure(answer, "malformed", "%s", error);
	}
	return 0;
}

int session_receive(struct session *session, int timeout_ms, struct frame *ret_frame,
		    struct answer *answer)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	for (;;) {
		int rc;

		/* While a stream waits it holds no buffer: there are more streams than buffers. */
		session_buffer_give(session);
		rc = session_wait(session, deadline_ms, answer);
		if (rc < 0) {
			return rc;
		}
		if (!session_buffer_take(session)) {
			continue;
		}
		rc = frame_receive(session, ret_frame, answer);
		if (rc != -ETIMEDOUT) {
			return rc;
		}
	}
}

int session_send(struct session *session, enum frame_type type, const ProtobufCMessage *message,
		 const void *payload, uint32_t payload_len, struct answer *answer)
{
	int rc = channel_send(&session->channel, type, message, payload, payload_len, SEND_MS);

	return rc < 0 ? answer_lost(answer, rc, "sending %s to %s failed: %s",
				    frame_type_to_string(type), tls_peer_address(session->conn),
				    strerror(-rc))
		      : 0;
}

int session_handle_common(struct session *session, const struct frame *frame, struct answer *answer)
{
	Vmreplica__Wire__Pong pong = VMREPLICA__WIRE__PONG__INIT;
	int rc;

	switch (frame->type) {
	case FRAME_PING:
		pong.value = ((const Vmreplica__Wire__Ping *)frame->message)->value;
		rc = session_send(session, FRAME_PONG, &pong.base, NULL, 0, answer);
		return rc < 0 ? rc : 1;
	case FRAME_PONG:
		pulse_take(session, ((const Vmreplica__Wire__Pong *)frame->message)->value);
		return 1;
	case FRAME_PEER_STATE:
		view_set_peer(&session->store->view,
			      (const Vmreplica__Wire__PeerState *)frame->message);
		return 1;
	default:
		return 0;
	}
}

/* ---- the end of a stream ---- */

static void farewell_send(struct session *session, const struct answer *answer)
{
	Vmreplica__Wire__Failure failure = VMREPLICA__WIRE__FAILURE__INIT;
	Vmreplica__Wire__Busy busy = VMREPLICA__WIRE__BUSY__INIT;
	Vmreplica__Wire__Moved moved = VMREPLICA__WIRE__MOVED__INIT;
	Vmreplica__Wire__Denied denied = VMREPLICA__WIRE__DENIED__INIT;
	struct answer ignored;

	switch (answer->kind) {
	case ANSWER_FAILURE:
		failure.code = borrow(answer->code);
		failure.reason = borrow(answer->reason);
		session_send(session, FRAME_FAILURE, &failure.base, NULL, 0, &ignored);
		break;
	case ANSWER_BUSY:
		busy.code = borrow(answer->code);
		busy.reason = borrow(answer->reason);
		busy.retry_ms = answer->retry_ms;
		session_send(session, FRAME_BUSY, &busy.base, NULL, 0, &ignored);
		break;
	case ANSWER_MOVED:
		moved.reason = borrow(answer->reason);
		moved.retry_ms = answer->retry_ms;
		session_send(session, FRAME_MOVED, &moved.base, NULL, 0, &ignored);
		break;
	case ANSWER_DENIED:
		denied.code = borrow(answer->code);
		denied.reason = borrow(answer->reason);
		session_send(session, FRAME_DENIED, &denied.base, NULL, 0, &ignored);
		break;
	case ANSWER_LOST:
		break;
	}
}

/* Closing with unread bytes makes TCP reset the connection, and the reset may overtake our last
 * frame. */
static void connection_drain(struct session *session, int timeout_ms)
{
	struct pollfd pfd = {.fd = tls_fd(session->conn), .events = POLLIN};
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	char sink[4096];

	shutdown(pfd.fd, SHUT_WR);
	while (!atomic_load(&session->ended)) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		ssize_t n;

		if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) <= 0) {
			return;
		}
		n = recv(pfd.fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			return;
		}
	}
}

/* Say why, once: to the sender, to the log, into the store's health. */
static int session_end(struct session *session, const struct answer *answer)
{
	const char *vm = session->store == NULL ? "" : session->store->vm;

	session_shrink(session);
	if (session->store != NULL && store_note(session->store, answer)) {
		log_debug("%s: reported", vm);
	} else if (answer->kind == ANSWER_LOST || answer->kind == ANSWER_DENIED) {
		log_info("%s%s%s", vm, vm[0] == '\0' ? "" : ": ", answer->reason);
	} else {
		log_notice("%s%sstream from %s ends (%s): %s", vm, vm[0] == '\0' ? "" : ": ",
			   tls_peer_address(session->conn), answer->code, answer->reason);
	}
	if (answer->kind != ANSWER_LOST) {
		farewell_send(session, answer);
		session_release(session); /* a reconnecting sender need not wait for the drain */
		connection_drain(session,
				 answer->kind == ANSWER_DENIED ? DRAIN_DENIED_MS : DRAIN_MS);
	}
	session_release(session);
	session_shrink(session);
	return -1;
}

/* ---- running ---- */

/* A certificate that was revoked, or an authorization that was taken away, since the handshake ends
 * the stream before its next cycle or comparison. */
static int session_check_peer(struct session *session, struct answer *answer)
{
	char error[LISTENER_ERROR_LEN];

	if (listener_recheck(session->receiver->listener, session->conn, error) < 0) {
		return answer_denied(answer, "certificate", "%s", error);
	}
	return hello_check_authorized(session, session->store, session->site, answer);
}

/* 1: handled, more may come; 0: idle; negative: the answer. */
static int session_step(struct session *session, struct answer *answer)
{
	struct frame frame;
	int rc = session_receive(session, IDLE_MS, &frame, answer);

	if (rc == -ETIMEDOUT) {
		return 0;
	}
	if (rc < 0) {
		return rc;
	}
	if (session->store == NULL) {
		if (frame.type != FRAME_HELLO) {
			return answer_failure(answer, "sequence", "%s before HELLO",
					      frame_type_to_string(frame.type));
		}
		rc = hello_take(session, (const Vmreplica__Wire__Hello *)frame.message, answer);
		return rc < 0 ? rc : 1;
	}
	if (frame.type == FRAME_CYCLE_BEGIN) {
		rc = session_check_peer(session, answer);
		rc = rc < 0 ? rc : cycle_run(session, &frame, answer);
		return rc < 0 ? rc : 1;
	}
	if (frame.type == FRAME_VERIFY) {
		rc = session_check_peer(session, answer);
		rc = rc < 0 ? rc : verify_answer(session, &frame, answer);
		return rc < 0 ? rc : 1;
	}
	if (frame.type == FRAME_CYCLE_ABORT) {
		return 1; /* of a cycle that has ended meanwhile */
	}
	rc = session_handle_common(session, &frame, answer);
	return rc != 0 ? rc
		       : answer_failure(answer, "sequence", "%s between cycles",
					frame_type_to_string(frame.type));
}

int session_run(void *arg)
{
	struct session *session = arg;
	struct answer answer = {0};
	int rc = 1;

	while (rc > 0) {
		rc = session_step(session, &answer);
	}
	if (rc < 0) {
		return session_end(session, &answer);
	}
	session_shrink(session);
	return 0;
}
