/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies on media: an export's manifest, or images called after disks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/media.h"
#include "tempdir.h"
#include "unit.h"

static int dir_fd;

static void file_put(const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void media_begin(void)
{
	dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY);
	CU_ASSERT_FATAL(dir_fd >= 0);
}

static void media_end(void)
{
	close(dir_fd);
	tempdir_remove();
	tempdir_path[0] = '\0'; /* the next test has one of its own */
}

static struct media sample(void)
{
	struct media media = {.exported = true,
			      .relationship = "5f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e11",
			      .vm = "web1",
			      .site = "a.example",
			      .epoch = 1,
			      .seq = 7,
			      .cut_id = "0123456789abcdef",
			      .cut_time_ms = 1795341600000,
			      .disk_count = 1};

	snprintf(media.disks[0].name, sizeof(media.disks[0].name), "vda");
	snprintf(media.disks[0].file, sizeof(media.disks[0].file), "vda.qcow2");
	media.disks[0].size_bytes = 1 << 20;
	media.disks[0].file_bytes = 5;
	CU_ASSERT_EQUAL(sha256_of("hello", 5, media.disks[0].sha256), 0);
	return media;
}

static void test_round_trip(void)
{
	struct media media = sample(), found;
	char error[MEDIA_ERROR_LEN] = "";
	uint8_t hash[SHA256_LEN];
	int fd;

	media_begin();
	file_put("vda.qcow2", "hello");
	CU_ASSERT_EQUAL(media_save(dir_fd, &media, error), 0);
	CU_ASSERT_EQUAL(media_load(dir_fd, &found, error), 0);
	CU_ASSERT_TRUE(found.exported);
	CU_ASSERT_STRING_EQUAL(found.relationship, media.relationship);
	CU_ASSERT_STRING_EQUAL(found.site, "a.example");
	CU_ASSERT_EQUAL(found.seq, 7);
	CU_ASSERT_STRING_EQUAL(found.cut_id, media.cut_id);
	CU_ASSERT_EQUAL(found.disk_count, 1);
	CU_ASSERT_EQUAL(found.disks[0].size_bytes, 1 << 20);
	CU_ASSERT_FALSE(found.disks[0].raw);
	fd = openat(dir_fd, "vda.qcow2", O_RDONLY);
	CU_ASSERT_EQUAL(media_hash_file(fd, hash, NULL, NULL), 0);
	CU_ASSERT_EQUAL(memcmp(hash, found.disks[0].sha256, SHA256_LEN), 0);
	close(fd);
	media_end();
}

static void expect(const char *words)
{
	struct media media;
	char error[MEDIA_ERROR_LEN] = "";

	CU_ASSERT_TRUE(media_load(dir_fd, &media, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, words));
	if (strstr(error, words) == NULL) {
		fprintf(stderr, "\"%s\" says nothing of \"%s\"\n", error, words);
	}
}

static void test_refused(void)
{
	struct media media = sample();
	char error[MEDIA_ERROR_LEN] = "";

	media_begin();
	expect("neither");
	CU_ASSERT_EQUAL(media_save(dir_fd, &media, error), 0);
	expect("is missing");
	file_put("vda.qcow2", "hell");
	expect("has 4 bytes");
	file_put("vda.qcow2", "hello");
	snprintf(media.disks[0].file, sizeof(media.disks[0].file), "../vda.qcow2");
	CU_ASSERT_EQUAL(media_save(dir_fd, &media, error), 0);
	expect("damaged");
	media = sample();
	media.disks[0].size_bytes = 0;
	CU_ASSERT_EQUAL(media_save(dir_fd, &media, error), 0);
	expect("damaged");
	media = sample();
	media.cut_id[3] = 'x';
	CU_ASSERT_EQUAL(media_save(dir_fd, &media, error), 0);
	expect("damaged");
	media = sample(); /* a disk twice */
	media.disks[media.disk_count] = media.disks[0];
	media.disk_count++;
	CU_ASSERT_EQUAL(media_save(dir_fd, &media, error), 0);
	expect("damaged");
	file_put(MEDIA_NAME, "{\"format\": 2}");
	expect("newer");
	file_put(MEDIA_NAME, "{\"format\": 1");
	expect("damaged");
	file_put(MEDIA_NAME, "");
	expect("damaged");
	media_end();
}

static void test_existing_copies(void)
{
	struct media media;
	char error[MEDIA_ERROR_LEN] = "";

	media_begin();
	file_put("vda.raw", "x");
	file_put("vdb.qcow2", "xy");
	file_put("README.txt", "no disk");
	file_put(".hidden.raw", "no disk");
	CU_ASSERT_EQUAL(media_load(dir_fd, &media, error), 0);
	CU_ASSERT_FALSE(media.exported);
	CU_ASSERT_EQUAL(media.disk_count, 2);
	for (size_t i = 0; i < media.disk_count; i++) {
		CU_ASSERT_EQUAL(media.disks[i].raw, strcmp(media.disks[i].name, "vda") == 0);
		CU_ASSERT_EQUAL(media.disks[i].file_bytes, media.disks[i].raw ? 1 : 2);
	}
	file_put("vda.img", "x");
	expect("twice");
	CU_ASSERT_EQUAL(unlinkat(dir_fd, "vda.img", 0), 0);
	CU_ASSERT_EQUAL(symlinkat("/etc/passwd", dir_fd, "vdc.raw"), 0);
	expect("vdc.raw");
	media_end();
}

static const struct unit_test tests[] = {
	{"an export's manifest", test_round_trip},
	{"damaged media", test_refused},
	{"existing copies", test_existing_copies},
};

UNIT_MAIN("media", tests)
