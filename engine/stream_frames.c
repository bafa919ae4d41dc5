/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frames of a cycle's stream: answers taken in, items sent out. */
#include "engine/stream_frames.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"

#define STREAM_SEND_MS                                                                             \
	60000 /* without any progress of a write for so long, the connection is given up */
#define STREAM_PING_MS	  20000
#define CHUNK_ENCODED_MAX 128

static int stream_failed(struct sender_stream *stream, int error, const char *doing)
{
	uint8_t payload[STREAM_DIGEST_BLOCKS / 8];
	struct trouble told = {0};
	struct frame frame;
	int result = error == -ETIMEDOUT ? -ETIMEDOUT : 0;

	/* The receiver says why before it closes: its words are better than "connection reset". */
	while (result == 0) {
		result = peer_receive(stream->peer, &frame, payload, sizeof(payload),
				      STREAM_IDLE_MS, &told);
	}
	if (told.code[0] != '\0' && strcmp(told.code, "connection") != 0) {
		stream->trouble = told;
		return error;
	}
	return peer_failed(stream->peer, error, doing, &stream->trouble);
}

int stream_send(struct sender_stream *stream, enum frame_type type, const ProtobufCMessage *message,
		const void *payload, uint32_t payload_len)
{
	int result = channel_send(&stream->peer->channel, type, message, payload, payload_len,
				  STREAM_SEND_MS);

	stream->sent_ms = clock_monotonic_ms();
	return result < 0 ? stream_failed(stream, result, "sending") : 0;
}

/* The reader never has more digests under way than there is room for replies: more of them are the
 * peer's mistake. */
static int stream_put_reply(struct sender_stream *stream, const struct stream_reply *reply)
{
	bool full;

	pthread_mutex_lock(&stream->reply_lock);
	full = stream->reply_in - stream->reply_out >= STREAM_REPLIES;
	if (!full) {
		stream->replies[stream->reply_in++ % STREAM_REPLIES] = *reply;
		pthread_cond_broadcast(&stream->reply_changed);
	}
	pthread_mutex_unlock(&stream->reply_lock);
	return full ? trouble_set(&stream->trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				  "%s sent more digest replies than were asked for",
				  stream->peer->node)
		    : 0;
}

static int stream_take_digest_reply(struct sender_stream *stream, const struct frame *frame,
				    const uint8_t *payload)
{
	const Vmreplica__Wire__DigestReply *message =
		(const Vmreplica__Wire__DigestReply *)frame->message;
	struct stream_reply reply = {
		.disk = message->disk, .offset = message->offset, .count = message->count};

	/* only the reader takes replies out, so more of them than it asked for is the peer's
	 * mistake */
	if (message->count == 0 || message->count > STREAM_DIGEST_BLOCKS ||
	    frame->payload_len != (message->count + 7) / 8 ||
	    stream->reply_in - stream->reply_out >= STREAM_REPLIES) {
		return trouble_set(&stream->trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "%s sent a digest reply that was not asked for",
				   stream->peer->node);
	}
	memcpy(reply.map, payload, frame->payload_len);
	return stream_put_reply(stream, &reply);
}

static int stream_take_committed(struct sender_stream *stream,
				 const Vmreplica__Wire__Committed *committed)
{
	const Vmreplica__Cut *cut = committed->cut;

	if (!stream->ended || cut == NULL || cut->seq != stream->seq ||
	    strcmp(cut->cut_id, stream->cut_id) != 0) {
		return trouble_set(&stream->trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "%s committed a cycle that is not under way",
				   stream->peer->node);
	}
	peer_note_committed(stream->peer, cut);
	stream->committed = true;
	return 0;
}

static int stream_pong(struct sender_stream *stream, const Vmreplica__Wire__Ping *ping)
{
	Vmreplica__Wire__Pong pong = VMREPLICA__WIRE__PONG__INIT;

	pong.value = ping->value;
	return stream_send(stream, FRAME_PONG, &pong.base, NULL, 0);
}

/* Handle one frame if one is there. 1 = one was handled, 0 = none, or a negative errno. */
int stream_receive(struct sender_stream *stream, int timeout_ms)
{
	uint8_t payload[STREAM_DIGEST_BLOCKS / 8];
	struct frame frame;
	int result = peer_receive(stream->peer, &frame, payload, sizeof(payload), timeout_ms,
				  &stream->trouble);

	if (result < 0) {
		return result == -ETIMEDOUT ? 0 : result;
	}
	switch (frame.type) {
	case FRAME_MARKED:
		stream->mark_awaited = false;
		break;
	case FRAME_DIGEST_REPLY:
		result = stream_take_digest_reply(stream, &frame, payload);
		break;
	case FRAME_COMMITTED:
		result = stream_take_committed(stream,
					       (const Vmreplica__Wire__Committed *)frame.message);
		break;
	case FRAME_PING:
		result = stream_pong(stream, (const Vmreplica__Wire__Ping *)frame.message);
		break;
	case FRAME_PONG:
		break;
	default:
		result = trouble_set(&stream->trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				     "%s sent an unexpected %s", stream->peer->node,
				     frame_type_to_string(frame.type));
	}
	return result < 0 ? result : 1;
}

int stream_receive_all(struct sender_stream *stream)
{
	struct pollfd fd = {.fd = tls_fd(stream->peer->conn), .events = POLLIN};
	int result = 1;

	while (result == 1 && (tls_has_pending(stream->peer->conn) || poll(&fd, 1, 0) > 0)) {
		result = stream_receive(stream, 0);
	}
	return result < 0 ? result : 0;
}

/* Pay for bytes out of the bandwidth; answers are handled meanwhile. */
static int stream_charge(struct sender_stream *stream, uint64_t bytes)
{
	uint64_t limit = atomic_load(&stream->progress->limit_bytes_per_s);
	int64_t now = clock_monotonic_ms();
	int64_t until;

	if (limit != stream->bucket.bytes_per_s) { /* the administrator changed it meanwhile */
		rate_bucket_init(&stream->bucket, limit, now);
	}
	until = now + rate_bucket_charge(&stream->bucket, bytes, now);
	for (; now < until; now = clock_monotonic_ms()) {
		struct pollfd fd = {.fd = tls_fd(stream->peer->conn), .events = POLLIN};
		int64_t wait = until - now < STREAM_IDLE_MS ? until - now : STREAM_IDLE_MS;
		int result;

		poll(&fd, 1, (int)wait);
		result = stream_receive_all(stream);
		if (result < 0) {
			return result;
		}
	}
	return 0;
}

static int stream_send_chunk(struct sender_stream *stream, const Vmreplica__Wire__Chunk *chunk,
			     const uint8_t *payload, uint32_t payload_len)
{
	uint8_t encoded[CHUNK_ENCODED_MAX];
	size_t len = vmreplica__wire__chunk__get_packed_size(chunk);
	int result;

	if (len > sizeof(encoded)) {
		return trouble_set(&stream->trouble, -EMSGSIZE, SCHEDULE_FAILED, "internal",
				   "a chunk's header does not fit");
	}
	vmreplica__wire__chunk__pack(chunk, encoded);
	sha256_update(stream->hash, encoded, len);
	if (payload_len > 0) {
		sha256_update(stream->hash, payload, payload_len);
	}
	result = stream_send(stream, FRAME_CHUNK, &chunk->base, payload, payload_len);
	if (result < 0) {
		return result;
	}
	stream->chunks++;
	return stream_charge(stream, FRAME_HEADER_LEN + len + payload_len);
}

int stream_send_zero(struct sender_stream *stream, uint32_t disk, uint64_t offset, uint64_t length)
{
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;

	chunk.disk = disk;
	chunk.offset = offset;
	chunk.length = length;
	chunk.kind = VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO;
	return stream_send_chunk(stream, &chunk, NULL, 0);
}

int stream_send_data(struct sender_stream *stream, const struct pipeline_item *item)
{
	for (uint32_t i = 0; i < item->segment_count; i++) {
		const struct pipeline_segment *segment = &item->segments[i];
		Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;
		int result;

		if (segment->zero) {
			result = stream_send_zero(stream, item->disk, item->offset + segment->start,
						  segment->length);
		} else {
			chunk.disk = item->disk;
			chunk.offset = item->offset + segment->start;
			chunk.length = segment->length;
			chunk.kind = VMREPLICA__WIRE__CHUNK_KIND__CHUNK_DATA;
			chunk.codec = (Vmreplica__Wire__Codec)segment->codec;
			chunk.checksum = segment->checksum;
			stream->data_bytes += segment->length;
			result = stream_send_chunk(stream, &chunk,
						   item->buffer + segment->payload_start,
						   segment->payload_length);
		}
		if (result < 0) {
			return result;
		}
	}
	return 0;
}

int stream_send_digest(struct sender_stream *stream, const struct pipeline_item *item)
{
	Vmreplica__Wire__Digest digest = VMREPLICA__WIRE__DIGEST__INIT;
	uint32_t payload_len = item->digest_count * 16;
	int result;

	digest.disk = item->disk;
	digest.offset = item->offset;
	digest.block_bytes = STREAM_DIGEST_BLOCK;
	digest.count = item->digest_count;
	result = stream_send(stream, FRAME_DIGEST, &digest.base, item->buffer, payload_len);
	return result < 0 ? result : stream_charge(stream, FRAME_HEADER_LEN + payload_len);
}

int stream_request_mark(struct sender_stream *stream)
{
	Vmreplica__Wire__MarkRequest request = VMREPLICA__WIRE__MARK_REQUEST__INIT;
	Vmreplica__Wire__Mark mark = VMREPLICA__WIRE__MARK__INIT;

	mark.mode = stream->kind;
	mark.seq = stream->seq;
	mark.cut_id = (char *)(uintptr_t)stream->cut_id;
	mark.disk = stream->position_disk;
	mark.offset = stream->position_offset;
	request.mark = &mark;
	stream->mark_awaited = true;
	stream->position_marked = true;
	stream->mark_ms = clock_monotonic_ms();
	stream->mark_wire = tls_bytes_sent(stream->peer->conn);
	return stream_send(stream, FRAME_MARK_REQUEST, &request.base, NULL, 0);
}

int stream_mark_if_due(struct sender_stream *stream)
{
	if (!stream->position_markable || stream->position_marked || stream->mark_awaited) {
		return 0;
	}
	if (tls_bytes_sent(stream->peer->conn) - stream->mark_wire < STREAM_MARK_BYTES &&
	    clock_monotonic_ms() - stream->mark_ms < STREAM_MARK_MS) {
		return 0;
	}
	return stream_request_mark(stream);
}

int stream_ping_if_idle(struct sender_stream *stream)
{
	Vmreplica__Wire__Ping ping = VMREPLICA__WIRE__PING__INIT;

	if (clock_monotonic_ms() - stream->sent_ms < STREAM_PING_MS) {
		return 0;
	}
	return stream_send(stream, FRAME_PING, &ping.base, NULL, 0);
}
