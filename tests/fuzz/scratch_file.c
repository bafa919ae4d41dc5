/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scratch_file.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 256

static char directory[] = "/dev/shm/vmreplica-fuzz-XXXXXX";

static int entry_remove_cb(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st;
	(void)kind;
	(void)walk;
	return remove(path);
}

static void directory_remove_cb(void)
{
	nftw(directory, entry_remove_cb, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_directory(void)
{
	static bool made;

	if (!made) {
		if (mkdtemp(directory) == NULL) {
			perror(directory);
			abort();
		}
		atexit(directory_remove_cb);
		made = true;
	}
	return directory;
}

static const char *file_path(const char *name)
{
	static char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", scratch_directory(), name);
	return path;
}

const char *scratch_file_put(const char *name, const void *data, size_t size)
{
	const char *path = file_path(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0) {
		perror(path);
		abort();
	}
	return path;
}

char *scratch_file_get(const char *name, size_t *ret_size)
{
	int fd = open(file_path(name), O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(name);
		abort();
	}
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL || read(fd, data, (size_t)st.st_size) != st.st_size) {
		abort();
	}
	data[st.st_size] = '\0';
	*ret_size = (size_t)st.st_size;
	close(fd);
	return data;
}
