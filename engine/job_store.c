/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/job_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/definition_file.h"
#include "engine/job_message.h"

#define SUFFIX	 ".json"
#define PATH_LEN 512

static int job_path(const char *directory, const char *id, char path[PATH_LEN])
{
	return snprintf(path, PATH_LEN, "%s/%s" SUFFIX, directory, id) < PATH_LEN ? 0
										  : -ENAMETOOLONG;
}

int job_store_write(const char *directory, const char *id, const char *text)
{
	char path[PATH_LEN];
	bool changed;
	int result = job_path(directory, id, path);

	return result < 0 ? result
			  : definition_file_write(path, DEFINITION_FILE_MODE, text, &changed);
}

int job_store_remove(const char *directory, const char *id)
{
	char path[PATH_LEN];
	int result = job_path(directory, id, path);

	if (result == 0 && unlink(path) < 0 && errno != ENOENT) {
		return -errno;
	}
	return result;
}

static Vmreplica__Job *job_read(int dir_fd, const char *name)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > JOB_FILE_MAX) {
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL) {
		return NULL;
	}
	got = read(fd, text, (size_t)st.st_size);
	return got == st.st_size ? job_message_from_json(text, (size_t)got) : NULL;
}

static bool is_job_file(const char *name)
{
	size_t len = strlen(name);

	return len == JOB_ID_LEN + strlen(SUFFIX) && strcmp(name + JOB_ID_LEN, SUFFIX) == 0;
}

int job_store_load(const char *directory, void (*found)(void *arg, const Vmreplica__Job *job),
		   void *arg)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;

	if (dir == NULL) {
		return -errno;
	}
	while ((entry = readdir(dir)) != NULL) {
		Vmreplica__Job *job =
			is_job_file(entry->d_name) ? job_read(dirfd(dir), entry->d_name) : NULL;

		if (job != NULL && strncmp(job->id, entry->d_name, JOB_ID_LEN) == 0) {
			found(arg, job);
		}
		job_message_free(job);
	}
	closedir(dir);
	return 0;
}
