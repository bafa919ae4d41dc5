/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "proto/network_map.h"
#include "engine/sentence_list.h"
#include "tests/unit/sentences.h"
#include "tests/unit/unit.h"

static void assert_found(const struct network_map *map, enum network_kind kind, const char *name,
			 enum network_kind there, const char *wanted)
{
	struct network from = {.kind = kind}, to = {.kind = NETWORK_DIRECT};

	snprintf(from.name, sizeof(from.name), "%s", name);
	CU_ASSERT_TRUE(network_map_find(map, &from, &to));
	CU_ASSERT_EQUAL(to.kind, there);
	CU_ASSERT_STRING_EQUAL(to.name, wanted);
}

static void test_find(void)
{
	char error[NETWORK_MAP_ERROR_LEN];
	struct network_map map = {0};
	struct network macvtap = {NETWORK_DIRECT, "eth9"}, to;

	CU_ASSERT_EQUAL(network_map_parse(&map,
					  " net:prod=dr, bridge:br0=br7 direct:eth0=net:dr,"
					  "net:a=bridge:b,net:prod=dr",
					  error),
			0);
	CU_ASSERT_EQUAL(map.count, 4);
	assert_found(&map, NETWORK_NET, "prod", NETWORK_NET, "dr");
	assert_found(&map, NETWORK_BRIDGE, "br0", NETWORK_BRIDGE, "br7");
	assert_found(&map, NETWORK_DIRECT, "eth0", NETWORK_NET, "dr");
	assert_found(&map, NETWORK_NET, "a", NETWORK_BRIDGE, "b");
	assert_found(&map, NETWORK_NET, "br0", NETWORK_NET, "br0");
	assert_found(NULL, NETWORK_NET, "prod", NETWORK_NET, "prod");
	CU_ASSERT_FALSE(network_map_find(&map, &macvtap, &to));
	CU_ASSERT_EQUAL(network_map_parse(&map, "", error), 0);
	CU_ASSERT_EQUAL(map.count, 4);
}

static void test_wrong(void)
{
	static const char *const wrong[] = {
		"prod=dr",
		"net:prod",
		"net:=dr",
		"net:prod=",
		"net:a=direct:b",
		"direct:a=b",
		"dir:a=b",
		"net:a/b=c",
		"net:a=b:c",
		"net:-a=b",
		"net:.=b",
		"net:a=b=c",
		"=",
		":=",
		"net:pr\xc3\xb6=dr",
		"net:prod=other",
		"net:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=b",
	};
	char error[NETWORK_MAP_ERROR_LEN];
	struct network_map map = {0};

	CU_ASSERT_EQUAL(network_map_add(&map, "net:prod=dr", error), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		error[0] = '\0';
		CU_ASSERT_EQUAL(network_map_add(&map, wrong[i], error), -EINVAL);
		CU_ASSERT_NOT_EQUAL(error[0], '\0');
	}
	CU_ASSERT_EQUAL(map.count, 1);
	for (unsigned int i = 1; i < NETWORK_MAPS_MAX; i++) {
		char entry[32];

		snprintf(entry, sizeof(entry), "net:n%u=m", i);
		CU_ASSERT_EQUAL(network_map_add(&map, entry, error), 0);
	}
	CU_ASSERT_EQUAL(network_map_add(&map, "net:more=m", error), -E2BIG);
}

static void test_equals(void)
{
	char error[NETWORK_MAP_ERROR_LEN];
	struct network_map a, b;

	memset(&a, 0, sizeof(a));
	memset(&b, 0xff, sizeof(b)); /* what is not in use is no part of it */
	b.count = 0;
	CU_ASSERT(network_map_equals(&a, &b));
	CU_ASSERT_EQUAL(network_map_parse(&a, "net:prod=dr,direct:eth0=bridge:br0", error), 0);
	CU_ASSERT_FALSE(network_map_equals(&a, &b));
	CU_ASSERT_EQUAL(network_map_parse(&b, "net:prod=dr,direct:eth0=bridge:br0", error), 0);
	CU_ASSERT(network_map_equals(&a, &b));
	b.entries[1].to.kind = NETWORK_NET;
	CU_ASSERT_FALSE(network_map_equals(&a, &b));
	b = a;
	b.entries[0].from.name[0] = 'q';
	CU_ASSERT_FALSE(network_map_equals(&a, &b));
}

static void test_sentences(void)
{
	cleanup_sentences struct sentence_list list = {0};

	sentence_list_add(&list, "a %s", "b\n\x1b[31m\xff");
	sentence_list_add(&list, "a b??[31m?");
	CU_ASSERT_EQUAL(list.count, 1);
	sentence_list_add(&list, "%s", "second");
	CU_ASSERT_EQUAL_FATAL(list.count, 2);
	CU_ASSERT_STRING_EQUAL(list.items[0], "a b??[31m?");
	CU_ASSERT_STRING_EQUAL(list.items[1], "second");
	for (unsigned int i = 0; i < SENTENCES_MAX + 5; i++) {
		sentence_list_add(&list, "%u", i);
	}
	CU_ASSERT_EQUAL(list.count, SENTENCES_MAX);
	CU_ASSERT_EQUAL(list.left_out, 7);
}

int main(void)
{
	static const struct unit_test tests[] = {{"find", test_find},
						 {"wrong", test_wrong},
						 {"equals", test_equals},
						 {"sentences", test_sentences}};

	return unit_run("network map", tests, sizeof(tests) / sizeof(tests[0]));
}
