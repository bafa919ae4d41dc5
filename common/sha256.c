/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct sha256 {
	EVP_MD_CTX *context;
};

/* After a digest was fetched once, OpenSSL's steps on memory cannot fail; if one did, no hash may
 * be believed. */
static void sha256_must(int ok)
{
	if (ok != 1) {
		abort();
	}
}

struct sha256 *sha256_new(void)
{
	struct sha256 *hash = calloc(1, sizeof(*hash));

	if (hash == NULL) {
		return NULL;
	}
	hash->context = EVP_MD_CTX_new();
	if (hash->context == NULL || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) {
		sha256_free(hash);
		return NULL;
	}
	return hash;
}

void sha256_free(struct sha256 *hash)
{
	if (hash != NULL) {
		EVP_MD_CTX_free(hash->context);
		free(hash);
	}
}

void sha256_update(struct sha256 *hash, const void *data, size_t len)
{
	sha256_must(EVP_DigestUpdate(hash->context, data, len));
}

void sha256_final(struct sha256 *hash, uint8_t ret_digest[SHA256_LEN])
{
	sha256_must(EVP_DigestFinal_ex(hash->context, ret_digest, NULL));
}

int sha256_of(const void *data, size_t len, uint8_t ret_digest[SHA256_LEN])
{
	struct sha256 *hash = sha256_new();

	if (hash == NULL) {
		return -ENOMEM;
	}
	sha256_update(hash, data, len);
	sha256_final(hash, ret_digest);
	sha256_free(hash);
	return 0;
}
