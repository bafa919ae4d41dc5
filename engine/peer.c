/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/tls_expiry.h"
#include "proto/validate.h"
#include "proto/version.h"

#define PEER_RELAY_DIAL_MS 10000
#define PEER_HELLO_MS	   30000 /* the receiver may open a store and read its manifest */

void peer_init(struct peer *peer, struct tls_store *tls, const char *host, uint16_t port)
{
	memset(peer, 0, sizeof(*peer));
	canceller_init(&peer->canceller);
	peer->locate = (struct locate_client){
		.tls = tls, .canceller = &peer->canceller, .host = host, .port = port};
	arena_init(&peer->arena, ARENA_MAX);
}

void peer_destroy(struct peer *peer)
{
	peer_close(peer);
	canceller_destroy(&peer->canceller);
}

void peer_close(struct peer *peer)
{
	if (peer->conn == NULL) {
		return;
	}
	canceller_watch(&peer->canceller, NULL);
	channel_destroy(&peer->channel);
	tls_conn_free(peer->conn);
	arena_reset(&peer->arena);
	peer->conn = NULL;
	memset(&peer->position, 0, sizeof(peer->position));
	memset(peer->sent_xml_hash, 0, sizeof(peer->sent_xml_hash));
	memset(peer->sent_state_hash, 0, sizeof(peer->sent_state_hash));
	memset(&peer->told, 0, sizeof(peer->told));
	peer_drop_extents(peer);
}

bool peer_is_connected(const struct peer *peer)
{
	return peer->conn != NULL;
}

int peer_failed(struct peer *peer, int error, const char *doing, struct trouble *trouble)
{
	const char *why = peer->conn != NULL ? tls_error(peer->conn) : "";

	if (canceller_is_cancelled(&peer->canceller)) {
		return trouble_set(trouble, -ECANCELED, SCHEDULE_CANCELLED, "cancelled",
				   "stopped from this side");
	}
	if (error == -EKEYREJECTED || error == -EKEYEXPIRED) {
		return trouble_set(trouble, error, SCHEDULE_FAILED, "certificate",
				   "%s, the replica's owner: %s", peer->node, why);
	}
	return trouble_set(trouble, error, SCHEDULE_FAILED, "connection",
			   "connection to %s lost while %s: %s", peer->node, doing,
			   why[0] != '\0' ? why : strerror(-error));
}

int peer_locate(struct peer *peer, const char *relationship, struct locate_answer *ret_answer,
		struct trouble *trouble)
{
	bool relay = clock_monotonic_ms() < peer->relay_until_ms;

	return locate_client_ask(&peer->locate, relationship, relay, ret_answer, trouble);
}

/* Dial and shake hands as answer says; errors are the caller's to judge. */
static int peer_dial(struct peer *peer, const struct locate_answer *answer, char *error)
{
	bool relayed = answer->kind == LOCATE_RELAY;
	int timeout_ms = relayed ? PEER_RELAY_DIAL_MS : PEER_DIRECT_MS;
	struct tls_context *context = tls_store_get(peer->locate.tls, error);
	int fd, result;

	if (context == NULL) {
		return -EKEYREJECTED;
	}
	fd = tls_dial(answer->host, answer->port, timeout_ms, error);
	if (fd < 0) {
		tls_context_unref(context);
		return fd;
	}
	peer->conn = tls_client_new(context, fd, answer->name, relayed ? answer->token : NULL);
	tls_context_unref(context);
	if (peer->conn == NULL) {
		return -ENOMEM;
	}
	channel_init_tls(&peer->channel, peer->conn);
	peer->relayed = relayed;
	result = canceller_watch(&peer->canceller, peer->conn);
	if (result == 0) {
		result = tls_handshake_full(peer->conn, timeout_ms + PEER_DIRECT_MS);
	}
	if (result < 0) {
		snprintf(error, TLS_ERROR_LEN, "%s", tls_error(peer->conn));
		peer_close(peer);
	}
	return result;
}

static int peer_dial_failed(struct peer *peer, const struct locate_answer *answer, int result,
			    const char *error, struct trouble *trouble)
{
	if (canceller_is_cancelled(&peer->canceller)) {
		return trouble_set(trouble, -ECANCELED, SCHEDULE_CANCELLED, "cancelled",
				   "stopped from this side");
	}
	return trouble_set(trouble, result, SCHEDULE_FAILED,
			   result == -EKEYREJECTED || result == -EKEYEXPIRED ? "certificate"
									     : "owner-unreachable",
			   "%s, the replica's owner, cannot be reached at %s port %u%s: %s",
			   answer->node, answer->host, answer->port,
			   answer->kind == LOCATE_RELAY ? " through the broker's relay" : "",
			   error[0] != '\0' ? error : strerror(-result));
}

static bool is_unreachable(int error)
{
	return error == -ETIMEDOUT || error == -EHOSTUNREACH || error == -ENETUNREACH ||
	       error == -ECONNREFUSED || error == -ECONNRESET || error == -EACCES ||
	       error == -EADDRNOTAVAIL || error == -EPERM;
}

/* Direct within 2 s, or the broker's relay, which is then remembered for a while. */
static int peer_reach(struct peer *peer, const struct locate_answer *answer,
		      const char *relationship, struct trouble *trouble)
{
	char error[TLS_ERROR_LEN] = "";
	struct locate_answer relay;
	struct trouble ignored;
	int result = peer_dial(peer, answer, error);

	if (result == 0 || answer->kind == LOCATE_RELAY || !is_unreachable(result)) {
		return result == 0 ? 0 : peer_dial_failed(peer, answer, result, error, trouble);
	}
	if (locate_client_ask(&peer->locate, relationship, true, &relay, &ignored) < 0 ||
	    relay.kind != LOCATE_RELAY) {
		return peer_dial_failed(peer, answer, result, error, trouble);
	}
	result = peer_dial(peer, &relay, error);
	if (result < 0) {
		return peer_dial_failed(peer, &relay, result, error, trouble);
	}
	peer->relay_until_ms = clock_monotonic_ms() + PEER_RELAY_MEMORY_MS;
	return 0;
}

static void peer_take_mark(const Vmreplica__Wire__Mark *mark, struct resume_mark *ret_mark)
{
	memset(ret_mark, 0, sizeof(*ret_mark));
	if (mark == NULL || mark->mode == VMREPLICA__WIRE__MODE__MODE_NONE) {
		return;
	}
	ret_mark->present = true;
	ret_mark->mode = mark->mode;
	ret_mark->seq = mark->seq;
	snprintf(ret_mark->cut_id, sizeof(ret_mark->cut_id), "%s", mark->cut_id);
	ret_mark->disk = mark->disk;
	ret_mark->offset = mark->offset;
}

void peer_note_committed(struct peer *peer, const Vmreplica__Cut *cut)
{
	struct peer_position *position = &peer->position;

	position->has_committed = true;
	position->committed_seq = cut->seq;
	snprintf(position->committed_cut_id, sizeof(position->committed_cut_id), "%s", cut->cut_id);
	memset(position->committed_hash, 0, sizeof(position->committed_hash));
	if (cut->log_hash.len == LOG_HASH_LEN) {
		memcpy(position->committed_hash, cut->log_hash.data, LOG_HASH_LEN);
	}
	position->committed_time_ms = cut->time_ms;
	position->mode = VMREPLICA__WIRE__MODE__MODE_DELTA;
	position->mark = (struct resume_mark){0};
	position->next_seq = cut->seq + 1;
	position->reason[0] = '\0';
	peer_drop_extents(peer);
}

static void peer_take_welcome(struct peer *peer, const Vmreplica__Wire__Welcome *welcome)
{
	struct peer_position *position = &peer->position;

	memset(position, 0, sizeof(*position));
	if (welcome->committed != NULL && welcome->committed->seq > 0) {
		peer_note_committed(peer, welcome->committed);
	}
	position->mode = welcome->mode;
	peer_take_mark(welcome->mark, &position->mark);
	position->next_seq = welcome->next_seq;
	peer->features = welcome->version->features;
	peer->greeted = true;
	snprintf(position->reason, sizeof(position->reason), "%s", welcome->reason);
}

static int peer_check_welcome(struct peer *peer, const Vmreplica__Wire__Welcome *welcome,
			      const Vmreplica__Wire__Hello *hello, struct trouble *trouble)
{
	const Vmreplica__Wire__Version *version = welcome->version;

	struct version_range theirs = {0};
	char why[160];

	if (version != NULL) {
		theirs = (struct version_range){.min = version->min, .max = version->max};
	}
	if (version_choose(version_ours(), theirs) == 0) {
		return trouble_set(trouble, -EPROTONOSUPPORT, SCHEDULE_DENIED, "version",
				   "no common protocol with %s: %s", peer->node,
				   version_explain(version_ours(), theirs, why, sizeof(why)));
	}
	if (welcome->epoch != NULL &&
	    (welcome->epoch->number != hello->epoch->number ||
	     strcmp(welcome->epoch->lineage, hello->epoch->lineage) != 0)) {
		return trouble_set(
			trouble, -ESTALE, SCHEDULE_DENIED, "epoch",
			"the replica at %s is in epoch %llu (%s), this side in %llu (%s): "
			"one of them was failed over; nothing is sent",
			peer->node, (unsigned long long)welcome->epoch->number,
			welcome->epoch->lineage, (unsigned long long)hello->epoch->number,
			hello->epoch->lineage);
	}
	return 0;
}

static int peer_say_hello(struct peer *peer, Vmreplica__Wire__Hello *hello, struct trouble *trouble)
{
	Vmreplica__Wire__Version version;
	struct frame frame;
	int result;

	locate_fill_version(&version);
	hello->version = &version;
	result = channel_send(&peer->channel, FRAME_HELLO, &hello->base, NULL, 0, PEER_HELLO_MS);
	hello->version = NULL;
	if (result < 0) {
		return peer_failed(peer, result, "saying hello", trouble);
	}
	result = peer_receive(peer, &frame, NULL, 0, PEER_HELLO_MS, trouble);
	if (result == -ETIMEDOUT) {
		return peer_failed(peer, result, "waiting for its welcome", trouble);
	}
	if (result < 0) {
		return result;
	}
	if (frame.type != FRAME_WELCOME) {
		return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "%s answered HELLO with %s", peer->node,
				   frame_type_to_string(frame.type));
	}
	result = peer_check_welcome(peer, (const Vmreplica__Wire__Welcome *)frame.message, hello,
				    trouble);
	if (result == 0) {
		uint32_t extents = ((const Vmreplica__Wire__Welcome *)frame.message)->extents;

		peer_take_welcome(peer, (const Vmreplica__Wire__Welcome *)frame.message);
		result = peer_take_extents(peer, hello, extents, trouble);
	}
	return result;
}

int peer_connect(struct peer *peer, const struct locate_answer *answer,
		 Vmreplica__Wire__Hello *hello, struct trouble *trouble)
{
	int result;

	peer_close(peer);
	snprintf(peer->node, sizeof(peer->node), "%s", answer->node);
	result = peer_reach(peer, answer, hello->relationship, trouble);
	if (result < 0) {
		return result;
	}
	peer->not_after_ms = tls_peer_not_after_ms(peer->conn);
	result = peer_say_hello(peer, hello, trouble);
	if (result < 0) {
		peer_close(peer);
	}
	return result;
}
