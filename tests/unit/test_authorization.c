/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/authorization.h"

#include <errno.h>
#include <string.h>

#include "broker_fixture.h"
#include "cluster/authorize.h"
#include "common/trust.h"
#include "trust_cases.h"
#include "unit.h"

static void test_patterns(void)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} cases[] = {
		{"a.example", "a.example", true},      {"a.example", "A.Example", true},
		{"a.example", "b.example", false},     {"a.example", "a1.a.example", false},
		{"a.example", "xa.example", false},    {"*.example", "a.example", true},
		{"*.example", "a1.a.example", true}, /* any depth below the domain */
		{"*.example", "example", false},     /* not the domain itself */
		{"*.example", "badexample", false},    {"*.example", ".example", false},
		{"*.a.example", "a.example", false},   {"*.a.example", "a1.a.example", true},
		{"*.A.example", "a1.a.EXAMPLE", true}, {"*.a.example", "", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool matches = trust_pattern_matches(cases[i].pattern, cases[i].name);

		if (matches != cases[i].matches) {
			printf("\n  %s against %s\n", cases[i].pattern, cases[i].name);
		}
		CU_ASSERT_EQUAL(matches, cases[i].matches);
	}
}

static void test_round_trip(void)
{
	char error[AUTHORIZATION_ERROR_LEN] = "", value[AUTHORIZATION_VALUE_LEN];
	struct authorization_entry entry, again;

	CU_ASSERT_EQUAL(
		authorization_entry_init(&entry, "*.A.example", "/srv/replica", "gold", 20, error),
		0);
	CU_ASSERT_STRING_EQUAL(authorization_encode(&entry, value),
			       "pattern=*.a.example storage=/srv/replica group=gold max-vms=20");
	CU_ASSERT_EQUAL(authorization_decode(value, &again, error), 0);
	CU_ASSERT_EQUAL(memcmp(&entry, &again, sizeof(entry)), 0);
	CU_ASSERT_EQUAL(
		authorization_entry_init(&entry, "a.example", "/srv/replica", NULL, 0, error), 0);
	CU_ASSERT_STRING_EQUAL(authorization_encode(&entry, value),
			       "pattern=a.example storage=/srv/replica group=- max-vms=0");
	CU_ASSERT_EQUAL(authorization_decode(value, &again, error), 0);
	CU_ASSERT_EQUAL(memcmp(&entry, &again, sizeof(entry)), 0);
	entry.max_size_bytes = 3ull << 40;
	CU_ASSERT_STRING_EQUAL(authorization_encode(&entry, value),
			       "pattern=a.example storage=/srv/replica group=- max-vms=0 "
			       "max-size=3298534883328");
	CU_ASSERT_EQUAL(authorization_decode(value, &again, error), 0);
	CU_ASSERT_EQUAL(memcmp(&entry, &again, sizeof(entry)), 0);
	CU_ASSERT_EQUAL(
		authorization_decode("storage=/srv pattern=a.example max-size=500G", &again, error),
		0);
	CU_ASSERT_EQUAL(again.max_size_bytes, 500ull << 30);
	CU_ASSERT_EQUAL(authorization_decode("storage=/srv pattern=a.example", &again, error), 0);
	CU_ASSERT_EQUAL(again.max_size_bytes, 0);
	CU_ASSERT_EQUAL(again.max_vms, 0);
	CU_ASSERT_STRING_EQUAL(again.group, "");
}

static void test_longest(void)
{
	char storage[PATH_LEN_MAX + 1], pattern[SITE_NAME_MAX + 1],
		group[AUTHORIZATION_GROUP_MAX + 1];
	char error[AUTHORIZATION_ERROR_LEN] = "", value[AUTHORIZATION_VALUE_LEN];
	struct authorization_entry entry, again;

	memset(storage, 'x', PATH_LEN_MAX);
	storage[0] = '/';
	storage[PATH_LEN_MAX] = '\0';
	for (size_t i = 0; i < SITE_NAME_MAX; i++) {
		pattern[i] = i % 60 == 59 ? '.' : 'a';
	}
	pattern[SITE_NAME_MAX] = '\0';
	memset(group, 'g', AUTHORIZATION_GROUP_MAX);
	group[AUTHORIZATION_GROUP_MAX] = '\0';
	CU_ASSERT_EQUAL_FATAL(
		authorization_entry_init(&entry, pattern, storage, group, 999999999, error), 0);
	entry.max_size_bytes = UINT64_MAX;
	CU_ASSERT_EQUAL(authorization_decode(authorization_encode(&entry, value), &again, error),
			0);
	CU_ASSERT(authorization_entry_equals(&entry, &again));
}

static void test_equal_in_everything(void)
{
	char error[AUTHORIZATION_ERROR_LEN];
	struct authorization_entry one, others[5];

	CU_ASSERT_EQUAL_FATAL(
		authorization_entry_init(&one, "a.example", "/srv/replica", "blue", 3, error), 0);
	for (size_t i = 0; i < 5; i++) {
		others[i] = one;
	}
	others[0].pattern[0] = 'b';
	others[1].storage[1] = 't';
	others[2].group[0] = '\0';
	others[3].max_vms++;
	others[4].max_size_bytes++;
	for (size_t i = 0; i < 5; i++) {
		CU_ASSERT_FALSE(authorization_entry_equals(&one, &others[i]));
	}
	others[2] = one;
	memset(others[2].group + strlen("blue") + 1, 'x', 1); /* behind its end: no part of it */
	CU_ASSERT(authorization_entry_equals(&one, &others[2]));
}

static void test_refused(void)
{
	static const struct {
		const char *pattern, *storage, *group, *word;
	} typed[] = {
		{"", "/srv", "", "not a site"},
		{"a..example", "/srv", "", "not a site"},
		{"*", "/srv", "", "not a site"},
		{"*.*.example", "/srv", "", "not a site"},
		{"a*.example", "/srv", "", "not a site"},
		{"a.example", "srv", "", "storage directory"},
		{"a.example", "/srv/../etc", "", "storage directory"},
		{"a.example", "/srv/my replica", "", "storage directory"},
		{"a.example", "", "", "storage directory"},
		{"a.example", "/srv", "two words", "not a group"},
		{"a.example", "/srv", "a=b", "not a group"},
	};
	static const char *const values[] = {
		"",
		"pattern=a.example",
		"storage=/srv",
		"pattern=a.example storage=/srv size=3",
		"pattern=a.example storage=/srv pattern=b.example",
		"pattern=a.example storage=/srv max-vms=many",
		"pattern=a.example storage=/srv max-vms=-1",
		"pattern=a.example storage=/srv max-vms=12345678901",
		"pattern=a.example storage=/srv max-vms=",
		"pattern=a.example storage=/srv junk",
		"pattern=a.example storage=/srv max-size=-1",
		"pattern=a.example storage=/srv max-size=99999999T",
		"pattern= storage=/srv",
	};
	char error[AUTHORIZATION_ERROR_LEN];
	struct authorization_entry entry;

	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		error[0] = '\0';
		CU_ASSERT_EQUAL(authorization_entry_init(&entry, typed[i].pattern, typed[i].storage,
							 typed[i].group, 0, error),
				-EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, typed[i].word));
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		error[0] = '\0';
		CU_ASSERT_EQUAL(authorization_decode(values[i], &entry, error), -EINVAL);
		CU_ASSERT_NOT_EQUAL(error[0], '\0');
	}
}

static void test_names(void)
{
	char name[AUTHORIZATION_NAME_LEN], other[AUTHORIZATION_NAME_LEN];

	CU_ASSERT_EQUAL(authorization_setting_name("a.example", name), 0);
	/* printf a.example | sha256sum */
	CU_ASSERT_STRING_EQUAL(name, "vmreplica-authorize-b8e7453371a024da");
	CU_ASSERT_EQUAL(authorization_setting_name("A.EXAMPLE", other), 0);
	CU_ASSERT_STRING_EQUAL(name, other);
	CU_ASSERT_EQUAL(authorization_setting_name("*.a.example", other), 0);
	CU_ASSERT_STRING_NOT_EQUAL(name, other);
}

static struct fixture_settings settings;
static struct authorization_table table;

static void load(void)
{
	size_t broken = 99;

	memset(&settings, 0, sizeof(settings));
	settings_init(&settings);
	settings_authorize(&settings, "*.example", "/srv/any", "-", 0);
	settings_authorize(&settings, "*.a.example", "/srv/nodes", "gold", 0);
	settings_authorize(&settings, "a.example", "/srv/a", "gold", 3);
	settings_authorize(&settings, "c.example", "/srv/c", "gold", 0);
	CU_ASSERT_EQUAL_FATAL(authorization_table_load(&settings.message, &table, &broken), 0);
	CU_ASSERT_EQUAL(broken, 0);
}

static const char *storage_for(const char *first, const char *second)
{
	const char *names[] = {first, second, NULL};
	const struct authorization_entry *entry = authorization_match(&table, names);

	return entry == NULL ? "none" : entry->storage;
}

static void test_most_specific(void)
{
	load();
	CU_ASSERT_EQUAL(table.count, 4);
	CU_ASSERT_STRING_EQUAL(storage_for("a.example", NULL), "/srv/a");
	CU_ASSERT_STRING_EQUAL(storage_for("a1.a.example", NULL), "/srv/nodes");
	CU_ASSERT_STRING_EQUAL(storage_for("a1.a.example", "a.example"), "/srv/a");
	CU_ASSERT_STRING_EQUAL(storage_for("b.example", NULL), "/srv/any");
	CU_ASSERT_STRING_EQUAL(storage_for("example", NULL), "none");
	CU_ASSERT_STRING_EQUAL(storage_for("a.other", NULL), "none");
	CU_ASSERT_STRING_EQUAL(storage_for(NULL, NULL), "none");
	CU_ASSERT_PTR_NULL(authorization_match(&table, NULL));
	CU_ASSERT_PTR_NOT_NULL(authorization_find(&table, "A.example"));
	CU_ASSERT_PTR_NULL(authorization_find(&table, "b.example"));
	authorization_table_destroy(&table);
}

/* The receiver's judge passes the same table (test_receiver_plan.c). */
static void test_trust(void)
{
	memset(&settings, 0, sizeof(settings));
	settings_init(&settings);
	for (size_t i = 0; i < TRUST_ENTRIES; i++) {
		settings_authorize(
			&settings, trust_case_entries[i].pattern, "/srv/any",
			trust_case_entries[i].group[0] == '\0' ? "-" : trust_case_entries[i].group,
			0);
	}
	CU_ASSERT_EQUAL_FATAL(authorization_table_load(&settings.message, &table, NULL), 0);
	for (size_t i = 0; i < TRUST_CASES; i++) {
		const struct trust_case *c = &trust_cases[i];

		CU_ASSERT_EQUAL(authorization_match(&table, c->names) != NULL, c->admitted);
		CU_ASSERT_EQUAL(authorization_allows(&table, c->names, c->site), c->allowed);
	}
	authorization_table_destroy(&table);
}

static uint64_t ten_gib(void *arg, const char *relationship)
{
	CU_ASSERT_PTR_EQUAL(arg, &settings);
	return strcmp(relationship, REL_3) == 0 ? 0 : 10ull << 30; /* one is not known yet */
}

/* What an entry's replicas take, and what it leaves. */
static void test_room(void)
{
	const struct authorization_entry *entry;
	struct authorization_usage usage;
	char why[AUTHORIZATION_ROOM_LEN];
	struct authorization_entry limited;

	load();
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	settings_resource(&settings, "web2-a-replica", REL_2, "replica", "A.example");
	settings_resource(&settings, "web3-a-replica", REL_3, "replica", "a.example");
	settings_resource(&settings, "web4-replica", "44444444-4444-4444-8444-444444444444",
			  "primary", "a.example");
	entry = authorization_site_entry(&table, "a.example");
	CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
	authorization_usage_of(&table, entry, &settings.message, NULL, ten_gib, &settings, &usage);
	CU_ASSERT_EQUAL(usage.vms, 3);
	CU_ASSERT_EQUAL(usage.bytes, 20ull << 30);
	authorization_usage_of(&table, entry, &settings.message, REL_1, ten_gib, &settings, &usage);
	CU_ASSERT_EQUAL(usage.vms, 2);
	CU_ASSERT_EQUAL(usage.bytes, 10ull << 30);
	limited = *entry;
	CU_ASSERT_TRUE(authorization_has_room(&limited, &usage, UINT64_MAX)); /* no limit */
	limited.max_size_bytes = 15ull << 30;
	CU_ASSERT_TRUE(authorization_has_room(&limited, &usage, 5ull << 30));
	CU_ASSERT_FALSE(authorization_has_room(&limited, &usage, (5ull << 30) + 1));
	CU_ASSERT_FALSE(authorization_has_room(&limited, &usage, UINT64_MAX));
	authorization_usage_add(&usage, UINT64_MAX);
	CU_ASSERT_EQUAL(usage.bytes, UINT64_MAX);
	CU_ASSERT_FALSE(authorization_has_room(&limited, &usage, 1));
	usage.bytes = 10ull << 30;
	CU_ASSERT_PTR_NOT_NULL(strstr(authorization_explain_room(&limited, &usage, 6ull << 30, why),
				      "entry a.example allows 15360 MiB"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "have 10240, this one would have 6144"));
	authorization_table_destroy(&table);
}

static void test_broken_entries(void)
{
	size_t broken = 0;

	memset(&settings, 0, sizeof(settings));
	settings_init(&settings);
	settings_authorize(&settings, "a.example", "/srv/a", "-", 0);
	settings_authorize(&settings, "b.example", "relative", "-", 0);
	settings.pairs[2].name = text("vmreplica-relay");
	vmreplica__ipc__cib_nvpair__init(&settings.pairs[2]);
	settings.pairs[2].name = text("vmreplica-relay");
	settings.pairs[2].value = text("auto");
	settings.pair_list[2] = &settings.pairs[2];
	settings.message.n_settings = 3;
	CU_ASSERT_EQUAL(authorization_table_load(&settings.message, &table, &broken), 0);
	CU_ASSERT_EQUAL(table.count, 1);
	CU_ASSERT_EQUAL(broken, 1);
	authorization_table_destroy(&table);
	CU_ASSERT_EQUAL(authorization_table_load(NULL, &table, NULL), 0);
	CU_ASSERT_EQUAL(table.count, 0);
	authorization_table_destroy(&table);
}

static const struct unit_test tests[] = {
	{"patterns", test_patterns},
	{"an entry's value, there and back", test_round_trip},
	{"the longest entry", test_longest},
	{"equal in everything", test_equal_in_everything},
	{"what is refused", test_refused},
	{"setting names", test_names},
	{"the most specific entry", test_most_specific},
	{"trust groups", test_trust},
	{"room for its replicas", test_room},
	{"broken entries are left out", test_broken_entries},
};
UNIT_MAIN("authorization", tests)
