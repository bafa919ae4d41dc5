/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/forward.h"

#include <errno.h>
#include <qb/qblist.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/arena.h"

#define FORWARD_RETRY_MS     50
#define FORWARD_REPLY_TTL_MS 30000
#define FORWARD_QUEUE_MAX    (16u * 1024u * 1024u) /* bytes of answers that wait for the group */

/* A request of ours that waits for its answer. */
struct pending {
	struct qb_list_head list;
	struct forward *forward;
	uint64_t id;
	forward_reply_cb reply;
	void *arg;
	qb_loop_timer_handle timer;
	uint32_t next_part, parts; /* pieces so far; parts 0 = none yet */
	struct byte_buffer data;
};

/* An answer of ours whose pieces are not all sent. */
struct outgoing {
	struct qb_list_head list;
	char *to;
	uint64_t id;
	uint8_t *data;
	size_t len;
	uint32_t next_part, parts;
	int64_t deadline_ms;
};

struct forward {
	struct cluster *cluster;
	char *self_name;
	forward_handler_cb handler;
	void *arg;
	uint64_t next_id;
	struct qb_list_head pending;
	size_t pending_count;
	struct qb_list_head outgoing;
	size_t outgoing_bytes;
	qb_loop_timer_handle retry_timer;
	bool retry_armed;
	bool flushing; /* the group may hand our own message back from inside multicast */
};

struct forward *forward_new(struct cluster *cluster, const char *self_name,
			    forward_handler_cb handler, void *arg)
{
	struct forward *forward = calloc(1, sizeof(*forward));

	if (forward == NULL) {
		return NULL;
	}
	forward->self_name = strdup(self_name);
	if (forward->self_name == NULL) {
		free(forward);
		return NULL;
	}
	forward->cluster = cluster;
	forward->handler = handler;
	forward->arg = arg;
	/* Random, so that an answer to what this node asked before its restart never meets a new
	 * request. */
	if (getrandom(&forward->next_id, sizeof(forward->next_id), GRND_NONBLOCK) !=
	    sizeof(forward->next_id)) {
		forward->next_id = (uint64_t)clock_wall_ms() << 20;
	}
	qb_list_init(&forward->pending);
	qb_list_init(&forward->outgoing);
	return forward;
}

static void pending_finish(struct pending *pending, int error,
			   const Vmreplica__Admin__Response *response)
{
	struct forward *forward = pending->forward;

	qb_loop_timer_del(forward->cluster->loop, pending->timer);
	qb_list_del(&pending->list);
	forward->pending_count--;
	pending->reply(pending->arg, error, response);
	byte_buffer_destroy(&pending->data);
	free(pending);
}

static void outgoing_free(struct forward *forward, struct outgoing *outgoing)
{
	qb_list_del(&outgoing->list);
	forward->outgoing_bytes -= outgoing->len;
	free(outgoing->data);
	free(outgoing->to);
	free(outgoing);
}

void forward_free(struct forward *forward)
{
	if (forward == NULL) {
		return;
	}
	while (!qb_list_empty(&forward->pending)) {
		pending_finish(qb_list_first_entry(&forward->pending, struct pending, list),
			       -ECANCELED, NULL);
	}
	while (!qb_list_empty(&forward->outgoing)) {
		outgoing_free(forward,
			      qb_list_first_entry(&forward->outgoing, struct outgoing, list));
	}
	if (forward->retry_armed) {
		qb_loop_timer_del(forward->cluster->loop, forward->retry_timer);
	}
	free(forward->self_name);
	free(forward);
}

/* ---- asking ---- */

static void pending_timeout_cb(void *data)
{
	pending_finish(data, -ETIMEDOUT, NULL);
}

static int forward_multicast_request(struct forward *forward, uint64_t id, const char *to,
				     const Vmreplica__Admin__Request *request)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__Forward body = VMREPLICA__CLUSTER__FORWARD__INIT;
	cleanup_free char *to_copy = strdup(to);
	cleanup_free uint8_t *encoded = NULL;
	size_t len = vmreplica__admin__request__get_packed_size(request);

	if (len > FORWARD_PIECE_MAX) {
		return -EMSGSIZE;
	}
	encoded = malloc(len + 1);
	if (encoded == NULL || to_copy == NULL) {
		return -ENOMEM;
	}
	vmreplica__admin__request__pack(request, encoded);
	body.id = id;
	body.from = forward->self_name;
	body.to = to_copy;
	body.request.data = encoded;
	body.request.len = len;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_FORWARD;
	message.forward = &body;
	return forward->cluster->ops->multicast(forward->cluster, &message);
}

int forward_request(struct forward *forward, const char *to,
		    const Vmreplica__Admin__Request *request, int timeout_ms,
		    forward_reply_cb reply, void *arg)
{
	struct pending *pending;
	int rc;

	if (forward->pending_count >= FORWARD_PENDING_MAX) {
		return -ENOBUFS;
	}
	pending = calloc(1, sizeof(*pending));
	if (pending == NULL) {
		return -ENOMEM;
	}
	pending->forward = forward;
	pending->id = forward->next_id++;
	pending->reply = reply;
	pending->arg = arg;
	pending->data.limit = FRAME_ADMIN_MESSAGE_MAX;
	rc = qb_loop_timer_add(forward->cluster->loop, QB_LOOP_MED, (uint64_t)timeout_ms * 1000000u,
			       pending, pending_timeout_cb, &pending->timer);
	if (rc < 0) {
		free(pending);
		return rc;
	}
	/* Listed before the multicast: an implementation may deliver our own message from inside
	 * the call. */
	qb_list_add_tail(&pending->list, &forward->pending);
	forward->pending_count++;
	rc = forward_multicast_request(forward, pending->id, to, request);
	if (rc < 0) {
		qb_loop_timer_del(forward->cluster->loop, pending->timer);
		qb_list_del(&pending->list);
		forward->pending_count--;
		free(pending);
	}
	return rc;
}

static struct pending *pending_find(struct forward *forward, uint64_t id)
{
	struct pending *pending;

	qb_list_for_each_entry(pending, &forward->pending, list)
	{
		if (pending->id == id) {
			return pending;
		}
	}
	return NULL;
}

static void pending_complete(struct pending *pending)
{
	Vmreplica__Admin__Response *response;
	struct arena arena;

	arena_init(&arena, FRAME_ADMIN_MESSAGE_MAX * 4);
	response = vmreplica__admin__response__unpack(&arena.allocator, pending->data.len,
						      pending->data.data);
	pending_finish(pending, response == NULL ? -EBADMSG : 0, response);
	arena_reset(&arena);
}

static void forward_take_piece(struct forward *forward,
			       const Vmreplica__Cluster__ForwardReply *reply)
{
	struct pending *pending = pending_find(forward, reply->id);

	if (pending == NULL) {
		return; /* timed out meanwhile */
	}
	if (pending->parts == 0) {
		pending->parts = reply->parts;
	}
	if (reply->parts == 0 || reply->parts != pending->parts ||
	    reply->part != pending->next_part ||
	    byte_buffer_append(&pending->data, reply->piece.data, reply->piece.len) < 0) {
		pending_finish(pending, -EBADMSG, NULL);
		return;
	}
	pending->next_part++;
	if (pending->next_part == pending->parts) {
		pending_complete(pending);
	}
}

/* ---- answering ---- */

static int outgoing_send_piece(struct forward *forward, const struct outgoing *outgoing)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__ForwardReply body = VMREPLICA__CLUSTER__FORWARD_REPLY__INIT;
	size_t offset = (size_t)outgoing->next_part * FORWARD_PIECE_MAX;
	size_t rest = outgoing->len - offset;

	body.id = outgoing->id;
	body.to = outgoing->to;
	body.from = forward->self_name;
	body.part = outgoing->next_part;
	body.parts = outgoing->parts;
	body.piece.data = outgoing->data + offset;
	body.piece.len = rest < FORWARD_PIECE_MAX ? rest : FORWARD_PIECE_MAX;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_REPLY;
	message.reply = &body;
	return forward->cluster->ops->multicast(forward->cluster, &message);
}

static void forward_flush(struct forward *forward);

static void forward_retry_cb(void *data)
{
	struct forward *forward = data;

	forward->retry_armed = false;
	forward_flush(forward);
}

static void forward_flush(struct forward *forward)
{
	if (forward->flushing) {
		return;
	}
	forward->flushing = true;
	while (!qb_list_empty(&forward->outgoing)) {
		struct outgoing *outgoing =
			qb_list_first_entry(&forward->outgoing, struct outgoing, list);
		int rc = outgoing_send_piece(forward, outgoing);

		if (rc == -ENOBUFS && clock_monotonic_ms() < outgoing->deadline_ms) {
			break; /* the group is busy: go on from the timer */
		}
		if (rc < 0) {
			log_warning("answer to %s is lost: cannot reach the group: %s",
				    outgoing->to, strerror(-rc));
		}
		outgoing->next_part++;
		if (rc < 0 || outgoing->next_part == outgoing->parts) {
			outgoing_free(forward, outgoing);
		}
	}
	forward->flushing = false;
	if (!qb_list_empty(&forward->outgoing) && !forward->retry_armed) {
		forward->retry_armed =
			qb_loop_timer_add(forward->cluster->loop, QB_LOOP_MED,
					  FORWARD_RETRY_MS * 1000000ull, forward, forward_retry_cb,
					  &forward->retry_timer) == 0;
	}
}

/* Pack response, or in its place an error when it is too long to travel. NULL when out of memory.
 */
static uint8_t *response_pack(const Vmreplica__Admin__Response *response, size_t *ret_len)
{
	Vmreplica__Admin__Response too_long = VMREPLICA__ADMIN__RESPONSE__INIT;
	static char text[] = "the answer is too long to pass between the nodes";
	static char advice[] = "ask for one VM, or ask on the node itself";
	size_t len = vmreplica__admin__response__get_packed_size(response);
	uint8_t *data;

	if (len > FRAME_ADMIN_MESSAGE_MAX) {
		too_long.error = EMSGSIZE;
		too_long.text = text;
		too_long.advice = advice;
		response = &too_long;
		len = vmreplica__admin__response__get_packed_size(response);
	}
	data = malloc(len + 1);
	if (data != NULL) {
		vmreplica__admin__response__pack(response, data);
		*ret_len = len;
	}
	return data;
}

int forward_reply(struct forward *forward, const char *from, uint64_t id,
		  const Vmreplica__Admin__Response *response)
{
	struct outgoing *outgoing = calloc(1, sizeof(*outgoing));

	if (outgoing == NULL) {
		return -ENOMEM;
	}
	outgoing->to = strdup(from);
	outgoing->data = response_pack(response, &outgoing->len);
	if (outgoing->to == NULL || outgoing->data == NULL ||
	    forward->outgoing_bytes + outgoing->len > FORWARD_QUEUE_MAX) {
		int rc = outgoing->to == NULL || outgoing->data == NULL ? -ENOMEM : -ENOBUFS;

		free(outgoing->to);
		free(outgoing->data);
		free(outgoing);
		return rc;
	}
	outgoing->id = id;
	outgoing->parts =
		outgoing->len == 0
			? 1
			: (uint32_t)((outgoing->len + FORWARD_PIECE_MAX - 1) / FORWARD_PIECE_MAX);
	outgoing->deadline_ms = clock_monotonic_ms() + FORWARD_REPLY_TTL_MS;
	qb_list_add_tail(&outgoing->list, &forward->outgoing);
	forward->outgoing_bytes += outgoing->len;
	forward_flush(forward);
	return 0;
}

static void forward_take_request(struct forward *forward, const Vmreplica__Cluster__Forward *body)
{
	Vmreplica__Admin__Request *request;
	struct arena arena;

	arena_init(&arena, ARENA_MAX);
	request = vmreplica__admin__request__unpack(&arena.allocator, body->request.len,
						    body->request.data);
	if (request == NULL) {
		log_warning("a request from %s cannot be decoded", body->from);
	} else {
		forward->handler(forward->arg, body->from, body->id, request);
	}
	arena_reset(&arena);
}

bool forward_handle_message(struct forward *forward, const Vmreplica__Cluster__Message *message)
{
	switch (message->body_case) {
	case VMREPLICA__CLUSTER__MESSAGE__BODY_FORWARD:
		if (strcmp(message->forward->to, forward->self_name) == 0) {
			forward_take_request(forward, message->forward);
		}
		return true;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_REPLY:
		if (strcmp(message->reply->to, forward->self_name) == 0) {
			forward_take_piece(forward, message->reply);
		}
		return true;
	default:
		return false;
	}
}
