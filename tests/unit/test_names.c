/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "proto/names.h"
#include "proto/validate.h"
#include "tests/unit/unit.h"

static void test_words(void)
{
	CU_ASSERT_STRING_EQUAL(role_to_string(VMREPLICA__ROLE__ROLE_PRIMARY), "primary");
	CU_ASSERT_STRING_EQUAL(role_to_string(VMREPLICA__ROLE__ROLE_REPLICA), "replica");
	CU_ASSERT_STRING_EQUAL(role_to_string((Vmreplica__Role)77), "unknown");
	CU_ASSERT_STRING_EQUAL(health_to_string(VMREPLICA__HEALTH__HEALTH_OK), "OK");
	CU_ASSERT_STRING_EQUAL(health_to_string(VMREPLICA__HEALTH__HEALTH_WARNING), "Warning");
	CU_ASSERT_STRING_EQUAL(health_to_string(VMREPLICA__HEALTH__HEALTH_CRITICAL), "Critical");
	CU_ASSERT_STRING_EQUAL(health_to_string((Vmreplica__Health)-1), "NotApplicable");
	CU_ASSERT_STRING_EQUAL(state_to_string(VMREPLICA__STATE__STATE_REPLICATING), "Replicating");
	CU_ASSERT_STRING_EQUAL(state_to_string((Vmreplica__State)-1), "Unknown");
	CU_ASSERT_STRING_EQUAL(state_to_string((Vmreplica__State)1000), "Unknown");
	for (size_t i = 0; i < vmreplica__state__descriptor.n_values; i++) {
		const char *word = state_to_string(
			(Vmreplica__State)vmreplica__state__descriptor.values[i].value);

		CU_ASSERT_STRING_NOT_EQUAL(word, "Unknown");
		CU_ASSERT_PTR_NULL(strpbrk(word, "_ "));
	}
}

static void test_random_names(void)
{
	char cut[CUT_ID_LEN + 1], other_cut[CUT_ID_LEN + 1];
	char uuid[RELATIONSHIP_LEN + 1], other_uuid[RELATIONSHIP_LEN + 1];

	CU_ASSERT_EQUAL(name_make_cut_id(cut), 0);
	CU_ASSERT_EQUAL(name_make_cut_id(other_cut), 0);
	CU_ASSERT_TRUE(validate_cut_id(cut));
	CU_ASSERT_STRING_NOT_EQUAL(cut, other_cut);
	CU_ASSERT_EQUAL(name_make_uuid(uuid), 0);
	CU_ASSERT_EQUAL(name_make_uuid(other_uuid), 0);
	CU_ASSERT_TRUE(validate_uuid(uuid));
	CU_ASSERT_EQUAL(uuid[14], '4');
	CU_ASSERT_PTR_NOT_NULL(strchr("89ab", uuid[19]));
	CU_ASSERT_STRING_NOT_EQUAL(uuid, other_uuid);
}

static void test_checkpoint_round_trip(void)
{
	struct checkpoint_name in = {.relationship = "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90",
				     .epoch = 0,
				     .seq = UINT64_MAX,
				     .cut_id = "0123456789abcdef"};
	struct checkpoint_name out;
	char text[CHECKPOINT_NAME_LEN];

	CU_ASSERT_STRING_EQUAL(checkpoint_name_format(&in, text),
			       "vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-0-"
			       "18446744073709551615-0123456789abcdef");
	CU_ASSERT_TRUE_FATAL(checkpoint_name_parse(text, &out));
	CU_ASSERT_STRING_EQUAL(out.relationship, in.relationship);
	CU_ASSERT_EQUAL(out.epoch, 0);
	CU_ASSERT_EQUAL(out.seq, UINT64_MAX);
	CU_ASSERT_STRING_EQUAL(out.cut_id, in.cut_id);
}

static void test_foreign_checkpoints(void)
{
	static const char good[] =
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-1-22-0123456789abcdef";
	static const char *const foreign[] = {
		"",
		"vmreplica-",
		"virtnbdbackup.0",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-1-22",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-1-22-0123456789abcdeg",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-1-22-0123456789abcdef0",
		"vmreplica-0B6F4B1C-93a5-4f7e-8b1a-5d2f6c7e8a90-1-22-0123456789abcdef",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90--22-0123456789abcdef",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-01-22-0123456789abcdef",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-+1-22-0123456789abcdef",
		"vmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-1-18446744073709551616-"
		"0123456789abcdef",
		"xvmreplica-0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90-1-22-0123456789abcdef",
	};
	struct checkpoint_name name = {.seq = 5};
	char cut[sizeof(good)];

	CU_ASSERT_TRUE(checkpoint_name_parse(good, &name));
	CU_ASSERT_EQUAL(name.seq, 22);
	name.seq = 5;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		CU_ASSERT_FALSE(checkpoint_name_parse(foreign[i], &name));
	}
	for (size_t len = 0; len < strlen(good); len++) {
		memcpy(cut, good, len);
		cut[len] = '\0';
		CU_ASSERT_FALSE(checkpoint_name_parse(cut, &name));
	}
	CU_ASSERT_EQUAL(name.seq, 5);
}

static const struct unit_test tests[] = {
	{"words for roles, states and health", test_words},
	{"random names", test_random_names},
	{"checkpoint names there and back", test_checkpoint_round_trip},
	{"foreign checkpoints", test_foreign_checkpoints},
};

UNIT_MAIN("names", tests)
