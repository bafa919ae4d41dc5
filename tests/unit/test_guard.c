/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/guard.h"

#include "engine/guard_patience.h"
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

static void print_one(struct golden *golden, size_t known, size_t peer, bool handed_over)
{
	struct guard_facts facts = {
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
	fprintf(golden->file, "known %s, peer %s%s: %s: %s\n", epochs[known].name,
		peer < EPOCHS ? epochs[peer].name : "silent", handed_over ? ", handed over" : "",
		word(answer), text);
	/* whoever knows that another holds a higher epoch never starts */
	if (known == 2 && peer != 4) {
		CU_ASSERT_EQUAL(answer, GUARD_REFUSED);
	}
	/* nor does one that handed over, until it is given back */
	if (handed_over && answer == GUARD_MAY_START) {
		CU_ASSERT(facts.peer_answered &&
			  epoch_judge(&facts.known, &facts.peer, "a.example") == EPOCH_GRANTED);
	}
	if (handed_over && peer < 3) {
		CU_ASSERT_EQUAL(answer, GUARD_REFUSED);
	}
}

/* A side that is the replica: nobody is asked. */
static void print_replica(struct golden *golden, size_t known, bool is_disabled)
{
	struct guard_facts facts = {.is_replica = true,
				    .is_disabled = is_disabled,
				    .known = epochs[known].epoch,
				    .site = "a.example",
				    .vm = "web1",
				    .silence = ""};
	bool ours = strcmp(facts.known.site, "a.example") == 0;
	char text[512];
	enum guard_answer answer = guard_judge(&facts, text, sizeof(text));

	fprintf(golden->file, "replica, known %s%s: %s: %s\n", epochs[known].name,
		is_disabled ? ", disabled" : "", word(answer), text);
	/* enabled by hand, without a failover to here, it never starts */
	CU_ASSERT_EQUAL(answer, ours || is_disabled ? GUARD_MAY_START : GUARD_REFUSED);
}

/* What runs is not held up, whoever holds what: a guard that is restarted goes on. */
static void test_running(void)
{
	for (size_t known = 0; known < EPOCHS; known++) {
		for (int bits = 0; bits < 8; bits++) {
			struct guard_facts facts = {.vm_runs = true,
						    .is_replica = (bits & 1) != 0,
						    .handed_over = (bits & 2) != 0,
						    .peer_answered = (bits & 4) != 0,
						    .peer = epochs[2].epoch,
						    .known = epochs[known].epoch,
						    .site = "a.example",
						    .vm = "web1",
						    .silence = ""};
			char text[512];

			CU_ASSERT_EQUAL(guard_judge(&facts, text, sizeof(text)), GUARD_MAY_START);
			facts.vm_runs = false;
			if (known == 2) {
				CU_ASSERT_EQUAL(guard_judge(&facts, text, sizeof(text)),
						GUARD_REFUSED);
			}
		}
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
			print_one(&golden, known, peer, false);
			print_one(&golden, known, peer, true);
		}
	}
	for (size_t known = 1; known < EPOCHS; known++) {
		print_replica(&golden, known, false);
		print_replica(&golden, known, true);
	}
	CU_ASSERT(golden_end(&golden, "engine/guard.golden"));
}

/* While a VM changes sides nothing has failed; when that lasts, or somebody enables it, the guard
 * withdraws; beside a VM that may run nothing fails. */
static void test_monitor(void)
{
	struct guard_facts facts = {.is_disabled = true};
	static struct engine engine;

	CU_ASSERT_FALSE(guard_monitor_fails(&facts, GUARD_REFUSED, true, 0));
	CU_ASSERT_FALSE(guard_monitor_fails(&facts, GUARD_REFUSED, true, GUARD_PATIENCE_MS - 1));
	CU_ASSERT(guard_monitor_fails(&facts, GUARD_REFUSED, true, GUARD_PATIENCE_MS));
	CU_ASSERT_FALSE(guard_monitor_fails(&facts, GUARD_REFUSED, false, GUARD_PATIENCE_MS));
	CU_ASSERT_FALSE(guard_monitor_fails(&facts, GUARD_SILENT, true, GUARD_PATIENCE_MS));
	facts.is_disabled = false;
	CU_ASSERT(guard_monitor_fails(&facts, GUARD_REFUSED, true, 0));
	CU_ASSERT_FALSE(guard_monitor_fails(&facts, GUARD_REFUSED, false, 0));
	CU_ASSERT_FALSE(guard_monitor_fails(&facts, GUARD_MAY_START, true, GUARD_PATIENCE_MS));

	CU_ASSERT_EQUAL(guard_patience_note(&engine, "one", true, 1000), 0);
	CU_ASSERT_EQUAL(guard_patience_note(&engine, "two", true, 3000), 0);
	CU_ASSERT_EQUAL(guard_patience_note(&engine, "one", true, 11000), 10000);
	CU_ASSERT_EQUAL(guard_patience_note(&engine, "one", false, 12000), 0);
	CU_ASSERT_EQUAL(guard_patience_note(&engine, "two", true, 13000), 10000);
	CU_ASSERT_EQUAL(guard_patience_note(&engine, "one", true, 14000), 0); /* anew */
	guard_patience_free_all(&engine);
	CU_ASSERT_PTR_NULL(engine.guard_refusals);
}

static const struct unit_test tests[] = {
	{"every answer", test_table},
	{"taken over at this moment", test_taken_now},
	{"what runs, runs on", test_running},
	{"monitor", test_monitor},
};
UNIT_MAIN("guard", tests)
