/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct sha256 {
	EVP_MD_CTX *ctx; /* owned */
};

struct sha256 *sha256_new(void)
{
	struct sha256 *hash = calloc(1, sizeof(*hash));

	if (hash == NULL) {
		return NULL;
	}
	hash->ctx = EVP_MD_CTX_new();
	if (hash->ctx == NULL || sha256_reset(hash) < 0) {
		sha256_free(hash);
		return NULL;
	}
	return hash;
}

void sha256_free(struct sha256 *hash)
{
	if (hash != NULL) {
		EVP_MD_CTX_free(hash->ctx);
		free(hash);
	}
}

int sha256_reset(struct sha256 *hash)
{
	return EVP_DigestInit_ex(hash->ctx, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

int sha256_update(struct sha256 *hash, const void *data, size_t len)
{
	return EVP_DigestUpdate(hash->ctx, data, len) == 1 ? 0 : -EIO;
}

int sha256_finish(struct sha256 *hash, uint8_t ret_digest[SHA256_LEN])
{
	unsigned int len = SHA256_LEN;

	return EVP_DigestFinal_ex(hash->ctx, ret_digest, &len) == 1 && len == SHA256_LEN ? 0 : -EIO;
}
