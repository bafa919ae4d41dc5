/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/extent_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/checked.h"
#include "common/cleanup.h"

#define LINE_LEN 256

/* ---- writing ---- */

static uint64_t disk_write(FILE *file, const struct extent_file_disk *disk)
{
	uint64_t offset = 0, start, length, lines = 0;

	while (offset < disk->size_bytes &&
	       dirty_map_next(disk->map, offset, disk->size_bytes - offset, &start, &length)) {
		fprintf(file, "%s %" PRIu64 " %" PRIu64 "\n", disk->name, start, length);
		offset = start + length;
		lines++;
	}
	return lines;
}

int extent_file_write(int dir_fd, const char *name, const struct extent_file_disk *disks,
		      size_t count)
{
	return extent_file_write_for(dir_fd, name, disks, count, (uid_t)-1, (gid_t)-1);
}

int extent_file_write_for(int dir_fd, const char *name, const struct extent_file_disk *disks,
			  size_t count, uid_t uid, gid_t gid)
{
	cleanup_close int fd = -1;
	FILE *file;
	uint64_t lines = 0;
	int failed;

	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT) {
		return -errno;
	}
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL) {
		return -errno;
	}
	steal_fd(&fd);
	for (size_t i = 0; i < count; i++) {
		lines += disk_write(file, &disks[i]);
	}
	fprintf(file, "end %" PRIu64 "\n", lines);
	failed = ferror(file) != 0 || fchown(fileno(file), uid, gid) != 0;
	return fclose(file) != 0 || failed ? -EIO : 0;
}

/* ---- reading ---- */

static const struct extent_file_disk *disk_find(const struct extent_file_disk *disks, size_t count,
						const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(disks[i].name, name) == 0) {
			return &disks[i];
		}
	}
	return NULL;
}

/* Digits alone: no sign, no blank. */
static bool number_read(const char **text, char end, uint64_t *ret_number)
{
	size_t digits = strspn(*text, "0123456789");

	if (digits == 0 || digits > 18 || (*text)[digits] != end) {
		return false;
	}
	*ret_number = strtoull(*text, NULL, 10);
	*text += digits + 1;
	return true;
}

static int line_wrong(char error[EXTENT_FILE_ERROR_LEN], uint64_t number, const char *what)
{
	snprintf(error, EXTENT_FILE_ERROR_LEN, "line %" PRIu64 " of the list of changes %s", number,
		 what);
	return -EBADMSG;
}

/* 0, 1 at the end, or what is wrong with the line. number: of the lines before it. */
static int line_take(char *line, uint64_t number, const struct extent_file_disk *disks,
		     size_t count, char error[EXTENT_FILE_ERROR_LEN])
{
	char *blank = strchr(line, ' ');
	const char *rest = blank != NULL ? blank + 1 : NULL;
	const struct extent_file_disk *disk;
	uint64_t offset, length;

	if (rest == NULL) {
		return line_wrong(error, number + 1, "is no line of it");
	}
	*blank = '\0';
	if (strcmp(line, "end") == 0 && number_read(&rest, '\n', &offset)) {
		return offset == number ? 1 : line_wrong(error, number + 1, "counts others");
	}
	disk = disk_find(disks, count, line);
	if (disk == NULL) {
		return line_wrong(error, number + 1, "is of a disk that the VM has not");
	}
	if (!number_read(&rest, ' ', &offset) || !number_read(&rest, '\n', &length) ||
	    length == 0) {
		return line_wrong(error, number + 1, "is no line of it");
	}
	if (!range_is_inside(offset, length, disk->size_bytes)) {
		return line_wrong(error, number + 1, "is outside of its disk");
	}
	dirty_map_set(disk->map, offset, length);
	return 0;
}

int extent_file_read(const char *path, const struct extent_file_disk *disks, size_t count,
		     char error[EXTENT_FILE_ERROR_LEN])
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	cleanup_fclose FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char line[LINE_LEN];
	uint64_t number = 0;
	int result = 0;

	if (file == NULL) {
		result = -errno;
		snprintf(error, EXTENT_FILE_ERROR_LEN, "the list of changes %.100s: %s", path,
			 strerror(errno));
		return result;
	}
	steal_fd(&fd);
	while (result == 0 && fgets(line, sizeof(line), file) != NULL) {
		result = line_take(line, number++, disks, count, error);
	}
	if (result == 0) {
		return line_wrong(error, number + 1, "is missing: the file is torn");
	}
	return result > 0 ? 0 : result;
}
