/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/codec.h"

#include <assert.h>
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#define SAMPLE_PIECES 8u
#define SAMPLE_PIECE  4096u
#define SAMPLE_FROM   (128u * 1024u) /* smaller chunks are their own sample */
#define WORTH_PERCENT 95u /* a result above this share of the data is not worth its unpacking */
#define LZ4_BYTES_PER_S                                                                            \
	(400u * 1000u * 1000u) /* what one core takes in; the order of magnitude is enough */
#define ZSTD_LEVEL 1

struct codec_state {
	ZSTD_CCtx *compressor; /* made when first needed: about 1 MiB */
	ZSTD_DCtx *decompressor;
	void *lz4;
	char sample[LZ4_COMPRESSBOUND(SAMPLE_PIECE)];
};

bool codec_is_zero(const void *data, size_t len)
{
	static const uint8_t zeros[16];
	const uint8_t *bytes = data;

	if (len <= sizeof(zeros)) {
		return memcmp(bytes, zeros, len) == 0;
	}
	/* Zero at the start and equal to itself 16 bytes on: zero throughout, at memcmp's speed. */
	return memcmp(bytes, zeros, sizeof(zeros)) == 0 &&
	       memcmp(bytes, bytes + sizeof(zeros), len - sizeof(zeros)) == 0;
}

uint64_t codec_checksum(const void *data, size_t len, uint64_t offset)
{
	return XXH3_64bits_withSeed(data, len, offset);
}

void codec_digest(const void *data, size_t len, uint8_t ret_digest[16])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
	memcpy(ret_digest, canonical.digest, sizeof(canonical.digest));
}

struct codec_state *codec_state_new(void)
{
	struct codec_state *state = calloc(1, sizeof(*state));

	if (state == NULL) {
		return NULL;
	}
	state->lz4 = malloc((size_t)LZ4_sizeofState());
	if (state->lz4 == NULL) {
		codec_state_free(state);
		return NULL;
	}
	return state;
}

void codec_state_free(struct codec_state *state)
{
	if (state == NULL) {
		return;
	}
	ZSTD_freeCCtx(state->compressor);
	ZSTD_freeDCtx(state->decompressor);
	free(state->lz4);
	free(state);
}

/* How many percent of some pieces' bytes lz4 leaves. Cheap: 32 KiB of a 2 MiB chunk. */
static unsigned int codec_sample(struct codec_state *state, const uint8_t *data, size_t len)
{
	size_t stride = (len - SAMPLE_PIECE) / (SAMPLE_PIECES - 1), left = 0;

	for (size_t i = 0; i < SAMPLE_PIECES; i++) {
		int n = LZ4_compress_fast_extState(state->lz4, (const char *)data + i * stride,
						   state->sample, SAMPLE_PIECE,
						   (int)sizeof(state->sample), 1);

		left += n > 0 && (unsigned int)n < SAMPLE_PIECE ? (unsigned int)n : SAMPLE_PIECE;
	}
	return (unsigned int)(left * 100 / (SAMPLE_PIECES * SAMPLE_PIECE));
}

/* Room that a result worth having needs at most. */
static size_t codec_worth(size_t len)
{
	return len / 100 * WORTH_PERCENT + len % 100 * WORTH_PERCENT / 100;
}

static size_t codec_lz4(struct codec_state *state, const void *data, size_t len, void *out,
			size_t room)
{
	int n = LZ4_compress_fast_extState(state->lz4, data, out, (int)len, (int)room, 1);

	return n > 0 ? (size_t)n : 0;
}

static size_t codec_zstd(struct codec_state *state, const void *data, size_t len, void *out,
			 size_t room)
{
	size_t n;

	if (state->compressor == NULL) {
		state->compressor = ZSTD_createCCtx();
	}
	if (state->compressor == NULL) {
		return 0;
	}
	n = ZSTD_compressCCtx(state->compressor, out, room, data, len, ZSTD_LEVEL);
	return ZSTD_isError(n) ? 0 : n;
}

enum codec codec_compress(struct codec_state *state, const void *data, size_t len, void *out,
			  size_t out_size, uint64_t link_bytes_per_s, size_t *ret_len)
{
	unsigned int percent = 50;
	size_t room = codec_worth(len), n;
	enum codec codec;

	assert(out_size >= len && len <= LZ4_MAX_INPUT_SIZE);
	if (len >= SAMPLE_FROM) {
		percent = codec_sample(state, data, len);
		if (percent > WORTH_PERCENT) {
			return CODEC_KIND_PLAIN;
		}
	}
	/* When the link cannot take what lz4 puts out, there is time for the denser one. */
	codec = link_bytes_per_s != 0 &&
				link_bytes_per_s < (uint64_t)LZ4_BYTES_PER_S / 100 * percent
			? CODEC_KIND_ZSTD
			: CODEC_KIND_LZ4;
	n = codec == CODEC_KIND_ZSTD ? codec_zstd(state, data, len, out, room)
				     : codec_lz4(state, data, len, out, room);
	if (n == 0) {
		return CODEC_KIND_PLAIN;
	}
	*ret_len = n;
	return codec;
}

static int codec_unzstd(struct codec_state *state, const void *data, size_t len, void *out,
			size_t out_len)
{
	size_t n;

	if (state->decompressor == NULL) {
		state->decompressor = ZSTD_createDCtx();
	}
	if (state->decompressor == NULL) {
		return -ENOMEM;
	}
	n = ZSTD_decompressDCtx(state->decompressor, out, out_len, data, len);
	return ZSTD_isError(n) || n != out_len ? -EBADMSG : 0;
}

int codec_decompress(struct codec_state *state, enum codec codec, const void *data, size_t len,
		     void *out, size_t out_len)
{
	if (len > LZ4_MAX_INPUT_SIZE || out_len > LZ4_MAX_INPUT_SIZE) {
		return -EBADMSG;
	}
	switch (codec) {
	case CODEC_KIND_PLAIN:
		if (len != out_len) {
			return -EBADMSG;
		}
		memcpy(out, data, len);
		return 0;
	case CODEC_KIND_LZ4:
		return LZ4_decompress_safe(data, out, (int)len, (int)out_len) == (int)out_len
			       ? 0
			       : -EBADMSG;
	case CODEC_KIND_ZSTD:
		return codec_unzstd(state, data, len, out, out_len);
	default:
		return -EBADMSG;
	}
}
