/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/config.h"

_Static_assert(SETTINGS_FILE_ERROR_LEN >= CONFIG_ERROR_LEN, "config's sentences must fit");

struct reading {
	struct nvpair_list list;
	const char *path;
	char *error;
};

int settings_file_path(const char *directory, const char *folder, const char *name,
		       char buf[SETTINGS_FILE_PATH_LEN])
{
	int length =
		snprintf(buf, SETTINGS_FILE_PATH_LEN, "%s/%s/%s.conf", directory, folder, name);

	return length < SETTINGS_FILE_PATH_LEN ? 0 : -ENAMETOOLONG;
}

static int read_pair_cb(void *arg, const char *section, const char *name, const char *value,
			int line)
{
	struct reading *reading = arg;

	if (section[0] != '\0') {
		(void)snprintf(reading->error, SETTINGS_FILE_ERROR_LEN,
			       "%s:%d: no [section] belongs here", reading->path, line);
		return -EINVAL;
	}
	if (nvpair_find(reading->list.pairs, reading->list.count, name) != NULL) {
		(void)snprintf(reading->error, SETTINGS_FILE_ERROR_LEN, "%s:%d: %s is given twice",
			       reading->path, line, name);
		return -EINVAL;
	}
	if (nvpair_list_add(&reading->list, name, value) < 0) {
		(void)snprintf(reading->error, SETTINGS_FILE_ERROR_LEN, "%s: out of memory",
			       reading->path);
		return -ENOMEM;
	}
	return 0;
}

int settings_file_read(const char *path, struct nvpair_list *ret_list,
		       char error[SETTINGS_FILE_ERROR_LEN])
{
	struct reading reading = {.path = path, .error = error};
	int result = config_read_pairs(path, read_pair_cb, &reading, error);

	if (result < 0) {
		nvpair_list_destroy(&reading.list);
		return result;
	}
	*ret_list = reading.list;
	return 0;
}

/* The file gives back what was meant: no line end, comment sign or over-long line has changed it.
 */
static bool reads_back(const char *path, const struct nvpair_list *list)
{
	char error[SETTINGS_FILE_ERROR_LEN];
	struct nvpair_list found = {0};
	bool same = settings_file_read(path, &found, error) == 0 && found.count == list->count;

	for (size_t i = 0; same && i < list->count; i++) {
		same = strcmp(found.pairs[i]->name, list->pairs[i]->name) == 0 &&
		       strcmp(found.pairs[i]->value, list->pairs[i]->value) == 0;
	}
	nvpair_list_destroy(&found);
	return same;
}

static int directory_sync(const char *path)
{
	cleanup_free char *copy = strdup(path);
	cleanup_close int fd = -1;

	if (copy == NULL) {
		return -ENOMEM;
	}
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int directory_make(const char *path)
{
	cleanup_free char *copy = strdup(path);

	if (copy == NULL) {
		return -ENOMEM;
	}
	return mkdir(dirname(copy), 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int contents_write(int fd, const char *comment, const struct nvpair_list *list)
{
	cleanup_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;
	bool failed;

	if (out == NULL) {
		return -errno;
	}
	(void)steal_fd(&copy); /* the stream's now */
	(void)fprintf(out, "# %s\n", comment);
	for (size_t i = 0; i < list->count; i++) {
		(void)fprintf(out, "%s = %s\n", list->pairs[i]->name, list->pairs[i]->value);
	}
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		return -EIO;
	}
	return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Write beside path and take its place. */
static int file_replace(const char *path, const char *comment, const struct nvpair_list *list)
{
	char temporary[SETTINGS_FILE_PATH_LEN + 16];
	cleanup_close int fd = -1;
	int result = directory_make(path);

	if (result < 0) {
		return result;
	}
	(void)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	result = contents_write(fd, comment, list);
	if (result == 0 && !reads_back(temporary, list)) {
		result = -EINVAL;
	}
	if (result == 0 && rename(temporary, path) < 0) {
		result = -errno;
	}
	if (result < 0) {
		(void)unlink(temporary);
		return result;
	}
	return directory_sync(path);
}

int settings_file_write(const char *path, const char *comment, const struct nvpair_list *list,
			char error[SETTINGS_FILE_ERROR_LEN])
{
	int result = file_replace(path, comment, list);

	if (result == -EINVAL) {
		(void)snprintf(
			error, SETTINGS_FILE_ERROR_LEN,
			"a value cannot stand in %.120s: no line ends, no ' #' or ' ;', no white "
			"space at its ends, not too long",
			path);
	} else if (result < 0) {
		(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "%.180s cannot be written: %s", path,
			       strerror(-result));
	}
	return result;
}

int settings_file_remove(const char *path)
{
	return unlink(path) < 0 ? -errno : directory_sync(path);
}
