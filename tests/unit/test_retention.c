/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Golden tests: which cycles become points, which points and logs go. */
#include <stdio.h>
#include <string.h>

#include "receiver/retention.h"
#include "unit.h"

#define T0 1795326900000ll

static const struct retention_settings hourly = {
	.points = 24, .interval_s = 3600, .app_interval_s = 0, .frequency_s = 300};

static bool due(const struct retention_settings *settings, int64_t last_s, bool last_app,
		int64_t now_s, bool app)
{
	const struct retention_cut last = {
		.seq = 1, .time_ms = T0 + last_s * 1000, .application = last_app};
	const struct retention_cut cut = {
		.seq = 2, .time_ms = T0 + now_s * 1000, .application = app};

	return retention_is_due(settings, &last, 1, &cut);
}

static void test_due(void)
{
	const struct retention_cut first = {.seq = 1, .time_ms = T0};
	struct retention_settings settings = hourly;

	CU_ASSERT_TRUE(retention_is_due(&settings, NULL, 0, &first));
	CU_ASSERT_FALSE(due(&settings, 0, false, 300, false));
	CU_ASSERT_FALSE(due(&settings, 0, false, 3300, false));
	CU_ASSERT_TRUE(due(&settings, 0, false, 3599, false)); /* half a cycle early at most */
	CU_ASSERT_TRUE(due(&settings, 0, false, 3450, false));
	CU_ASSERT_FALSE(due(&settings, 0, false, 3449, false));
	CU_ASSERT_TRUE(due(&settings, 0, false, 3600, false));
	CU_ASSERT_TRUE(due(&settings, 0, false, 86400, false));
	CU_ASSERT_TRUE(due(&settings, 7200, false, 0, false)); /* the clock was set back */
	settings.interval_s = 300;
	CU_ASSERT_TRUE(due(&settings, 0, false, 299, false)); /* every cycle */
	settings.points = 0;
	CU_ASSERT_FALSE(retention_is_due(&settings, NULL, 0, &first));
	CU_ASSERT_FALSE(due(&settings, 0, false, 86400, true));
}

static void test_due_application(void)
{
	struct retention_settings settings = hourly;

	CU_ASSERT_FALSE(due(&settings, 0, false, 900, true)); /* no interval of their own */
	settings.app_interval_s = 900;
	CU_ASSERT_FALSE(due(&settings, 0, false, 900, false));
	CU_ASSERT_TRUE(due(&settings, 0, false, 300, true)); /* the first of its kind */
	CU_ASSERT_FALSE(due(&settings, 0, true, 300, true));
	CU_ASSERT_TRUE(due(&settings, 0, true, 900, true));
}

/* A run of cycles: "points seqs | logs seqs" after each decision, compared with what was written
 * down. */
struct window {
	struct retention_cut points[64];
	struct retention_log logs[64];
	size_t point_count, log_count;
};

static enum retention_reason step(struct window *window, struct retention_input *input)
{
	struct retention_decision decision;

	input->points = window->points;
	input->point_count = window->point_count;
	input->logs = window->logs;
	input->log_count = window->log_count;
	retention_decide(input, &decision);
	window->point_count -= decision.drop_points;
	memmove(window->points, window->points + decision.drop_points,
		window->point_count * sizeof(window->points[0]));
	window->log_count -= decision.drop_logs;
	memmove(window->logs, window->logs + decision.drop_logs,
		window->log_count * sizeof(window->logs[0]));
	return decision.reason;
}

static const char *window_format(const struct window *window, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < window->point_count; i++) {
		at += (size_t)snprintf(text + at, size - at, "%lu ", window->points[i].seq);
	}
	at += (size_t)snprintf(text + at, size - at, "|");
	for (size_t i = 0; i < window->log_count; i++) {
		at += (size_t)snprintf(text + at, size - at, " %lu", window->logs[i].seq);
	}
	return text;
}

static void test_window(void)
{
	static const char *const golden[] = {
		"1 |",
		"1 | 2",
		"1 3 | 2 3",
		"1 3 | 2 3 4",
		"1 3 5 | 2 3 4 5",
		"1 3 5 | 2 3 4 5 6",
		"3 5 7 | 4 5 6 7",
		"3 5 7 | 4 5 6 7 8",
		"5 7 9 | 6 7 8 9",
	};
	struct retention_input input = {
		.settings = {.points = 3, .interval_s = 10, .frequency_s = 5},
		.free_bytes = 1000,
	};
	struct window window = {.point_count = 0};

	for (uint64_t seq = 1; seq <= sizeof(golden) / sizeof(golden[0]); seq++) {
		const struct retention_cut cut = {.seq = seq, .time_ms = T0 + (int64_t)seq * 5000};
		char text[256];

		if (retention_is_due(&input.settings, window.points, window.point_count, &cut)) {
			window.points[window.point_count++] = cut;
		}
		window.logs[window.log_count++] = (struct retention_log){seq, 100};
		CU_ASSERT_EQUAL(step(&window, &input), RETENTION_AGE);
		CU_ASSERT_STRING_EQUAL(window_format(&window, text, sizeof(text)), golden[seq - 1]);
	}
}

static struct window full(void)
{
	struct window window = {.point_count = 0};

	for (uint64_t seq = 10; seq <= 20; seq++) {
		if (seq % 5 == 0) {
			window.points[window.point_count++] = (struct retention_cut){
				.seq = seq, .time_ms = T0 + (int64_t)seq * 1000};
		}
		window.logs[window.log_count++] = (struct retention_log){seq, 100};
	}
	return window;
}

static void test_limits(void)
{
	struct retention_input input = {.settings = {.points = 3}, .free_bytes = 1000};
	struct window window = full();
	char text[256];

	input.log_cap_bytes = 350;
	CU_ASSERT_EQUAL(step(&window, &input), RETENTION_CAP);
	CU_ASSERT_STRING_EQUAL(window_format(&window, text, sizeof(text)), "10 15 20 | 18 19 20");
	window = full();
	input.log_cap_bytes = 0;
	input.log_count_max = 2;
	CU_ASSERT_EQUAL(step(&window, &input), RETENTION_CAP);
	CU_ASSERT_STRING_EQUAL(window_format(&window, text, sizeof(text)), "10 15 20 | 19 20");
	CU_ASSERT_EQUAL(step(&window, &input), RETENTION_AGE);
	window = full();
	input.log_count_max = 0;
	input.reserve_bytes = 1250; /* 10 goes anyway, then two more */
	CU_ASSERT_EQUAL(step(&window, &input), RETENTION_RESERVE);
	CU_ASSERT_STRING_EQUAL(window_format(&window, text, sizeof(text)),
			       "10 15 20 | 13 14 15 16 17 18 19 20");
	input.reserve_bytes = UINT64_MAX; /* points are never dropped for room */
	CU_ASSERT_EQUAL(step(&window, &input), RETENTION_RESERVE);
	CU_ASSERT_STRING_EQUAL(window_format(&window, text, sizeof(text)), "10 15 20 |");
	window = full();
	input.reserve_bytes = 0;
	input.settings.points = 1;
	CU_ASSERT_EQUAL(step(&window, &input), RETENTION_AGE);
	CU_ASSERT_STRING_EQUAL(window_format(&window, text, sizeof(text)), "20 |");
	window = full();
	input.settings.points = 0;
	CU_ASSERT_EQUAL(step(&window, &input), RETENTION_NO_POINT);
	CU_ASSERT_STRING_EQUAL(window_format(&window, text, sizeof(text)), "|");
}

static const struct unit_test tests[] = {
	{"due", test_due},
	{"due application", test_due_application},
	{"window", test_window},
	{"limits", test_limits},
};

UNIT_MAIN("retention", tests)
