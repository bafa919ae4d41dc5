/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/guard.h"

#include "golden.h"
#include "unit.h"

#define LINEAGE_1 "11111111-2222-4333-8444-555555555555"
#define LINEAGE_2 "0123abcd"

static const struct {
	const char *name;
	struct epoch epoch;
} epochs[] = {
	{"none", {0}},
	{"1 ours", {1, LINEAGE_1, "a.example"}},
	{"2 theirs", {2, LINEAGE_2, "b.example"}},
	{"2 of another lineage", {2, "4567", "a.example"}},
	{"3 ours again", {3, LINEAGE_2, "a.example"}},
	{"unreadable", {INT64_MAX, LINEAGE_1, "unreadable.invalid"}},
};
#define EPOCHS (sizeof(epochs) / sizeof(epochs[0]))

static const char *word(enum guard_answer answer)
{
	return answer == GUARD_MAY_START ? "start" : answer == GUARD_REFUSED ? "REFUSED" : "silent";
}

static void print_one(struct golden *golden, size_t known, size_t peer, bool handed_over,
		      bool is_replica)
{
	struct guard_facts facts = {
		.is_replica = is_replica,
		.handed_over = handed_over,
		.known = epochs[known].epoch,
		.site = "a.example",
		.vm = "web1",
		.peer_answered = peer < EPOCHS,
		.silence = "the broker b cannot be reached",
	};
	char text[512];
	enum guard_answer answer;

	if (peer < EPOCHS) {
		facts.peer = epochs[peer].epoch;
	}
	answer = guard_judge(&facts, text, sizeof(text));
	fprintf(golden->file, "known %s, peer %s%s%s: %s: %s\n", epochs[known].name,
		peer < EPOCHS ? epochs[peer].name : "silent", handed_over ? ", handed over" : "",
		is_replica ? ", replica" : "", word(answer), text);
	/* whoever knows that another holds a higher epoch never starts */
	if (!is_replica && (facts.known.number == 2 && known == 2) && peer != 4) {
		CU_ASSERT_EQUAL(answer, GUARD_REFUSED);
	}
	/* nor does one that handed over, until it is given back */
	if (!is_replica && handed_over && answer == GUARD_MAY_START) {
		CU_ASSERT(facts.peer_answered &&
			  epoch_judge(&facts.known, &facts.peer, "a.example") == EPOCH_GRANTED);
	}
	if (!is_replica && handed_over && peer < 3) {
		CU_ASSERT_EQUAL(answer, GUARD_REFUSED);
	}
}

/* Refused whatever the epochs say so far, unless it was given back. */
static void test_taken_now(void)
{
	struct guard_facts facts = {.known = epochs[1].epoch,
				    .peer = epochs[1].epoch,
				    .site = "a.example",
				    .vm = "web1",
				    .peer_answered = true,
				    .peer_takes = true,
				    .silence = ""};
	char text[512];

	CU_ASSERT_EQUAL(guard_judge(&facts, text, sizeof(text)), GUARD_REFUSED);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "at this moment"));
	facts.peer_takes = false;
	CU_ASSERT_EQUAL(guard_judge(&facts, text, sizeof(text)), GUARD_MAY_START);
}

static void test_table(void)
{
	struct golden golden;

	golden_begin(&golden);
	for (size_t known = 1; known < EPOCHS; known++) {
		for (size_t peer = 0; peer <= EPOCHS; peer++) {
			print_one(&golden, known, peer, false, false);
			print_one(&golden, known, peer, true, false);
		}
	}
	print_one(&golden, 2, EPOCHS, false, true);
	CU_ASSERT(golden_end(&golden, "engine/guard.golden"));
}

static const struct unit_test tests[] = {
	{"every answer", test_table},
	{"taken over at this moment", test_taken_now},
};
UNIT_MAIN("guard", tests)
