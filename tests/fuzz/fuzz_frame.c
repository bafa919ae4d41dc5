/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of frames as a peer sends it, through all that a receiver does before it believes one:
 * header, limits, arena, protobuf, validation, and for chunks the codec; and a ClientHello's name
 * from the same bytes. The mutator changes messages by their descriptors and payloads, with the
 * headers' lengths made right again, and doubles, drops and swaps frames.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/tls.h"
#include "fuzz.h"
#include "mutate_message.h"
#include "mutate_pieces.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/validate.h"
#include "proto/wire.pb-c.h"

#define FRAME_ROOM 8192u /* that a frame may grow by */

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

/* ---- the mutator ---- */

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void frames_split(struct mutate_pieces *pieces, const uint8_t *data, size_t size)
{
	while (size >= FRAME_HEADER_LEN && get_u32(data) == FRAME_MAGIC) {
		uint64_t len = (uint64_t)FRAME_HEADER_LEN + get_u32(data + 8) + get_u32(data + 12);

		if (len > size || !mutate_pieces_add(pieces, data, (size_t)len)) {
			return;
		}
		data += len;
		size -= (size_t)len;
	}
}

/* Fill frame with another one of the same type. Returns its length. */
static size_t frame_change(struct mutate *mutate, const struct mutate_piece *piece, uint8_t *frame)
{
	enum frame_type type = (enum frame_type)(piece->data[4] << 8 | piece->data[5]);
	const ProtobufCMessageDescriptor *descriptor = frame_descriptor(type);
	struct frame_header header = {.type = (uint16_t)type};
	size_t message_len = get_u32(piece->data + 8), payload_len = get_u32(piece->data + 12);
	uint8_t *message = frame + FRAME_HEADER_LEN, *payload;

	memcpy(frame, piece->data, piece->len);
	if (payload_len > 0 && mutate_once_in(mutate, 3)) {
		payload = message + message_len;
		payload_len = LLVMFuzzerMutate(payload, payload_len, payload_len + FRAME_ROOM);
	} else if (descriptor != NULL) {
		size_t len = mutate_message(mutate, descriptor, message, message_len,
					    message_len + FRAME_ROOM / 2);

		memcpy(message + len, piece->data + FRAME_HEADER_LEN + message_len, payload_len);
		message_len = len;
	}
	if (mutate_once_in(mutate, 16)) { /* a message as if it was of another type */
		header.type = (uint16_t)mutate_below(mutate, FRAME_VERIFIED + 1);
	}
	header.message_len = (uint32_t)message_len;
	header.payload_len = (uint32_t)payload_len;
	frame_header_encode(&header, frame);
	return FRAME_HEADER_LEN + message_len + payload_len;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate_pieces pieces = {.count = 0};
	struct mutate_piece *piece;
	struct mutate mutate;
	size_t kind;
	uint8_t *frame;

	mutate_init(&mutate, seed);
	kind = mutate_below(&mutate, 8);
	frames_split(&pieces, data, size);
	if (kind == 0 || pieces.count == 0) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	if (kind < 3) {
		mutate_pieces_change(&mutate, &pieces, 0);
		return mutate_pieces_join(&pieces, data, max_size);
	}
	piece = &pieces.items[mutate_below(&mutate, pieces.count)];
	frame = malloc(piece->len + FRAME_ROOM);
	assert(frame != NULL);
	piece->len = frame_change(&mutate, piece, frame);
	piece->data = frame;
	size = mutate_pieces_join(&pieces, data, max_size);
	free(frame);
	return size;
}
