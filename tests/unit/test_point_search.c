/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which point or cycle is found in a list that comes in pages, and how much of it is asked for. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/point_search.h"
#include "unit.h"

#define LIST_MAX 400
#define MINUTE	 60000
#define BEGIN_MS 1795343400000 /* 2026-11-22T10:30:00Z */

static char crash[] = "crash", application[] = "application", ok[] = "ok", damaged[] = "damaged";
static Vmreplica__Point list[LIST_MAX];
static size_t list_count;
static unsigned int pages; /* that were asked for */

/* A cycle a minute from 10 on, a letter each: P a point, . a cycle, A an application-consistent
 * point, a such a cycle, D a cycle that is damaged, X a point whose logs are, F a point whose clock
 * was an hour fast; a blank is a cycle that is not listed. */
static void list_make(const char *letters)
{
	list_count = 0;
	for (size_t i = 0; letters[i] != '\0'; i++) {
		Vmreplica__Point *point = &list[list_count];

		if (letters[i] == ' ') {
			continue;
		}
		vmreplica__point__init(point);
		point->seq = 10 + i;
		point->time_ms = BEGIN_MS + ((int64_t)i + (letters[i] == 'F' ? 60 : 0)) * MINUTE;
		point->consistency = strchr("Aa", letters[i]) != NULL ? application : crash;
		point->point = strchr("PAXF", letters[i]) != NULL;
		point->verdict = strchr("DX", letters[i]) != NULL ? damaged : ok;
		list_count++;
	}
}

/* The page that answers the search's question. */
static int page_give(struct point_search *search, size_t most, char error[POINT_SELECT_ERROR_LEN])
{
	Vmreplica__Point *page[LIST_MAX];
	size_t count = 0;
	bool more = false;

	pages++;
	for (size_t i = 0; i < list_count && !more; i++) {
		bool fits = list[i].seq > search->after_seq && (search->cycles || list[i].point);

		more = fits && count == most;
		if (fits && !more) {
			page[count++] = &list[i];
		}
	}
	return point_search_take(search, page, count, more, error);
}

/* The cycle that is found, or the error. */
static int64_t search_run(const char *to, size_t page, bool points_only,
			  char error[POINT_SELECT_ERROR_LEN])
{
	struct point_search search;
	struct point_wish wish;
	int64_t found;
	int step;

	pages = 0;
	error[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(point_wish_parse(to, &wish, error), 0);
	point_search_init(&search, &wish, points_only);
	do {
		step = page_give(&search, page, error);
	} while (step == POINT_SEARCH_ASK && pages < 1000);
	found = step == POINT_SEARCH_FOUND ? (int64_t)search.best->seq : step;
	point_search_destroy(&search);
	return found;
}

static void test_golden(void)
{
	static const struct {
		const char *list, *to;
		int64_t found, point_found; /* with cycles, among points alone */
		const char *words;
	} golden[] = {
		{"P...P...P.", "latest", 19, 18, ""},
		{"P...P...PD", "latest", 18, 18, ""}, /* the damaged one cannot be had */
		{"P...P...X", "latest", 18, 18, ""},  /* a point always can */
		{"P...P...P.", "seq:10", 10, 10, ""},
		{"P...P...P.", "seq:14", 14, 14, ""},
		{"P...P...P.", "seq:16", 16, -ENOENT, ""},
		{"P...P...P.", "seq:19", 19, -ENOENT, ""},
		{"P...P...P.", "seq:20", -ENOENT, -ENOENT, "the oldest that"},
		{"P...P...P.", "seq:9", -ENOENT, -ENOENT, "is 10"},
		{"P...P.D.P.", "seq:16", -ENOENT, -ENOENT, "cycle 16"},
		{"P...P. .P.", "seq:16", -ENOENT, -ENOENT, "cycle 16"},
		{"PA..P..aP.", "latest-app", 17, 11, ""},
		{"PA..P...P.", "latest-app", 11, 11, ""},
		{"P.a.P...P.", "latest-app", 12, -ENOENT, "none of the 3"},
		{"P...P...P.", "latest-app", -ENOENT, -ENOENT, "none of the 3"},
		{"P...P...P.", "2026-11-22T10:34:00Z", 14, 14, ""},
		{"P...P...P.", "2026-11-22T10:35:59Z", 15, 14, ""},
		{"P...P...P.", "2026-11-22T11:36:30+01:00", 16, 14, ""},
		{"P...P.D.P.", "2026-11-22T10:36:00Z", 15, 14, ""},
		{"P...P...P.", "2030-01-01T00:00:00Z", 19, 18, ""},
		{"P...P...P.", "2026-11-22T10:29:00Z", -ENOENT, -ENOENT, "nothing is as old"},
		/* A clock that was fast for one point does not hide the points behind it. */
		{"P...F...P..P", "2026-11-22T10:39:00Z", 19, 18, ""},
		{"", "latest", -ENOENT, -ENOENT, "has no recovery points"},
		{"", "seq:3", -ENOENT, -ENOENT, "has no recovery points"},
	};

	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		list_make(golden[i].list);
		for (size_t page = 1; page <= 11; page += 2) {
			char error[POINT_SELECT_ERROR_LEN];
			int64_t found = search_run(golden[i].to, page, false, error);
			int64_t point;

			CU_ASSERT_TRUE(found > 0 || strstr(error, golden[i].words) != NULL);
			point = search_run(golden[i].to, page, true, error);
			CU_ASSERT_TRUE(point > 0 || strstr(error, golden[i].words) != NULL);
			CU_ASSERT_TRUE((point > 0) == (error[0] == '\0'));
			CU_ASSERT_EQUAL(found, golden[i].found);
			CU_ASSERT_EQUAL(point, golden[i].point_found);
			if (found != golden[i].found || point != golden[i].point_found) {
				fprintf(stderr, "\"%s\" %s: %" PRId64 " and %" PRId64 " (%s)\n",
					golden[i].list, golden[i].to, found, point, error);
			}
		}
	}
}

/* 24 points with 14 cycles behind each, in pages of 20: what was not meant is not asked for. */
static void test_questions(void)
{
	static const struct {
		const char *to;
		unsigned int pages; /* 2 for all points */
	} golden[] = {
		{"seq:10", 1},		     /* the first point */
		{"seq:355", 2},		     /* the last */
		{"seq:190", 1},		     /* one in the middle: 180 cycles lie before it */
		{"seq:191", 2},		     /* a cycle behind it */
		{"seq:369", 3},		     /* the newest */
		{"2026-11-22T10:30:00Z", 3}, /* behind the first point, up to the second */
		{"2026-11-22T16:15:00Z", 3}, /* 10:30 and 345 minutes */
		{"2030-01-01T00:00:00Z", 3},
		{"latest", 3},
	};
	char letters[LIST_MAX] = "", error[POINT_SELECT_ERROR_LEN];

	for (unsigned int i = 0; i < 24; i++) {
		strcat(letters, "P..............");
	}
	list_make(letters);
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		CU_ASSERT_TRUE(search_run(golden[i].to, 20, false, error) > 0);
		CU_ASSERT_EQUAL(pages, golden[i].pages);
		if (pages != golden[i].pages) {
			fprintf(stderr, "%s: %u pages\n", golden[i].to, pages);
		}
	}
}

static const struct unit_test tests[] = {
	{"golden", test_golden},
	{"questions", test_questions},
};

UNIT_MAIN("point search", tests)
