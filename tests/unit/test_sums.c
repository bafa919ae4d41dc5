/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of sums: what is in it byte for byte, any order of changes, any damage, and for whom it
 * holds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/codec.h"
#include "receiver/sums.h"
#include "receiver/sums_fill.h"
#include "tempdir.h"
#include "unit.h"

#define LAYER	   "vda-1.qcow2"
#define BLOCKS	   2000u
#define DISK_BYTES ((uint64_t)BLOCKS * SUMS_BLOCK_BYTES - 5000)

static int dir_fd;
static const struct manifest_layer layer = {.file = LAYER,
					    .generation = 3,
					    .frozen = true,
					    .size_bytes = 1000,
					    .inode = 77,
					    .mtime_ns = 1795326900123456789};

static struct sums *sums_make(void)
{
	struct sums_head head = {.generation = 3, .disk_bytes = DISK_BYTES};
	struct sums *sums = NULL;

	sums_head_name(&head, &layer);
	CU_ASSERT_EQUAL_FATAL(sums_create(dir_fd, LAYER, &head, &sums), 0);
	return sums;
}

static void sum_expect(struct sums *sums, uint64_t block, uint64_t expected)
{
	uint64_t found = 1;

	CU_ASSERT_EQUAL(sums_get(sums, block, &found), 0);
	CU_ASSERT_EQUAL(found, expected);
}

static uint8_t *file_read(size_t *ret_len)
{
	int fd = openat(dir_fd, LAYER ".sums", O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	data = malloc((size_t)st.st_size);
	CU_ASSERT_FATAL(data != NULL && read(fd, data, (size_t)st.st_size) == st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return data;
}

static void file_write(const uint8_t *data, size_t len)
{
	int fd = openat(dir_fd, LAYER ".sums", O_WRONLY | O_TRUNC | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

/* What is on disks must not be understood otherwise one day. */
static void test_golden(void)
{
	static const char begin[] = "VMRSUMS\n\1\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0"
				    "\3\0\0\0\0\0\0\0\x78\xec\xcf\x07\0\0\0\0"
				    "\xe8\3\0\0\0\0\0\0\x4d\0\0\0\0\0\0\0"
				    "\x15\xd5\x8f\xb9\x4d\x48\xea\x18";
	struct sums *sums = sums_make();
	struct sums_head head = *sums_head(sums);
	uint8_t *data, *page;
	uint64_t sum;
	size_t len;

	CU_ASSERT_EQUAL(sums_set(sums, 0, 0x0102030405060708), 0);
	CU_ASSERT_EQUAL(sums_set(sums, SUMS_PAGE_SUMS, 9), 0);
	CU_ASSERT_EQUAL(sums_commit(sums, &head), 0);
	sums_close(sums);
	data = file_read(&len);
	CU_ASSERT_EQUAL_FATAL(len, 3 * SUMS_PAGE_BYTES);
	CU_ASSERT_EQUAL(memcmp(data, begin, sizeof(begin)), 0);
	page = data + SUMS_PAGE_BYTES;
	CU_ASSERT_EQUAL(memcmp(page, "\x08\x07\x06\x05\x04\x03\x02\x01\0\0", 10), 0);
	sum = codec_checksum(page, SUMS_PAGE_BYTES - 8, SUMS_PAGE_BYTES);
	for (size_t i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(page[SUMS_PAGE_BYTES - 8 + i], (uint8_t)(sum >> 8 * i));
	}
	CU_ASSERT_EQUAL(page[SUMS_PAGE_BYTES], 9);
	free(data);
	CU_ASSERT_EQUAL(sums_of_zeros(SUMS_BLOCK_BYTES, 0), sums_of_zeros(SUMS_BLOCK_BYTES, 0));
	CU_ASSERT_NOT_EQUAL(sums_of_zeros(SUMS_BLOCK_BYTES, 0), sums_of_zeros(SUMS_BLOCK_BYTES, 1));
	CU_ASSERT_EQUAL(sums_block_length(DISK_BYTES, BLOCKS - 1), SUMS_BLOCK_BYTES - 5000);
}

/* Any order of setting, forgetting, committing and opening again. */
static void test_property(void)
{
	static uint64_t model[BLOCKS];
	struct sums *sums = sums_make();
	struct sums_head head;

	srandom(7);
	for (int i = 0; i < 20000; i++) {
		uint64_t block = (uint64_t)random() % BLOCKS;

		switch (random() % 100) {
		case 0:
			head = *sums_head(sums);
			CU_ASSERT_EQUAL(sums_commit(sums, &head), 0);
			sums_close(sums);
			CU_ASSERT_EQUAL_FATAL(sums_take(dir_fd, LAYER, 3, &sums), 0);
			break;
		case 1:
			model[block] = 0;
			CU_ASSERT_EQUAL(sums_forget(sums, block), 0);
			break;
		default:
			model[block] = (uint64_t)random() + 1;
			CU_ASSERT_EQUAL(sums_set(sums, block, model[block]), 0);
		}
		block = (uint64_t)random() % BLOCKS;
		sum_expect(sums, block, model[block]);
	}
	for (uint64_t block = 0; block < BLOCKS; block++) {
		sum_expect(sums, block, model[block]);
	}
	sums_close(sums);
}

/* With one bit of the file turned, or its end cut off, each sum is what it was or not known. */
static void damage_judge(uint64_t step)
{
	struct sums *sums = NULL;
	uint64_t found;
	int rc = sums_open(dir_fd, LAYER, &sums);

	CU_ASSERT_TRUE(rc == 0 || rc == -EUCLEAN);
	for (uint64_t block = 0; rc == 0 && block < BLOCKS; block += step) {
		int get = sums_get(sums, block, &found);

		CU_ASSERT_TRUE(get == -EBADMSG || (get == 0 && (found == block + 5 || found == 0)));
	}
	if (rc == 0) {
		CU_ASSERT_TRUE(sums_hold(sums, &layer, DISK_BYTES));
		sums_close(sums);
	}
}

static void test_damage(void)
{
	struct sums *sums = sums_make();
	struct sums_head head = *sums_head(sums);
	uint8_t *data;
	size_t len;

	for (uint64_t block = 0; block < BLOCKS; block++) {
		CU_ASSERT_EQUAL(sums_set(sums, block, block + 5), 0);
	}
	CU_ASSERT_EQUAL(sums_commit(sums, &head), 0);
	sums_close(sums);
	data = file_read(&len);
	for (int i = 0; i < 1000; i++) {
		size_t at = i < 300 ? (size_t)i : (size_t)random() % len;
		uint8_t bit = (uint8_t)(1u << random() % 8);

		data[at] ^= bit;
		file_write(data, i % 10 == 9 ? at + 1 : len);
		damage_judge(1 + (uint64_t)random() % 50);
		data[at] ^= bit;
	}
	free(data);
}

/* A page that was damaged begins anew, and is filled again. */
static void test_page_anew(void)
{
	struct sums *sums = sums_make();
	struct sums_head head = *sums_head(sums);
	uint64_t found;
	uint8_t *data;
	size_t len;

	for (uint64_t block = 0; block < BLOCKS; block++) {
		CU_ASSERT_EQUAL(sums_set(sums, block, 5), 0);
	}
	head.filled_bytes = DISK_BYTES;
	CU_ASSERT_EQUAL(sums_commit(sums, &head), 0);
	sums_close(sums);
	data = file_read(&len);
	data[2 * SUMS_PAGE_BYTES + 100] ^= 1;
	file_write(data, len);
	free(data);
	CU_ASSERT_EQUAL_FATAL(sums_take(dir_fd, LAYER, 3, &sums), 0);
	sum_expect(sums, SUMS_PAGE_SUMS - 1, 5);
	CU_ASSERT_EQUAL(sums_get(sums, SUMS_PAGE_SUMS, &found), -EBADMSG);
	CU_ASSERT_EQUAL(sums_head(sums)->filled_bytes, DISK_BYTES);
	CU_ASSERT_EQUAL(sums_set(sums, SUMS_PAGE_SUMS + 1, 6), 0);
	CU_ASSERT_EQUAL(sums_head(sums)->filled_bytes, (uint64_t)SUMS_PAGE_SUMS * SUMS_BLOCK_BYTES);
	sum_expect(sums, SUMS_PAGE_SUMS, 0);
	sum_expect(sums, SUMS_PAGE_SUMS + 1, 6);
	sum_expect(sums, 2 * SUMS_PAGE_SUMS, 5);
	sums_close(sums);
}

static void test_identity(void)
{
	struct manifest_layer other = layer;
	struct sums *sums = sums_make();
	struct sums_head head = *sums_head(sums);

	CU_ASSERT_TRUE(sums_hold(sums, &layer, DISK_BYTES));
	CU_ASSERT_FALSE(sums_hold(sums, &layer, DISK_BYTES + 512));
	other.mtime_ns++;
	CU_ASSERT_FALSE(sums_hold(sums, &other, DISK_BYTES));
	other = layer;
	other.inode++;
	CU_ASSERT_FALSE(sums_hold(sums, &other, DISK_BYTES));
	other = layer;
	other.size_bytes++;
	CU_ASSERT_FALSE(sums_hold(sums, &other, DISK_BYTES));
	other = layer;
	other.frozen = false;
	CU_ASSERT_FALSE(sums_hold(sums, &other, DISK_BYTES));
	strcpy(head.merging, "gen-1/vda-2.qcow2");
	CU_ASSERT_EQUAL(sums_commit(sums, &head), 0);
	CU_ASSERT_FALSE(sums_hold(sums, &layer, DISK_BYTES));
	sums_close(sums);
}

static int pace_cb(void *arg, uint64_t bytes)
{
	CU_ASSERT_TRUE(bytes > 0);
	return *(const int *)arg;
}

/* An owner that was stopped in the middle of a write goes on once another has taken over: it
 * writes to a file that is no more. */
static void test_takeover(void)
{
	struct sums *old = sums_make(), *new = NULL;
	struct sums_head head = *sums_head(old);
	int canceled = -ECANCELED;

	CU_ASSERT_EQUAL(sums_set(old, 1, 11), 0);
	CU_ASSERT_EQUAL(sums_set(old, 300000, 15), 0);
	CU_ASSERT_EQUAL(sums_commit(old, &head), 0);
	CU_ASSERT_EQUAL(sums_set(old, 1, 12), 0); /* held back */
	CU_ASSERT_EQUAL(sums_take(dir_fd, LAYER, 4, &new), -ESTALE);
	CU_ASSERT_EQUAL(sums_renew(dir_fd, LAYER, 4, pace_cb, &canceled), -ECANCELED);
	CU_ASSERT_EQUAL(sums_take(dir_fd, LAYER, 4, &new), -ESTALE);
	canceled = 0;
	CU_ASSERT_EQUAL(sums_renew(dir_fd, LAYER, 4, pace_cb, &canceled), 0);
	CU_ASSERT_EQUAL(sums_renew(dir_fd, LAYER, 4, NULL, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(sums_take(dir_fd, LAYER, 4, &new), 0);
	CU_ASSERT_EQUAL(sums_head(new)->generation, 4);
	CU_ASSERT_TRUE(sums_hold(new, &layer, DISK_BYTES));
	CU_ASSERT_EQUAL(sums_commit(old, &head), 0);
	sums_close(old);
	sums_close(new);
	CU_ASSERT_EQUAL_FATAL(sums_open(dir_fd, LAYER, &new), 0);
	sum_expect(new, 1, 11);
	sum_expect(new, 300000, 15);
	sums_close(new);
	sums_remove(dir_fd, LAYER);
	CU_ASSERT_EQUAL(sums_open(dir_fd, LAYER, &new), -ENOENT);
	CU_ASSERT_EQUAL(sums_take(dir_fd, LAYER, 4, &new), -ENOENT);
}

/* Layers 0 to 5; points end with 1, 2 and 4; no logs lead to the last of them. */
static void test_alone(void)
{
	struct manifest_layer layers[6] = {{.file = "0"}, {.file = "1"}, {.file = "2"},
					   {.file = "3"}, {.file = "4"}, {.file = "5"}};
	struct manifest_disk disk = {.name = "vda", .layers = layers, .layer_count = 6};
	struct manifest_point_disk ends[3] = {{.name = "vda", .file = "1"},
					      {.name = "vda", .file = "2"},
					      {.name = "vda", .file = "4"}};
	struct manifest_point points[3] = {{.disks = &ends[0], .disk_count = 1},
					   {.disks = &ends[1], .disk_count = 1},
					   {.disks = &ends[2], .disk_count = 1}};
	struct point_item items[3] = {
		{.verdict = POINT_START}, {.verdict = POINT_OK}, {.verdict = POINT_START}};
	struct manifest m = {.points = points, .point_count = 3};
	static const bool expected[6] = {true, true, false, true, true, false};

	for (size_t i = 0; i < 6; i++) {
		CU_ASSERT_EQUAL(sums_layer_is_alone(&m, items, &disk, i), expected[i]);
	}
	m.point_count = 0;
	CU_ASSERT_TRUE(sums_layer_is_alone(&m, items, &disk, 5));
}

static const struct unit_test tests[] = {
	{"the file's bytes", test_golden},
	{"any order of changes", test_property},
	{"any damage", test_damage},
	{"a damaged page", test_page_anew},
	{"for whom they hold", test_identity},
	{"a takeover", test_takeover},
	{"which layers are alone", test_alone},
};

int main(void)
{
	int failed;

	dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	failed = unit_run("sums of layers", tests, sizeof(tests) / sizeof(tests[0]));
	close(dir_fd);
	tempdir_remove();
	return failed;
}
