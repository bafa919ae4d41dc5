/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index of kept logs: what is written is read, what a crash leaves is recognized, and what is
 * damaged has a place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/history.h"
#include "tempdir.h"
#include "unit.h"

static int dir_fd;

static struct history_entry entry_of(uint64_t seq)
{
	struct history_entry entry = {.seq = seq,
				      .generation = 1,
				      .size_bytes = 1000 + seq,
				      .time_ms = 1795326900000 + (int64_t)seq,
				      .application = seq == 5,
				      .cut_id = "0123456789abcdef"};

	memset(entry.hash, (int)seq, LOG_HASH_LEN);
	memset(entry.previous_hash, (int)seq - 1, LOG_HASH_LEN);
	return entry;
}

static void entries_push(struct history *history, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		struct history_entry entry = entry_of(seq);

		CU_ASSERT_EQUAL(history_push(history, &entry), 0);
	}
}

/* An index of cycles 1 to count in a new gen-1. */
static struct history index_make(uint64_t count)
{
	struct history history = {0};

	unlinkat(dir_fd, "gen-1/" HISTORY_NAME, 0);
	entries_push(&history, 1, count);
	CU_ASSERT_EQUAL(history_append(dir_fd, 1, &history, 0), 0);
	return history;
}

static int index_open(int flags)
{
	int fd = openat(dir_fd, "gen-1/" HISTORY_NAME, flags);

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	return fd;
}

static uint64_t index_size(void)
{
	int fd = index_open(O_RDONLY);
	struct stat st;

	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	close(fd);
	return (uint64_t)st.st_size;
}

static size_t load_count(uint64_t from_seq, uint64_t end_seq)
{
	struct history found = {0};
	size_t count;

	CU_ASSERT_EQUAL(history_load(dir_fd, 1, from_seq, end_seq, &found), 0);
	count = found.count;
	history_destroy(&found);
	return count;
}

static void test_round_trip(void)
{
	struct history history = index_make(5), found = {0};

	entries_push(&history, 6, 9);
	CU_ASSERT_EQUAL(history_append(dir_fd, 1, &history, 5), 0);
	CU_ASSERT_EQUAL(history_load(dir_fd, 1, 0, UINT64_MAX, &found), 0);
	CU_ASSERT_EQUAL_FATAL(found.count, 9);
	for (size_t i = 0; i < 9; i++) {
		struct history_entry expected = entry_of(i + 1);

		CU_ASSERT_EQUAL(found.entries[i].size_bytes, expected.size_bytes);
		CU_ASSERT_EQUAL(found.entries[i].time_ms, expected.time_ms);
		CU_ASSERT_EQUAL(found.entries[i].application, expected.application);
		CU_ASSERT_STRING_EQUAL(found.entries[i].cut_id, expected.cut_id);
		CU_ASSERT_EQUAL(memcmp(found.entries[i].hash, expected.hash, LOG_HASH_LEN), 0);
		CU_ASSERT_EQUAL(memcmp(found.entries[i].previous_hash, expected.previous_hash,
				       LOG_HASH_LEN),
				0);
	}
	CU_ASSERT_EQUAL(load_count(3, 8), 5); /* from 3, before 8 */
	history_destroy(&found);
	CU_ASSERT_EQUAL(history_load(dir_fd, 7, 0, UINT64_MAX, &found), 0); /* none there */
	CU_ASSERT_EQUAL(found.count, 0);
	history_destroy(&found);
	history_destroy(&history);
}

static void test_list(void)
{
	struct manifest_log log = {.seq = 4, .cut_id = "0123456789abcdef", .file = "gen-3/4.vrl"};
	struct history history = index_make(6);
	struct history_entry entry = entry_of(6);
	char file[MANIFEST_FILE_MAX + 1];

	CU_ASSERT_EQUAL(history_push(&history, &entry), 0); /* twice is once */
	CU_ASSERT_EQUAL(history.count, 6);
	CU_ASSERT_TRUE(history_refers_to(&history, "gen-1/6.vrl"));
	CU_ASSERT_FALSE(history_refers_to(&history, "gen-2/6.vrl"));
	CU_ASSERT_FALSE(history_refers_to(&history, "gen-1/7.vrl"));
	CU_ASSERT_FALSE(history_refers_to(&history, "gen-1/6.vrl.damaged"));
	history_drop(&history, 2);
	CU_ASSERT_EQUAL(history.entries[0].seq, 3);
	CU_ASSERT_FALSE(history_refers_to(&history, "gen-1/2.vrl"));
	CU_ASSERT_EQUAL(history_entry_from_log(&log, &entry), 0);
	CU_ASSERT_EQUAL(entry.generation, 3);
	CU_ASSERT_STRING_EQUAL(history_file_format(&entry, file), "gen-3/4.vrl");
	snprintf(log.file, sizeof(log.file), "gen-3/5.vrl");
	CU_ASSERT_EQUAL(history_entry_from_log(&log, &entry), -EINVAL);
	history_destroy(&history);
}

/* Cut off anywhere: the whole lines stand, and appending goes on to a sound file. */
static void test_torn(void)
{
	uint64_t whole;

	for (uint64_t cut = 1; cut < 120; cut += 17) {
		struct history history = index_make(4), found = {0};
		uint64_t offset = 0;
		int fd = index_open(O_RDWR);

		whole = index_size();
		CU_ASSERT_EQUAL(ftruncate(fd, (off_t)(whole - cut)), 0);
		close(fd);
		CU_ASSERT_EQUAL(history_find_damage(dir_fd, 1, &offset), 0);
		CU_ASSERT_EQUAL(history_load(dir_fd, 1, 0, UINT64_MAX, &found), 0);
		CU_ASSERT_EQUAL(found.count, cut == 1 ? 4 : 3); /* it lacks nothing but its end */
		entries_push(&found, 4, 5);
		CU_ASSERT_EQUAL(history_append(dir_fd, 1, &found, 3), 0);
		CU_ASSERT_EQUAL(history_find_damage(dir_fd, 1, &offset), 0);
		CU_ASSERT_EQUAL(load_count(0, UINT64_MAX), 5);
		history_destroy(&found);
		history_destroy(&history);
	}
}

/* Any byte turned over: its line does not count, all others do, and the line is named. */
static void test_damaged(void)
{
	struct history history = index_make(4);
	uint64_t size = index_size(), line = size / 4, offset;
	int fd = index_open(O_RDWR);

	for (uint64_t at = 0; at < size; at += 7) {
		char byte, changed;

		CU_ASSERT_EQUAL(pread(fd, &byte, 1, (off_t)at), 1);
		changed = (char)(byte ^ 1);
		CU_ASSERT_EQUAL(pwrite(fd, &changed, 1, (off_t)at), 1);
		offset = UINT64_MAX;
		if (at == size - 1) { /* its end is what makes the last line one */
			CU_ASSERT_EQUAL(history_find_damage(dir_fd, 1, &offset), 0);
		} else {
			CU_ASSERT_EQUAL(history_find_damage(dir_fd, 1, &offset), -EBADMSG);
			CU_ASSERT_EQUAL(offset, at / line * line);
		}
		/* A line end that is gone makes two lines one. */
		CU_ASSERT_TRUE(load_count(0, UINT64_MAX) >= 2);
		CU_ASSERT_TRUE(load_count(0, UINT64_MAX) <= 3);
		CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	CU_ASSERT_EQUAL(load_count(0, UINT64_MAX), 4);
	CU_ASSERT_EQUAL(history_find_damage(dir_fd, 9, &offset), -ENOENT);
	close(fd);
	history_destroy(&history);
}

/* What was dropped does not stay in the file for ever. */
static void test_compacted(void)
{
	struct history history = index_make(1200);
	uint64_t long_size = index_size();

	history_drop(&history, 1190);
	entries_push(&history, 1201, 1201);
	CU_ASSERT_EQUAL(history_append(dir_fd, 1, &history, 10), 0);
	CU_ASSERT_TRUE(index_size() < long_size / 50);
	CU_ASSERT_EQUAL(load_count(0, UINT64_MAX), 11);
	CU_ASSERT_EQUAL(history.lines, 11);
	history_destroy(&history);
}

static const struct unit_test tests[] = {
	{"round trip", test_round_trip}, {"list", test_list},		{"torn", test_torn},
	{"damaged", test_damaged},	 {"compacted", test_compacted},
};

int main(void)
{
	int result;

	dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY);
	if (dir_fd < 0 || mkdirat(dir_fd, "gen-1", 0700) < 0) {
		return 1;
	}
	result = unit_run("history", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return result;
}
