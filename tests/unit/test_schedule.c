/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "engine/schedule.h"
#include "golden.h"
#include "unit.h"

#define START 1000000

static void print_entry(struct golden *golden, const char *what, const struct schedule_entry *entry,
			uint64_t missed)
{
	int64_t due = schedule_entry_due_ms(entry);

	fprintf(golden->file, "%-34s missed %" PRIu64 "  failures %u  due ", what, missed,
		entry->failures);
	if (due == SCHEDULE_NEVER) {
		fprintf(golden->file, "never\n");
	} else {
		fprintf(golden->file, "+%" PRId64 " s\n", (due - START) / 1000);
	}
}

static void run(struct golden *golden, struct schedule_entry *entry, const char *what,
		int64_t begin_s, int64_t end_s, enum schedule_outcome outcome, int64_t hint_ms)
{
	uint64_t missed = schedule_entry_account(entry, START + begin_s * 1000);

	entry->running = true;
	missed += schedule_entry_finish(entry, outcome, hint_ms, START + end_s * 1000);
	print_entry(golden, what, entry, missed);
}

static struct schedule_entry entry_of(uint32_t frequency_s)
{
	struct schedule_entry entry;

	schedule_entry_init(&entry, frequency_s, 0, START);
	entry.eligible = true;
	return entry;
}

static void test_ticks(void)
{
	struct golden golden;
	struct schedule_entry entry = entry_of(30);

	golden_begin(&golden);
	print_entry(&golden, "new", &entry, 0);
	run(&golden, &entry, "0..2 committed", 0, 2, SCHEDULE_OK, 0);
	run(&golden, &entry, "30..45 committed", 30, 45, SCHEDULE_OK, 0);
	run(&golden, &entry, "60..95 took more than one period", 60, 95, SCHEDULE_OK, 0);
	run(&golden, &entry, "120..250 took four", 120, 250, SCHEDULE_OK, 0);
	run(&golden, &entry, "255..256 asked for before its tick", 255, 256, SCHEDULE_OK, 0);
	run(&golden, &entry, "270..271 busy", 270, 271, SCHEDULE_MISSED, 0);
	run(&golden, &entry, "300..301 moving, again in 2 s", 300, 301, SCHEDULE_MISSED, 2000);
	run(&golden, &entry, "303..304 committed", 303, 304, SCHEDULE_OK, 0);
	run(&golden, &entry, "330..340 gives way", 330, 340, SCHEDULE_CONTINUED, 0);
	run(&golden, &entry, "340..341 cancelled", 340, 341, SCHEDULE_CANCELLED, 0);
	run(&golden, &entry, "341..342 denied", 341, 342, SCHEDULE_DENIED, 0);
	entry.bulk = true;
	run(&golden, &entry, "342..1000 initial: no ticks to miss", 342, 1000, SCHEDULE_OK, 0);
	entry.eligible = false;
	print_entry(&golden, "suspended", &entry, 0);
	entry.eligible = true;
	schedule_entry_restart(&entry, START + 5000 * 1000);
	print_entry(&golden, "resumed at 5000", &entry, 0);
	schedule_entry_set_frequency(&entry, 5, START + 5000 * 1000);
	run(&golden, &entry, "5000..5001 with a frequency of 5", 5000, 5001, SCHEDULE_OK, 0);
	CU_ASSERT(golden_end(&golden, "engine/schedule-ticks.golden"));
}

/* Counted each second while the cycle hangs, the missed ticks are the same in all as when it ends.
 */
static void test_counted_meanwhile(void)
{
	for (int64_t end_s = 31; end_s < 200; end_s += 7) {
		struct schedule_entry once = entry_of(30), meanwhile = entry_of(30);
		uint64_t missed_once, missed = 0;

		once.running = meanwhile.running = true;
		for (int64_t s = 1; s <= end_s; s++) {
			missed += schedule_entry_account(&meanwhile, START + s * 1000);
			CU_ASSERT_EQUAL(missed, (uint64_t)s / 30);
		}
		missed += schedule_entry_finish(&meanwhile, SCHEDULE_OK, 0, START + end_s * 1000);
		missed_once = schedule_entry_finish(&once, SCHEDULE_OK, 0, START + end_s * 1000);
		CU_ASSERT_EQUAL(missed, missed_once);
		CU_ASSERT_EQUAL(schedule_entry_due_ms(&meanwhile), schedule_entry_due_ms(&once));
	}
}

static void test_retries(void)
{
	static const uint32_t frequencies[] = {5, 30, 300, 900};
	struct golden golden;

	golden_begin(&golden);
	for (size_t i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
		struct schedule_entry entry = entry_of(frequencies[i]);
		int64_t now = START;

		fprintf(golden.file, "every %u s: waits of", frequencies[i]);
		for (int attempt = 0; attempt < 8; attempt++) {
			schedule_entry_finish(&entry, SCHEDULE_FAILED, 0, now);
			fprintf(golden.file, " %" PRId64 "%s",
				(schedule_entry_due_ms(&entry) - now) / 1000,
				schedule_entry_is_exhausted(&entry) ? "!" : "");
			now = schedule_entry_due_ms(&entry);
		}
		fprintf(golden.file, " s; denied: asked again each %" PRId64 " s\n",
			schedule_recheck_ms(frequencies[i]) / 1000);
	}
	CU_ASSERT(golden_end(&golden, "engine/schedule-retries.golden"));
}

static void test_pick(void)
{
	struct schedule_entry a = entry_of(30), b = entry_of(30), c = entry_of(300);
	const struct schedule_entry *const entries[] = {&a, &b, &c};

	a.tick_ms = START + 2000;
	b.tick_ms = START + 1000;
	c.tick_ms = START + 3000;
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START), SIZE_MAX);
	CU_ASSERT_EQUAL(schedule_next_ms(entries, 3), START + 1000);
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START + 5000), 1); /* the earliest */
	c.priority = 5;
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START + 5000), 2);
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START + 400000),
			1); /* overdue by more periods than the priority is worth */
	a.wanted = true;
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START), 0); /* asked for: before its tick */
	a.eligible = false;
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START), SIZE_MAX);
	a.eligible = true;
	b.running = c.running = true;
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START), SIZE_MAX); /* two run */
	c.running = false;
	b.bulk = a.bulk = true;
	CU_ASSERT_EQUAL(schedule_pick(entries, 3, START + 5000),
			2); /* one place is kept for deltas */
}

/* What cycles would be, with what they became. */
static void test_application(void)
{
	static const struct {
		int64_t at_s;
		bool fails;
		const char *what;
	} cycles[] = {
		{0, false, "the first one"},
		{30, false, "one cycle later"},
		{570, false, "570 s: early"},
		{585, true, "half a cycle early, no agent"},
		{615, false, "30 s after that"},
		{630, true, "45 s after it, no agent"},
		{660, false, "30 s after that one"},
		{690, false, "60 s after it, it answers"},
		{1260, false, "too early for more"},
		{1290, false, "10 minutes after it"},
		{900, false, "the clock was set back"},
	};
	struct schedule_application application = {.interval_s = 600, .frequency_s = 30};
	struct golden golden;

	golden_begin(&golden);
	for (size_t i = 0; i < sizeof(cycles) / sizeof(cycles[0]); i++) {
		int64_t now_ms = START + cycles[i].at_s * 1000;
		bool due = schedule_application_is_due(&application, now_ms);

		fprintf(golden.file, "%-32s %s\n", cycles[i].what,
			!due		  ? "crash"
			: cycles[i].fails ? "tried"
					  : "application");
		if (due && cycles[i].fails) {
			application.tried_ms = now_ms;
		} else if (due) {
			application.last_ms = now_ms;
			application.tried_ms = 0;
		}
	}
	application = (struct schedule_application){.interval_s = 10, .frequency_s = 5};
	for (int64_t s = 0; s <= 40; s += 5) {
		bool due = schedule_application_is_due(&application, START + s * 1000);

		fprintf(golden.file, "each 10 s, a cycle each 5: %3d s  %s\n", (int)s,
			due ? "application" : "crash");
		application.last_ms = due ? START + s * 1000 : application.last_ms;
	}
	application.interval_s = 0;
	application.last_ms = 0;
	fprintf(golden.file, "none asked for                   %s\n",
		schedule_application_is_due(&application, START) ? "application" : "crash");
	CU_ASSERT(golden_end(&golden, "engine/schedule-application.golden"));
}

static const struct unit_test tests[] = {
	{"ticks", test_ticks},
	{"counted while it hangs", test_counted_meanwhile},
	{"retries", test_retries},
	{"who is next", test_pick},
	{"application-consistent cycles", test_application},
};
UNIT_MAIN("schedule", tests)
