/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/extent_file.h"
#include "tempdir.h"
#include "unit.h"

#define MIB (1024ull * 1024)

static char path[TEMP_PATH_LEN];

static void disks_new(struct extent_file_disk disks[2])
{
	memset(disks, 0, 2 * sizeof(disks[0]));
	strcpy(disks[0].name, "vda");
	strcpy(disks[1].name, "vdb");
	disks[0].size_bytes = 10 * MIB + 4096;
	disks[1].size_bytes = 4 * MIB;
	for (int i = 0; i < 2; i++) {
		disks[i].map = dirty_map_new(disks[i].size_bytes);
	}
}

static void disks_free(struct extent_file_disk disks[2])
{
	dirty_map_free(disks[0].map);
	dirty_map_free(disks[1].map);
}

static void test_round_trip(void)
{
	struct extent_file_disk written[2], read[2];
	char error[EXTENT_FILE_ERROR_LEN] = "";
	uint64_t offset, length;
	int fd = open(tempdir(), O_RDONLY | O_DIRECTORY);

	disks_new(written);
	disks_new(read);
	dirty_map_set(written[0].map, MIB, 2 * MIB);
	dirty_map_set(written[0].map, 10 * MIB, 4096); /* the end is no whole granule */
	dirty_map_set(written[1].map, 0, 1);
	CU_ASSERT_EQUAL(extent_file_write(fd, "extents", written, 2), 0);
	CU_ASSERT_EQUAL(extent_file_write(fd, "extents", written, 2), 0); /* again, over it */
	CU_ASSERT_EQUAL(extent_file_read(path, read, 2, error), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	CU_ASSERT_TRUE(dirty_map_next(read[0].map, 0, read[0].size_bytes, &offset, &length));
	CU_ASSERT_EQUAL(offset, MIB);
	CU_ASSERT_EQUAL(length, 2 * MIB);
	CU_ASSERT_TRUE(dirty_map_next(read[0].map, 4 * MIB, 7 * MIB, &offset, &length));
	CU_ASSERT_EQUAL(offset, 10 * MIB);
	CU_ASSERT_EQUAL(length, 4096);
	CU_ASSERT_TRUE(dirty_map_next(read[1].map, 0, 4 * MIB, &offset, &length));
	CU_ASSERT_EQUAL(length, DIRTY_MAP_GRANULE);
	CU_ASSERT_EQUAL(extent_file_read("/nonexistent/file", read, 2, error), -ENOENT);
	disks_free(written);
	disks_free(read);
	close(fd);
}

/* In a directory that others may write: a link that was put at its name leads nobody to the file
 * behind it, neither to its bytes nor to its owner. */
static void test_link(void)
{
	struct extent_file_disk disks[2];
	char victim[TEMP_PATH_LEN];
	uid_t other = geteuid() == 0 ? 61234567u : geteuid();
	int fd = open(tempdir(), O_RDONLY | O_DIRECTORY);
	struct stat before, after;

	disks_new(disks);
	temp_file(victim, "victim", "x");
	CU_ASSERT_EQUAL(stat(victim, &before), 0);
	unlink(path);
	CU_ASSERT_EQUAL(symlink(victim, path), 0);
	CU_ASSERT_EQUAL(extent_file_write_for(fd, "extents", disks, 2, other, getegid()), 0);
	CU_ASSERT_EQUAL(stat(victim, &after), 0);
	CU_ASSERT_EQUAL(after.st_uid, before.st_uid);
	CU_ASSERT_EQUAL(after.st_size, 1);
	CU_ASSERT_EQUAL(lstat(path, &after), 0);
	CU_ASSERT_TRUE(S_ISREG(after.st_mode));
	CU_ASSERT_EQUAL(after.st_uid, other);
	unlink(path);
	disks_free(disks);
	close(fd);
}

static int read_text(const char *text, char error[EXTENT_FILE_ERROR_LEN])
{
	struct extent_file_disk disks[2];
	FILE *file = fopen(path, "w");
	int result;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
	disks_new(disks);
	result = extent_file_read(path, disks, 2, error);
	disks_free(disks);
	return result;
}

/* What a reader is told must not be believed beyond the disks that it knows. */
static void test_wrong(void)
{
	static const struct {
		const char *text, *words;
	} table[] = {
		{"", "torn"},
		{"vda 0 65536\n", "torn"},
		{"vda 0 65536\nend 2\n", "counts others"},
		{"vdx 0 65536\nend 1\n", "has not"},
		{"vdb 4194304 1\nend 1\n", "outside"},
		{"vdb 1 4194304\nend 1\n", "outside"},
		{"vdb 999999999999999999 999999999999999999\nend 1\n", "outside"},
		{"vdb 99999999999999999999 1\nend 1\n", "no line"},
		{"vdb -1 1\nend 1\n", "no line"},
		{"vdb 0 0\nend 1\n", "no line"},
		{"vdb 0 1 2\nend 1\n", "no line"},
		{"vdb\nend 1\n", "no line"},
		{"\nend 0\n", "no line"},
	};
	char error[EXTENT_FILE_ERROR_LEN];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		error[0] = '\0';
		CU_ASSERT_EQUAL(read_text(table[i].text, error), -EBADMSG);
		if (strstr(error, table[i].words) == NULL) {
			fprintf(stderr, "%s: %s\n", table[i].text, error);
			CU_FAIL("another sentence");
		}
	}
	CU_ASSERT_EQUAL(read_text("end 0\n", error), 0);
	CU_ASSERT_EQUAL(read_text("vda 0 65536\nvdb 0 1\nend 2\n", error), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"what is written is read", test_round_trip},
		{"a link at its name", test_link},
		{"what is wrong is refused", test_wrong},
	};

	int result;

	temp_path(path, "extents");
	result = unit_run("extent_file", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return result;
}
