/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/limits.h"
#include "tests/unit/unit.h"

#define FAST 0ull	      /* unknown link: lz4 */
#define SLOW (1024ull * 1024) /* a link that zstd feeds easily */

static struct codec_state *state;
static uint8_t data[CHUNK_MAX], out[CHUNK_MAX], back[CHUNK_MAX];

static void fill_text(size_t len)
{
	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)("replication of running virtual machines "[i % 40] +
				    (i / 4096) % 7);
	}
}

static void fill_random(size_t len)
{
	uint64_t x = 88172645463325252ull; /* xorshift: nothing to compress, the same in each run */

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)x;
	}
}

static void assert_round_trip(size_t len, uint64_t link, enum codec expected)
{
	size_t packed = 0;
	enum codec codec = codec_compress(state, data, len, out, sizeof(out), link, &packed);

	CU_ASSERT_EQUAL(codec, expected);
	if (codec == CODEC_KIND_PLAIN) {
		CU_ASSERT_EQUAL(packed, 0);
		return;
	}
	CU_ASSERT_TRUE(packed > 0 && packed < len);
	memset(back, 0xee, len);
	CU_ASSERT_EQUAL(codec_decompress(state, codec, out, packed, back, len), 0);
	CU_ASSERT_EQUAL(memcmp(data, back, len), 0);
}

static void test_round_trips(void)
{
	static const size_t lengths[] = {512, 4096, 65536, 131071, 131072, 1000000, CHUNK_MAX};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		fill_text(lengths[i]);
		assert_round_trip(lengths[i], FAST, CODEC_KIND_LZ4);
		assert_round_trip(lengths[i], SLOW, CODEC_KIND_ZSTD);
		assert_round_trip(lengths[i], 1ull << 40, CODEC_KIND_LZ4);
		fill_random(lengths[i]);
		assert_round_trip(lengths[i], FAST, CODEC_KIND_PLAIN);
		assert_round_trip(lengths[i], SLOW, CODEC_KIND_PLAIN);
	}
	assert_round_trip(1, FAST, CODEC_KIND_PLAIN);
	assert_round_trip(0, FAST, CODEC_KIND_PLAIN);
}

static void test_plain(void)
{
	fill_random(4096);
	CU_ASSERT_EQUAL(codec_decompress(state, CODEC_KIND_PLAIN, data, 4096, back, 4096), 0);
	CU_ASSERT_EQUAL(memcmp(data, back, 4096), 0);
	CU_ASSERT_EQUAL(codec_decompress(state, CODEC_KIND_PLAIN, data, 4096, back, 4095),
			-EBADMSG);
	CU_ASSERT_EQUAL(codec_decompress(state, (enum codec)9, data, 4096, back, 4096), -EBADMSG);
}

/* Cut at every byte, and of a length that was not announced: refused, and no byte outside the
 * buffers. */
static void test_truncation_and_lengths(void)
{
	static const uint64_t links[] = {FAST, SLOW};

	fill_text(8192);
	for (size_t i = 0; i < 2; i++) {
		size_t packed = 0;
		enum codec codec =
			codec_compress(state, data, 8192, out, sizeof(out), links[i], &packed);
		uint8_t *exact_out = malloc(8192);

		for (size_t len = 0; len < packed; len++) {
			uint8_t *exact = malloc(len > 0 ? len : 1);

			memcpy(exact, out, len);
			CU_ASSERT_EQUAL(codec_decompress(state, codec, exact, len, exact_out, 8192),
					-EBADMSG);
			free(exact);
		}
		CU_ASSERT_EQUAL(codec_decompress(state, codec, out, packed, exact_out, 8191),
				-EBADMSG);
		CU_ASSERT_EQUAL(codec_decompress(state, codec, out, packed, exact_out, 100),
				-EBADMSG);
		CU_ASSERT_EQUAL(codec_decompress(state, codec, out, packed, back, 8193), -EBADMSG);
		CU_ASSERT_EQUAL(codec_decompress(state, codec, out, packed, exact_out, 8192), 0);
		CU_ASSERT_EQUAL(memcmp(data, exact_out, 8192), 0);
		free(exact_out);
	}
	CU_ASSERT_EQUAL(codec_decompress(state, CODEC_KIND_LZ4, out, SIZE_MAX, back, 8192),
			-EBADMSG);
	CU_ASSERT_EQUAL(codec_decompress(state, CODEC_KIND_ZSTD, out, 10, back, SIZE_MAX),
			-EBADMSG);
}

/* With one byte wrong the codec may not notice, but the checksum does. */
static void test_flipped_bytes(void)
{
	static const uint64_t links[] = {FAST, SLOW};

	fill_text(8192);
	for (size_t i = 0; i < 2; i++) {
		size_t packed = 0;
		enum codec codec =
			codec_compress(state, data, 8192, out, sizeof(out), links[i], &packed);
		uint64_t checksum = codec_checksum(data, 8192, 4096);

		for (size_t at = 0; at < packed; at++) {
			bool same;

			out[at] ^= 0x41;
			if (codec_decompress(state, codec, out, packed, back, 8192) == 0) {
				same = memcmp(back, data, 8192) == 0;
				CU_ASSERT_EQUAL(codec_checksum(back, 8192, 4096) == checksum, same);
			}
			out[at] ^= 0x41;
		}
	}
}

static void test_zero(void)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 4096, 4097, 65536};

	memset(data, 0, sizeof(data));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		CU_ASSERT_TRUE(codec_is_zero(data, lengths[i]));
	}
	for (size_t at = 0; at < 600; at++) {
		data[at] = 1;
		CU_ASSERT_FALSE(codec_is_zero(data, 600));
		CU_ASSERT_TRUE(codec_is_zero(data, at));
		CU_ASSERT_FALSE(codec_is_zero(data + at, 1));
		data[at] = 0;
	}
	data[CHUNK_MAX - 1] = 1;
	CU_ASSERT_FALSE(codec_is_zero(data, CHUNK_MAX));
	data[CHUNK_MAX - 1] = 0;
}

/* Values that other implementations of XXH3 give as well: what is on disks and wires must not
 * drift. */
static void test_checksum_and_digest(void)
{
	uint8_t digest[16], other[16];

	CU_ASSERT_EQUAL(codec_checksum("", 0, 0), 0x2d06800538d394c2ull);
	CU_ASSERT_EQUAL(codec_checksum("abc", 3, 0), 0x78af5f94892f3950ull);
	CU_ASSERT_NOT_EQUAL(codec_checksum("abc", 3, 4096), codec_checksum("abc", 3, 0));
	codec_digest("", 0, digest);
	CU_ASSERT_EQUAL(memcmp(digest,
			       "\x99\xaa\x06\xd3\x01\x47\x98\xd8\x60\x01\xc3\x24\x46\x8d\x49\x7f",
			       16),
			0);
	codec_digest("abc", 3, digest);
	codec_digest("abd", 3, other);
	CU_ASSERT_NOT_EQUAL(memcmp(digest, other, 16), 0);
}

static const struct unit_test tests[] = {
	{"round trips, and which codec", test_round_trips},
	{"plain data", test_plain},
	{"truncation at every byte, wrong lengths", test_truncation_and_lengths},
	{"flipped bytes", test_flipped_bytes},
	{"zero detection", test_zero},
	{"checksums and digests", test_checksum_and_digest},
};

int main(void)
{
	int verdict;

	state = codec_state_new();
	if (state == NULL) {
		return 1;
	}
	verdict = unit_run("codec", tests, sizeof(tests) / sizeof(tests[0]));
	codec_state_free(state);
	return verdict;
}
