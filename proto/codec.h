/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to the bytes of a chunk: zero detection, checksum, compression chosen per chunk.
 * Pure; any thread. */
#ifndef VMR_PROTO_CODEC_H
#define VMR_PROTO_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec {
	CODEC_KIND_PLAIN = 0,
	CODEC_KIND_LZ4 = 1,
	CODEC_KIND_ZSTD = 2,
};

/* True when all len bytes are zero. */
bool codec_is_zero(const void *data, size_t len);
/* XXH3-64 of data seeded with the disk offset, so that a chunk at a wrong place does not verify. */
uint64_t codec_checksum(const void *data, size_t len, uint64_t offset);
/* XXH3-128 in canonical (big endian) form: the digest of resynchronization. */
void codec_digest(const void *data, size_t len, uint8_t ret_digest[16]);

/* Reusable compression state of one worker. NULL when out of memory. */
struct codec_state;
struct codec_state *codec_state_new(void);
void codec_state_free(struct codec_state *state);

/*
 * Compress len bytes into out (out_size >= len). Chooses by itself: a sample says whether it is
 * worth it, lz4 when the link is fast, zstd level 1 when link_bytes_per_s is below what lz4's
 * output would need (0 = unknown: lz4). Returns the codec and *ret_len; CODEC_KIND_PLAIN means:
 * send the data itself (out is not used).
 */
enum codec codec_compress(struct codec_state *state, const void *data, size_t len, void *out,
			  size_t out_size, uint64_t link_bytes_per_s, size_t *ret_len);
/* Decompress exactly to out_len bytes. 0, -EBADMSG, or -ENOMEM. */
int codec_decompress(struct codec_state *state, enum codec codec, const void *data, size_t len,
		     void *out, size_t out_len);

#endif
