/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/sha256.h"
#include "tests/unit/unit.h"

static const char *hex(const uint8_t digest[SHA256_LEN])
{
	static char text[2 * SHA256_LEN + 1];

	for (size_t i = 0; i < SHA256_LEN; i++) {
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	}
	return text;
}

/* Vectors of FIPS 180-4's examples. */
static void test_vectors(void)
{
	uint8_t digest[SHA256_LEN];

	CU_ASSERT_EQUAL(sha256_of("", 0, digest), 0);
	CU_ASSERT_STRING_EQUAL(hex(digest),
			       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	CU_ASSERT_EQUAL(sha256_of("abc", 3, digest), 0);
	CU_ASSERT_STRING_EQUAL(hex(digest),
			       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_steps(void)
{
	struct sha256 *hash = sha256_new();
	uint8_t digest[SHA256_LEN];

	CU_ASSERT_PTR_NOT_NULL_FATAL(hash);
	for (int round = 0; round < 2; round++) {
		sha256_update(hash, "a", 1);
		sha256_update(hash, "", 0);
		sha256_update(hash, "bc", 2);
		sha256_final(hash, digest);
		CU_ASSERT_STRING_EQUAL(
			hex(digest),
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		sha256_free(hash);
		hash = sha256_new();
		CU_ASSERT_PTR_NOT_NULL_FATAL(hash);
	}
	sha256_free(hash);
	sha256_free(NULL);
}

static const struct unit_test tests[] = {
	{"known vectors", test_vectors},
	{"in steps", test_steps},
};

UNIT_MAIN("sha256", tests)
