/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/token_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/denial_ring.h"
#include "unit.h"

static const struct token_target target = {.relationship = "11111111-1111-4111-8111-111111111111",
					   .node = "b1",
					   .host = "192.0.2.11",
					   .port = 8651,
					   .peer = "a.example"};

static void test_single_use(void)
{
	struct token_table *table = token_table_new();
	struct token_target taken = {0};
	char token[TOKEN_LEN + 1], other[TOKEN_LEN + 1];

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	CU_ASSERT_EQUAL(token_table_issue(table, &target, 1000, token), 0);
	CU_ASSERT_EQUAL(token_table_issue(table, &target, 1000, other), 0);
	CU_ASSERT_EQUAL(strlen(token), TOKEN_LEN);
	CU_ASSERT_EQUAL(strspn(token, "0123456789abcdef"), TOKEN_LEN);
	CU_ASSERT_STRING_NOT_EQUAL(token, other);
	CU_ASSERT_FALSE(token_table_take(table, "00000000000000000000000000000000", 1000, &taken));
	CU_ASSERT_EQUAL(taken.port, 0);
	CU_ASSERT_TRUE(token_table_take(table, token, 1000, &taken));
	CU_ASSERT_EQUAL(memcmp(&taken, &target, sizeof(taken)), 0);
	CU_ASSERT_FALSE(token_table_take(table, token, 1000, &taken));
	for (char *c = other; *c != '\0'; c++) {
		*c = (char)toupper((unsigned char)*c); /* server names know no case */
	}
	CU_ASSERT_TRUE(token_table_take(table, other, 1000, &taken));
	token_table_free(table);
}

static void test_lifetime(void)
{
	struct token_table *table = token_table_new();
	struct token_target taken;
	char first[TOKEN_LEN + 1], second[TOKEN_LEN + 1];

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	CU_ASSERT_EQUAL(token_table_issue(table, &target, 0, first), 0);
	CU_ASSERT_EQUAL(token_table_issue(table, &target, 10, second), 0);
	CU_ASSERT_FALSE(token_table_take(table, first, TOKEN_VALID_MS, &taken));
	CU_ASSERT_TRUE(token_table_take(table, second, TOKEN_VALID_MS, &taken));
	token_table_free(table);
}

static void test_bounded(void)
{
	struct token_table *table = token_table_new();
	char token[TOKEN_LEN + 1];

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	for (unsigned i = 0; i < TOKEN_COUNT_MAX; i++) {
		CU_ASSERT_EQUAL(token_table_issue(table, &target, 0, token), 0);
	}
	CU_ASSERT_EQUAL(token_table_issue(table, &target, 0, token), -ENOBUFS);
	CU_ASSERT_EQUAL(token_table_issue(table, &target, TOKEN_VALID_MS, token),
			0); /* the old ones are gone */
	token_table_free(table);
}

static void test_server_names(void)
{
	char token[TOKEN_LEN + 1] = "";

	CU_ASSERT_TRUE(token_from_sni("0123456789abcdef0123456789abcdef.relay.vmreplica", token));
	CU_ASSERT_STRING_EQUAL(token, "0123456789abcdef0123456789abcdef");
	CU_ASSERT_FALSE(token_from_sni("0123456789abcdef0123456789abcde.relay.vmreplica", token));
	CU_ASSERT_FALSE(token_from_sni("0123456789abcdef0123456789abcdefa.relay.vmreplica", token));
	CU_ASSERT_FALSE(token_from_sni("0123456789abcdef0123456789abcdeg.relay.vmreplica", token));
	CU_ASSERT_TRUE(token_from_sni("fedcba9876543210fedcba9876543210", token));
	CU_ASSERT_STRING_EQUAL(token, "fedcba9876543210fedcba9876543210");
	CU_ASSERT_FALSE(token_from_sni("fedcba9876543210fedcba987654321", token));
	CU_ASSERT_TRUE(token_sni_is_relay("fedcba9876543210fedcba9876543210"));
	CU_ASSERT_FALSE(token_sni_is_relay("fedcba9876543210fedcba987654321x"));
	CU_ASSERT_FALSE(token_from_sni("", token));
	CU_ASSERT_TRUE(token_sni_is_relay("x.relay.vmreplica"));
	CU_ASSERT_TRUE(token_sni_is_relay("X.RELAY.VMREPLICA"));
	CU_ASSERT_FALSE(token_sni_is_relay("b.example"));
	CU_ASSERT_FALSE(token_sni_is_relay("relay"));
}

static void test_denials(void)
{
	static struct denial_ring ring;
	char peer[32];
	unsigned told = 0;

	CU_ASSERT_PTR_NULL(denial_ring_at(&ring, 0));
	CU_ASSERT_TRUE(denial_ring_add(&ring, "x.other", "no entry", 100));
	CU_ASSERT_FALSE(
		denial_ring_add(&ring, "x.other", "no entry", 200)); /* the same again is no news */
	CU_ASSERT_EQUAL(denial_ring_at(&ring, 0)->times, 2);
	CU_ASSERT_EQUAL(denial_ring_at(&ring, 0)->time_ms, 200);
	CU_ASSERT_TRUE(denial_ring_add(&ring, "x.other", "no entry",
				       300 + DENIAL_NEWS_MS)); /* ... for a while */
	CU_ASSERT_TRUE(denial_ring_add(&ring, "x.other", "no quorum", 400));
	CU_ASSERT_STRING_EQUAL(denial_ring_at(&ring, 0)->reason, "no quorum");
	CU_ASSERT_STRING_EQUAL(denial_ring_at(&ring, 1)->reason, "no entry");
	CU_ASSERT_PTR_NULL(denial_ring_at(&ring, 2));
	for (unsigned i = 0; i < DENIAL_RING_SIZE; i++) {
		snprintf(peer, sizeof(peer), "peer%u", i);
		told += denial_ring_add(&ring, peer, "no entry", 500);
	}
	CU_ASSERT_TRUE(told <= DENIAL_NEWS_MAX); /* all are kept, so many are told a minute */
	CU_ASSERT_TRUE(told >= DENIAL_NEWS_MAX - 4);
	CU_ASSERT_TRUE(denial_ring_add(&ring, "later", "no entry", 500 + 61000));
	CU_ASSERT_FALSE(denial_ring_add(&ring, "later", "no entry", 500 + 61000));
	CU_ASSERT_STRING_EQUAL(denial_ring_at(&ring, 1)->peer, "peer63");
	CU_ASSERT_STRING_EQUAL(denial_ring_at(&ring, DENIAL_RING_SIZE - 1)->peer, "peer1");
	CU_ASSERT_PTR_NULL(denial_ring_at(&ring, DENIAL_RING_SIZE));
}

static const struct unit_test tests[] = {
	{"a token is good once", test_single_use}, {"and for 30 s", test_lifetime},
	{"their number is bounded", test_bounded}, {"server names", test_server_names},
	{"the ring of denials", test_denials},
};
UNIT_MAIN("token table", tests)
