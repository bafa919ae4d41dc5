/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of a replica's owner outside cycles, and those by which it ends what we are at. */
#include "engine/peer.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "proto/validate.h"

static int peer_busy(struct peer *peer, const Vmreplica__Wire__Busy *busy, struct trouble *trouble)
{
	trouble_set(trouble, -EBUSY, SCHEDULE_MISSED, busy->code[0] != '\0' ? busy->code : "busy",
		    "%s cannot receive now: %s", peer->node, busy->reason);
	trouble->retry_ms = busy->retry_ms;
	return -EBUSY;
}

/* Frames by which the owner ends what we are at. 0 when it is none of them. */
static int peer_refusal(struct peer *peer, const struct frame *frame, struct trouble *trouble)
{
	switch (frame->type) {
	case FRAME_MOVED: {
		const Vmreplica__Wire__Moved *moved =
			(const Vmreplica__Wire__Moved *)frame->message;

		trouble_set(trouble, -EAGAIN, SCHEDULE_MISSED, "replica-moving",
			    "the replica leaves %s: %s", peer->node, moved->reason);
		trouble->retry_ms = moved->retry_ms > 0 ? moved->retry_ms : 1000;
		return -EAGAIN;
	}
	case FRAME_BUSY:
		return peer_busy(peer, (const Vmreplica__Wire__Busy *)frame->message, trouble);
	case FRAME_DENIED: {
		const Vmreplica__Wire__Denied *denied =
			(const Vmreplica__Wire__Denied *)frame->message;

		return trouble_set(trouble, -EACCES, SCHEDULE_DENIED,
				   denied->code[0] != '\0' ? denied->code : "denied",
				   "%s refuses this VM: %s", peer->node, denied->reason);
	}
	case FRAME_FAILURE: {
		const Vmreplica__Wire__Failure *failure =
			(const Vmreplica__Wire__Failure *)frame->message;

		return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED,
				   failure->code[0] != '\0' ? failure->code : "receiver-failure",
				   "%s stopped the stream: %s", peer->node, failure->reason);
	}
	default:
		return 0;
	}
}

int peer_receive(struct peer *peer, struct frame *ret_frame, void *payload, size_t payload_size,
		 int timeout_ms, struct trouble *trouble)
{
	char error[VALIDATE_ERROR_LEN] = "";
	int result = channel_receive(&peer->channel, &peer->arena, ret_frame, payload, payload_size,
				     timeout_ms);

	if (result == -ETIMEDOUT) {
		return result;
	}
	if (result < 0) {
		return peer_failed(peer, result, "receiving", trouble);
	}
	if (validate_frame(ret_frame, error) < 0) {
		return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "%s sent a malformed %s: %s", peer->node,
				   frame_type_to_string(ret_frame->type), error);
	}
	return peer_refusal(peer, ret_frame, trouble);
}

int peer_pong(struct peer *peer, uint64_t value)
{
	Vmreplica__Wire__Pong pong = VMREPLICA__WIRE__PONG__INIT;

	pong.value = value;
	return channel_send(&peer->channel, FRAME_PONG, &pong.base, NULL, 0, PEER_DIRECT_MS);
}

/* The certificate of a standing connection may have been revoked: a new handshake will say so. */
static void peer_check_certificate(struct peer *peer)
{
	char error[TLS_ERROR_LEN] = "";
	struct tls_context *context = tls_store_get(peer->locate.tls, error);

	if (context == NULL) {
		return; /* what there was stays good, as for tls_store */
	}
	if (tls_conn_recheck(peer->conn, context, error) < 0) {
		log_warning("%s", error);
		peer_close(peer);
	}
	tls_context_unref(context);
}

void peer_check_idle(struct peer *peer)
{
	struct trouble trouble;
	struct frame frame;
	int result = 0;

	while (peer->conn != NULL && result == 0) {
		result = peer_receive(peer, &frame, NULL, 0, 0, &trouble);
		if (result == 0 && frame.type == FRAME_PING) {
			result = peer_pong(peer,
					   ((const Vmreplica__Wire__Ping *)frame.message)->value);
		}
	}
	if (result < 0 && result != -ETIMEDOUT) {
		peer_close(peer);
	}
	if (peer->conn != NULL) {
		peer_check_certificate(peer);
	}
}

bool peer_state_equal(const struct peer_state *a, const struct peer_state *b)
{
	return a->state == b->state && a->health == b->health && a->frequency_s == b->frequency_s &&
	       strcmp(a->reason, b->reason) == 0;
}

void peer_tell_state(struct peer *peer, const struct peer_state *state)
{
	Vmreplica__Wire__PeerState message = VMREPLICA__WIRE__PEER_STATE__INIT;

	peer_check_idle(peer);
	if (peer->conn == NULL) {
		return;
	}
	message.state = state->state;
	message.health = state->health;
	message.reason = (char *)(uintptr_t)state->reason;
	message.frequency_s = state->frequency_s;
	if (channel_send(&peer->channel, FRAME_PEER_STATE, &message.base, NULL, 0, PEER_DIRECT_MS) <
	    0) {
		peer_close(peer);
		return;
	}
	peer->told = *state;
}
