/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 in steps: the log's hash and the stream's. A thin wrapper, so that OpenSSL stays in
 * common. */
#ifndef VMR_COMMON_SHA256_H
#define VMR_COMMON_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

struct sha256;

struct sha256 *sha256_new(void);       /* NULL when out of memory */
void sha256_free(struct sha256 *hash); /* NULL allowed */
void sha256_update(struct sha256 *hash, const void *data, size_t len);
/* The hash of all that went in. Once. */
void sha256_final(struct sha256 *hash, uint8_t ret_digest[SHA256_LEN]);
/* In one step. 0 or -ENOMEM. */
int sha256_of(const void *data, size_t len, uint8_t ret_digest[SHA256_LEN]);

#endif
