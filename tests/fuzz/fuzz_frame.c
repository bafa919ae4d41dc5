/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of frames as a peer sends it, through all that a receiver does before it believes one:
 * header, limits, arena, protobuf, validation, and for chunks the codec; and a ClientHello's name
 * from the same bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/tls.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/validate.h"
#include "proto/wire.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct codec_state *state;
static uint8_t plain[CHUNK_MAX];

static void chunk_use(const struct frame *frame, const uint8_t *payload)
{
	const Vmreplica__Wire__Chunk *chunk = (const void *)frame->message;

	if (chunk->kind != VMREPLICA__WIRE__CHUNK_KIND__CHUNK_DATA) {
		return;
	}
	assert(chunk->length <= sizeof(plain)); /* validation has promised it */
	if (codec_decompress(state, (enum codec)chunk->codec, payload, frame->payload_len, plain,
			     (size_t)chunk->length) == 0) {
		(void)codec_checksum(plain, (size_t)chunk->length, chunk->offset);
	}
}

/* Returns the frame's length, 0 when it is cut off or wrong. */
static size_t frame_use(const uint8_t *data, size_t size, struct arena *arena)
{
	char error[VALIDATE_ERROR_LEN];
	struct frame_header header;
	struct frame frame;
	size_t len;

	if (size < FRAME_HEADER_LEN || frame_header_decode(data, &header) < 0) {
		return 0;
	}
	len = (size_t)FRAME_HEADER_LEN + header.message_len + header.payload_len;
	if (len > size) {
		return 0;
	}
	frame = (struct frame){.type = (enum frame_type)header.type,
			       .payload_len = header.payload_len};
	frame.message =
		frame_decode(frame.type, data + FRAME_HEADER_LEN, header.message_len, arena);
	assert(arena->used <= arena->limit);
	if (frame.message == NULL) {
		return 0;
	}
	if (validate_frame(&frame, error) < 0) {
		assert(strlen(error) > 0);
	} else if (frame.type == FRAME_CHUNK) {
		chunk_use(&frame, data + FRAME_HEADER_LEN + header.message_len);
	}
	arena_reset(arena);
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[DISK_NAME_MAX * 8];
	struct arena arena;
	size_t len;

	if (state == NULL) {
		state = codec_state_new();
	}
	if (tls_client_hello_sni(data, size, name, sizeof(name)) == 1) {
		assert(strlen(name) > 0);
	}
	arena_init(&arena, ARENA_MAX);
	while ((len = frame_use(data, size, &arena)) > 0) {
		data += len;
		size -= len;
	}
	arena_reset(&arena);
	return 0;
}
