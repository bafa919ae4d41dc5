/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/point_select.h"
#include "unit.h"

#define AT_MS 1795343460000 /* 2026-11-22T10:31:00Z */

/* Does the wish fit a point of cycle 11 at AT_MS? Or -EINVAL. */
static int fits(const char *text, char error[POINT_SELECT_ERROR_LEN])
{
	static char consistency[] = "application";
	Vmreplica__Point point = VMREPLICA__POINT__INIT;
	struct point_wish wish;
	int rc = point_wish_parse(text, &wish, error);

	point.seq = 11;
	point.time_ms = AT_MS;
	point.consistency = consistency;
	point.point = true;
	return rc < 0 ? rc : point_wish_fits(&wish, &point);
}

static void test_golden(void)
{
	static const struct {
		const char *text;
		int result;
	} golden[] = {
		{"latest", 1},
		{"latest-app", 1},
		{"seq:11", 1},
		{"seq:10", 0},
		{"seq:12", 0},
		{"seq:", -EINVAL},
		{"seq:1x", -EINVAL},
		{"seq:-1", -EINVAL},
		{"2026-11-22T10:31:00Z", 1},
		{"2026-11-22T10:30:59.999Z", 0},
		{"2026-11-22T11:31:30+01:00", 1},
		{"2026-11-22T11:30:30+01:00", 0},
		{"2026-11-22T05:31:00-05:00", 1},
		{"2030-01-01T00:00:00Z", 1},
		{"2026-11-22T10:29:00Z", 0},
		{"2026-11-22T10:31:00", -EINVAL},
		{"2026-11-22 10:31:00Z", -EINVAL},
		{"yesterday", -EINVAL},
		{"", -EINVAL},
	};

	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		char error[POINT_SELECT_ERROR_LEN] = "";
		int result = fits(golden[i].text, error);

		CU_ASSERT_EQUAL(result, golden[i].result);
		CU_ASSERT_EQUAL(strstr(error, "none of") != NULL, golden[i].result < 0);
		if (result != golden[i].result) {
			fprintf(stderr, "%s: %d (%s)\n", golden[i].text, result, error);
		}
	}
}

static const struct unit_test tests[] = {
	{"golden", test_golden},
};

UNIT_MAIN("point select", tests)
