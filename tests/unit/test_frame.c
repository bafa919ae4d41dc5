/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/admin.pb-c.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"
#include "tests/unit/unit.h"

static char relationship[] = "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90";

static void test_header_round_trip(void)
{
	struct frame_header in = {.type = FRAME_CHUNK,
				  .message_len = 12345,
				  .payload_len = CHUNK_MAX},
			    out = {0};
	uint8_t raw[FRAME_HEADER_LEN];

	frame_header_encode(&in, raw);
	/* The bytes that PROTOCOL.md promises. */
	CU_ASSERT_EQUAL(memcmp(raw, "VMR1\0\x26\0\0\0\0\x30\x39\0\x20\0\0", FRAME_HEADER_LEN), 0);
	CU_ASSERT_EQUAL(frame_header_decode(raw, &out), 0);
	CU_ASSERT_EQUAL(out.type, in.type);
	CU_ASSERT_EQUAL(out.message_len, in.message_len);
	CU_ASSERT_EQUAL(out.payload_len, in.payload_len);
}

/* Every wrong bit of magic and flags, and every unknown type. */
static void test_header_refuses(void)
{
	struct frame_header in = {.type = FRAME_PING}, out;
	uint8_t raw[FRAME_HEADER_LEN];
	unsigned int known = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		if (bit >= 32 && bit < 48) {
			continue; /* the type */
		}
		frame_header_encode(&in, raw);
		raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CU_ASSERT_EQUAL(frame_header_decode(raw, &out), -EPROTO);
	}
	for (unsigned int type = 0; type < 65536; type++) {
		int r;

		frame_header_encode(&in, raw);
		raw[4] = (uint8_t)(type >> 8);
		raw[5] = (uint8_t)type;
		r = frame_header_decode(raw, &out);
		known += r == 0;
		CU_ASSERT_EQUAL(r == 0, frame_descriptor((enum frame_type)type) != NULL);
	}
	CU_ASSERT_EQUAL(known, 74);
	CU_ASSERT_STRING_EQUAL(frame_type_to_string((enum frame_type)9999), "unknown frame");
	CU_ASSERT_STRING_EQUAL(frame_type_to_string(FRAME_CYCLE_BEGIN), "CYCLE_BEGIN");
}

static int decode_lengths(enum frame_type type, uint32_t message_len, uint32_t payload_len)
{
	struct frame_header in = {
		.type = (uint16_t)type, .message_len = message_len, .payload_len = payload_len};
	struct frame_header out;
	uint8_t raw[FRAME_HEADER_LEN];

	frame_header_encode(&in, raw);
	return frame_header_decode(raw, &out);
}

static void test_limits(void)
{
	CU_ASSERT_EQUAL(decode_lengths(FRAME_HELLO, FRAME_MESSAGE_MAX, 0), 0);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_HELLO, FRAME_MESSAGE_MAX + 1, 0), -EMSGSIZE);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_HELLO, UINT32_MAX, 0), -EMSGSIZE);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_HELLO, 0, 1), -EMSGSIZE);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_CHUNK, 0, FRAME_PAYLOAD_MAX), 0);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_CHUNK, 0, FRAME_PAYLOAD_MAX + 1), -EMSGSIZE);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_CHUNK, 0, UINT32_MAX), -EMSGSIZE);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_DIGEST, 0, DIGEST_COUNT_MAX * 16), 0);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_DIGEST, 0, DIGEST_COUNT_MAX * 16 + 1), -EMSGSIZE);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_ADMIN_RESPONSE, FRAME_ADMIN_MESSAGE_MAX, 0), 0);
	CU_ASSERT_EQUAL(decode_lengths(FRAME_ADMIN_RESPONSE, FRAME_ADMIN_MESSAGE_MAX + 1, 0),
			-EMSGSIZE);
	CU_ASSERT_EQUAL(frame_check_size((enum frame_type)9999, 0, 0), -EPROTO);
}

static size_t encode_locate(uint8_t *buf, size_t size)
{
	Vmreplica__Wire__Version version = VMREPLICA__WIRE__VERSION__INIT;
	Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;

	version.min = 1;
	version.max = 2;
	version.features = UINT64_MAX;
	version.software = relationship;
	locate.version = &version;
	locate.relationship = relationship;
	locate.relay = 1;
	CU_ASSERT_TRUE_FATAL(frame_size(&locate.base) <= size);
	return frame_encode(FRAME_LOCATE, &locate.base, 0, buf);
}

static void test_message_round_trip(void)
{
	uint8_t buf[512];
	size_t len = encode_locate(buf, sizeof(buf));
	struct frame_header header;
	struct arena arena;
	const Vmreplica__Wire__Locate *out;

	arena_init(&arena, ARENA_MAX);
	CU_ASSERT_EQUAL_FATAL(frame_header_decode(buf, &header), 0);
	CU_ASSERT_EQUAL(header.message_len, len - FRAME_HEADER_LEN);
	out = (const void *)frame_decode(FRAME_LOCATE, buf + FRAME_HEADER_LEN, header.message_len,
					 &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_STRING_EQUAL(out->relationship, relationship);
	CU_ASSERT_EQUAL(out->relay, 1);
	CU_ASSERT_EQUAL(out->version->max, 2);
	CU_ASSERT_EQUAL(out->version->features, UINT64_MAX);
	arena_reset(&arena);
	/* An empty message is one with all defaults. */
	out = (const void *)frame_decode(FRAME_LOCATE, buf, 0, &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_STRING_EQUAL(out->relationship, "");
	arena_reset(&arena);
}

/* A cut message is refused, or is a shorter one with other values; never the whole. */
static void test_truncation_at_every_byte(void)
{
	uint8_t buf[512];
	size_t len = encode_locate(buf, sizeof(buf)) - FRAME_HEADER_LEN;
	struct arena arena;
	unsigned int refused = 0;

	arena_init(&arena, ARENA_MAX);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);
		const Vmreplica__Wire__Locate *out;

		memcpy(exact, buf + FRAME_HEADER_LEN, cut);
		out = (const void *)frame_decode(FRAME_LOCATE, exact, cut, &arena);
		refused += out == NULL;
		if (out != NULL) {
			CU_ASSERT_FALSE(out->relay == 1);
		}
		arena_reset(&arena);
		free(exact);
	}
	/* All but those that end between two fields. */
	CU_ASSERT_TRUE(refused >= len - 4);
}

static void test_arena_budget(void)
{
	struct arena arena;
	uint8_t request[4096];
	size_t len = 0;

	/* Many empty submessages: two bytes each on the wire, far more in memory. */
	while (len + 2 <= sizeof(request)) {
		request[len++] = 0x0a; /* vms = 1, length-delimited */
		request[len++] = 0x00;
	}
	arena_init(&arena, 64 * 1024);
	CU_ASSERT_PTR_NULL(protobuf_c_message_unpack(&vmreplica__admin__status_response__descriptor,
						     &arena.allocator, len, request));
	CU_ASSERT_TRUE(arena.used <= 64 * 1024);
	arena_reset(&arena);
	CU_ASSERT_EQUAL(arena.used, 0);
	arena_init(&arena, ARENA_MAX);
	CU_ASSERT_PTR_NOT_NULL(protobuf_c_message_unpack(
		&vmreplica__admin__status_response__descriptor, &arena.allocator, len, request));
	CU_ASSERT_TRUE(arena.used <= ARENA_MAX);
	arena_reset(&arena);
}

static void test_arena_alloc(void)
{
	struct arena arena;
	void *previous = NULL;

	arena_init(&arena, 10000);
	for (size_t size = 1; size < 100; size++) {
		uint8_t *memory = arena.allocator.alloc(arena.allocator.allocator_data, size);

		CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
		CU_ASSERT_EQUAL((uintptr_t)memory % 16, 0);
		CU_ASSERT_PTR_NOT_EQUAL(memory, previous);
		CU_ASSERT_EQUAL(memory[size - 1], 0);
		memset(memory, 0xff, size);
		previous = memory;
	}
	CU_ASSERT_PTR_NULL(arena.allocator.alloc(&arena, 10001));
	CU_ASSERT_PTR_NULL(arena.allocator.alloc(&arena, SIZE_MAX));
	CU_ASSERT_PTR_NULL(arena.allocator.alloc(&arena, 5000));
	arena_reset(&arena);
	CU_ASSERT_PTR_NOT_NULL(arena.allocator.alloc(&arena, 5000));
	arena_reset(&arena);
}

static const struct unit_test tests[] = {
	{"header round trip", test_header_round_trip},
	{"wrong headers", test_header_refuses},
	{"limits of each type", test_limits},
	{"message round trip", test_message_round_trip},
	{"truncation at every byte", test_truncation_at_every_byte},
	{"the arena's budget holds", test_arena_budget},
	{"the arena's memory", test_arena_alloc},
};

UNIT_MAIN("frame", tests)
