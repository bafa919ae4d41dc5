/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a needed resynchronization may begin: a golden table of windows and minutes. */
#include <stdlib.h>
#include <time.h>

#include "golden.h"
#include "proto/resync_policy.h"
#include "unit.h"

static const char *const policies[] = {"auto",	      "automatic",   "manual",	    "18:30-06:00",
				       "06:00-18:30", "00:00-23:59", "23:59-00:00", "12:00-12:01"};
static const char *const wrong[] = {
	"",	      "always",	      "18:30",	     "18:30-18:30", "24:00-06:00", "18:60-06:00",
	"8:30-06:00", "18:30-06:00 ", "18.30-06.00", "18:30/06:00", "-1:30-06:00", "18:30-06:0x"};

static void test_golden(void)
{
	static const unsigned int minutes[] = {0,   1,	  359,	360,  361,  719, 720,
					       721, 1109, 1110, 1111, 1438, 1439};
	char text[RESYNC_POLICY_LEN];
	struct golden golden;

	golden_begin(&golden);
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct resync_policy policy;

		CU_ASSERT_EQUAL_FATAL(resync_policy_parse(policies[i], &policy), 0);
		fprintf(golden.file, "%s, printed %s\n", policies[i],
			resync_policy_format(&policy, text));
		for (size_t k = 0; k < sizeof(minutes) / sizeof(minutes[0]); k++) {
			fprintf(golden.file, "  %02u:%02u %s\n", minutes[k] / 60, minutes[k] % 60,
				resync_policy_is_open(&policy, minutes[k]) ? "go" : "wait");
		}
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct resync_policy policy;

		fprintf(golden.file, "\"%s\" %s\n", wrong[i],
			resync_policy_parse(wrong[i], &policy) < 0 ? "refused" : "taken");
	}
	CU_ASSERT(golden_end(&golden, "engine/resync-policy.golden"));
}

/* Each minute of the day is in exactly one of a window and its complement. */
static void test_complement(void)
{
	for (unsigned int begin = 0; begin < 1440; begin += 97) {
		for (unsigned int end = 1; end < 1440; end += 89) {
			struct resync_policy one = {RESYNC_WINDOW, (uint16_t)begin, (uint16_t)end};
			struct resync_policy other = {RESYNC_WINDOW, (uint16_t)end,
						      (uint16_t)begin};
			unsigned int wrong_minutes = 0;

			for (unsigned int minute = 0; begin != end && minute < 1440; minute++) {
				wrong_minutes += resync_policy_is_open(&one, minute) ==
						 resync_policy_is_open(&other, minute);
			}
			CU_ASSERT_EQUAL(wrong_minutes, 0);
		}
	}
}

static void test_local_time(void)
{
	int64_t wall_ms = 1795341600000; /* 2026-11-22T10:00:00Z */

	setenv("TZ", "UTC", 1);
	tzset();
	CU_ASSERT_EQUAL(resync_policy_minute(wall_ms), 600);
	setenv("TZ", "UTC-5:30", 1); /* ahead of UTC */
	tzset();
	CU_ASSERT_EQUAL(resync_policy_minute(wall_ms), 930);
	unsetenv("TZ");
	tzset();
}

static const struct unit_test tests[] = {
	{"golden", test_golden},
	{"a window and its complement", test_complement},
	{"local time", test_local_time},
};

UNIT_MAIN("resync_policy", tests)
