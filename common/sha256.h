/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 over a stream (CycleEnd.stream_hash, log trailers): the one door to OpenSSL's digests for
 * engine and receiver. */
#ifndef VMR_COMMON_SHA256_H
#define VMR_COMMON_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

struct sha256;

/* A fresh hash; NULL when out of memory. Any thread, one at a time per hash. */
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *hash); /* NULL allowed */
/* Start over. 0 or -EIO (OpenSSL refused). */
int sha256_reset(struct sha256 *hash);
/* Add len bytes. 0 or -EIO. */
int sha256_update(struct sha256 *hash, const void *data, size_t len);
/* The digest so far into ret_digest; needs sha256_reset before further use. 0 or -EIO. */
int sha256_finish(struct sha256 *hash, uint8_t ret_digest[SHA256_LEN]);

#endif
