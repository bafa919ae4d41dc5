/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/point_select.h"
#include "unit.h"

static int select_from(const char *text, size_t count, char error[POINT_SELECT_ERROR_LEN])
{
	static char crash[] = "crash", application[] = "application", ok[] = "ok",
		    damaged[] = "damaged";
	Vmreplica__Point points[4], *list[4];
	struct point_wish wish;
	size_t index = 99;
	int rc;

	for (size_t i = 0; i < 4; i++) {
		vmreplica__point__init(&points[i]);
		points[i].seq = 10 + i;
		points[i].time_ms = 1795343400000 + (int64_t)i * 60000; /* 2026-11-22T10:30:00Z */
		points[i].consistency = i == 1 ? application : crash;
		points[i].point = i % 2 == 0;
		points[i].verdict = i == 3 ? damaged : ok;
		list[i] = &points[i];
	}
	rc = point_wish_parse(text, &wish, error);
	rc = rc < 0 ? rc : point_select(&wish, list, count, &index, error);
	return rc < 0 ? rc : (int)index;
}

static void test_golden(void)
{
	static const struct {
		const char *text;
		int index;
		const char *words;
	} golden[] = {
		{"latest", 2, ""}, /* the damaged cycle after it cannot be had */
		{"latest-app", 1, ""},
		{"seq:10", 0, ""},
		{"seq:11", 1, ""},
		{"seq:13", -ENOENT, "there are 10 to 13"},
		{"seq:9", -ENOENT, "cycle 9 cannot be recovered"},
		{"seq:", -EINVAL, "none of"},
		{"seq:1x", -EINVAL, "none of"},
		{"seq:-1", -EINVAL, "none of"},
		{"2026-11-22T10:31:00Z", 1, ""},
		{"2026-11-22T10:30:59.999Z", 0, ""},
		{"2026-11-22T11:31:30+01:00", 1, ""},
		{"2026-11-22T05:32:00-05:00", 2, ""},
		{"2030-01-01T00:00:00Z", 2, ""},
		{"2026-11-22T10:29:00Z", -ENOENT, "nothing is as old"},
		{"2026-11-22T10:31:00", -EINVAL, "none of"},
		{"2026-11-22 10:31:00Z", -EINVAL, "none of"},
		{"yesterday", -EINVAL, "none of"},
		{"", -EINVAL, "none of"},
	};

	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		char error[POINT_SELECT_ERROR_LEN] = "";
		int found = select_from(golden[i].text, 4, error);

		CU_ASSERT_EQUAL(found, golden[i].index);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, golden[i].words));
		if (found != golden[i].index) {
			fprintf(stderr, "%s: %d (%s)\n", golden[i].text, found, error);
		}
	}
}

static void test_none(void)
{
	char error[POINT_SELECT_ERROR_LEN] = "";

	CU_ASSERT_EQUAL(select_from("latest", 0, error), -ENOENT);
	CU_ASSERT_STRING_EQUAL(error, "the replica has no recovery points");
	CU_ASSERT_EQUAL(select_from("latest-app", 1, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "application-consistent"));
}

static const struct unit_test tests[] = {
	{"golden", test_golden},
	{"none", test_none},
};

UNIT_MAIN("point select", tests)
