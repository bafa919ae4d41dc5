/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of sender_stream.c: the frames of a cycle's stream. For its thread only. Failures fill
 * stream->trouble. */
#ifndef VMR_ENGINE_STREAM_FRAMES_H
#define VMR_ENGINE_STREAM_FRAMES_H

#include "engine/sender_stream.h"

#define STREAM_IDLE_MS 200

/* Send one frame. On failure the receiver's own words, if it left any, become the trouble. */
int stream_send(struct sender_stream *stream, enum frame_type type, const ProtobufCMessage *message,
		const void *payload, uint32_t payload_len);
/* Handle one frame if one comes. 1 = one was handled, 0 = none within timeout_ms, or a negative
 * errno. */
int stream_receive(struct sender_stream *stream, int timeout_ms);
/* Handle all that is there. */
int stream_receive_all(struct sender_stream *stream);
int stream_send_zero(struct sender_stream *stream, uint32_t disk, uint64_t offset, uint64_t length);
int stream_send_data(struct sender_stream *stream, const struct pipeline_item *item);
int stream_send_digest(struct sender_stream *stream, const struct pipeline_item *item);
/* Ask that all before the position be made durable. */
int stream_request_mark(struct sender_stream *stream);
int stream_mark_if_due(struct sender_stream *stream);
/* Show that we live while there is nothing to send (the reader is slow): a silent sender is taken
 * for a hung one. */
int stream_ping_if_idle(struct sender_stream *stream);

#endif
