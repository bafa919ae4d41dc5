/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replica can be brought to, for histories written as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/point_list.h"
#include "unit.h"

/* Cycles in order, a word each: P a point, L a log, X a log that names a wrong one before it, D one
 * whose file is damaged, R a commit without a log (a resynchronization), which is a point, - a
 * cycle whose log is no longer kept, p such a one that is a point; a log that is a point: LP, XP,
 * DP. expected: what is listed, "seq:verdict", cycles between them with a "+". */
struct golden {
	const char *cycles, *expected;
};

static const struct golden goldens[] = {
	{"", ""},
	{"R", "1:start"},
	{"R LP LP", "1:start 2:ok 3:ok"},
	{"R L LP L", "1:start 2+ 3:ok 4+"},
	{"R L L L", "1:start 2+ 3+ 4+"},
	/* The oldest logs are gone: nothing leads to the second point. */
	{"R - LP L", "1:start 3:no-logs 4+"},
	{"R - p LP", "1:start 3:no-logs 4:ok"},
	/* A resynchronization between points. */
	{"R LP L R L LP", "1:start 2:ok 3+ 4:start 5+ 6:ok"},
	{"R R", "1:start 2:start"},
	/* A log that is not of this history ends what can be rebuilt. */
	{"R L X LP LP", "1:start 2+ 4:broken 5:ok"},
	{"R L D LP L", "1:start 2+ 4:damaged 5+"},
	{"R L DP L", "1:start 2+ 3:damaged 4+"},
	{"R L X L L", "1:start 2+"},
	{"R L D L", "1:start 2+"},
	{"R LP L D", "1:start 2:ok 3+"},
};

static void hash_of(uint64_t seq, uint8_t hash[LOG_HASH_LEN])
{
	memset(hash, (int)seq, LOG_HASH_LEN);
}

static void point_add(struct manifest *m, uint64_t seq)
{
	struct manifest_point *points =
		reallocarray(m->points, m->point_count + 1, sizeof(*points));

	m->points = points;
	points[m->point_count] = (struct manifest_point){.disk_count = 1};
	points[m->point_count].cut.seq = seq;
	hash_of(seq, points[m->point_count].cut.log_hash);
	points[m->point_count++].disks = calloc(1, sizeof(*points[0].disks));
}

static void log_add(struct history *history, uint64_t seq, bool wrong, bool damaged)
{
	struct history_entry entry = {.seq = seq, .generation = damaged ? 9 : 1, .size_bytes = 7};

	hash_of(seq, entry.hash);
	hash_of(wrong ? 200 : seq - 1, entry.previous_hash);
	CU_ASSERT_EQUAL(history_push(history, &entry), 0);
}

/* The first half of the logs is in the history, the rest in the manifest. */
static void logs_split(struct manifest *m, struct history *history)
{
	size_t keep = history->count / 2;

	for (size_t i = keep; i < history->count; i++) {
		const struct history_entry *entry = &history->entries[i];
		struct manifest_log log = {.seq = entry->seq, .size_bytes = entry->size_bytes};

		memcpy(log.hash, entry->hash, LOG_HASH_LEN);
		memcpy(log.previous_hash, entry->previous_hash, LOG_HASH_LEN);
		history_file_format(entry, log.file);
		CU_ASSERT_EQUAL(manifest_log_push(m, &log), 0);
	}
	history->count = keep;
}

static void world_make(const char *cycles, struct manifest *m, struct history *history)
{
	uint64_t seq = 1;

	for (const char *at = cycles; *at != '\0'; at++) {
		bool is_log = *at == 'L' || *at == 'X' || *at == 'D';

		if (*at == ' ') {
			seq++;
			continue;
		}
		if (is_log) {
			log_add(history, seq, *at == 'X', *at == 'D');
		} else if (*at == '-' || *at == 'p') {
			m->history_from = seq + 1;
		}
		if (*at == 'R' || *at == 'P' || *at == 'p') {
			point_add(m, seq);
		}
	}
}

static bool file_is_right(void *arg, const struct history_entry *log)
{
	(void)arg;
	return log->generation == 1;
}

static void list_format(const struct manifest *m, const struct history *history,
			const struct point_range *range, char text[400])
{
	struct point_item *items = NULL;
	size_t count = 0, at = 0;

	text[0] = '\0';
	CU_ASSERT_EQUAL(
		point_list_make(m, history, range, true, file_is_right, NULL, &items, &count), 0);
	for (size_t i = 0; i < count; i++) {
		const struct point_item *item = &items[i];

		at += (size_t)snprintf(text + at, 400 - at, item->is_point ? "%s%lu:%s" : "%s%lu+",
				       i > 0 ? " " : "", item->cut.seq,
				       point_verdict_to_string(item->verdict));
		CU_ASSERT_EQUAL(item->size_bytes, item->is_point ? 0 : 7);
		CU_ASSERT_TRUE(item->is_point || m->points[item->point].cut.seq < item->cut.seq);
	}
	free(items);
}

/* Of the list's words, how many begin in the range. */
static void words_choose(const char *all, const struct point_range *range, char text[400])
{
	char copy[400], *rest = NULL;

	snprintf(copy, sizeof(copy), "%s", all);
	text[0] = '\0';
	for (char *word = strtok_r(copy, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		uint64_t seq = strtoull(word, NULL, 10);

		if (seq > range->after_seq && seq <= range->until_seq) {
			strcat(text, text[0] != '\0' ? " " : "");
			strcat(text, word);
		}
	}
}

/* Any part of the list that begins behind one that is listed is what it is in the whole, and takes
 * no more of the history than it is said to. */
static void parts_compare(const struct manifest *m, const struct history *history, const char *all)
{
	char expected[400], found[400];

	for (uint64_t after = 0; after < 9; after++) {
		struct point_range listed = {after - 1, after}, range = {after, UINT64_MAX};
		struct history part = {0};

		words_choose(all, &listed, expected);
		if (after > 0 && expected[0] == '\0') {
			continue;
		}
		for (range.until_seq = after; range.until_seq < 10; range.until_seq++) {
			words_choose(all, &range, expected);
			list_format(m, history, &range, found);
			CU_ASSERT_STRING_EQUAL(found, expected);
		}
		range.until_seq = UINT64_MAX;
		words_choose(all, &range, expected);
		if (strchr(expected, '+') != NULL && after > 0 &&
		    history_index(history, after) < history->count &&
		    history->entries[history_index(history, after)].seq == after) {
			CU_ASSERT_EQUAL(history_slice(history, history_index(history, after),
						      SIZE_MAX, &part),
					0);
			list_format(m, &part, &range, found);
			CU_ASSERT_STRING_EQUAL(found, expected);
			history_destroy(&part);
		}
	}
}

static void test_golden(void)
{
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		struct history history = {0};
		struct manifest m = {0};
		char found[400];

		world_make(goldens[i].cycles, &m, &history);
		for (int split = 0; split < 2; split++) {
			list_format(&m, &history, &POINT_RANGE_ALL, found);
			parts_compare(&m, &history, found);
			CU_ASSERT_STRING_EQUAL(found, goldens[i].expected);
			if (strcmp(found, goldens[i].expected) != 0) {
				fprintf(stderr, "\"%s\": %s, not %s\n", goldens[i].cycles, found,
					goldens[i].expected);
			}
			logs_split(&m, &history);
		}
		manifest_destroy(&m);
		history_destroy(&history);
	}
}

static const struct unit_test tests[] = {{"golden", test_golden}};

UNIT_MAIN("point list", tests)
