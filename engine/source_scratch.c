/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/checked.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/source.h"
#include "engine/source_orphan.h"

/* No job grows this old: a file that nobody has written for so long is nobody's. */
#define STALE_MS (60 * 60 * 1000)
/* Two samples closer than this say nothing about a rate. */
#define ELAPSED_MIN_MS 100

/* Bytes that will be added within the lead if growth goes on as between the samples. */
static uint64_t expected_growth(const struct scratch_sample *before,
				const struct scratch_sample *now)
{
	int64_t elapsed_ms = now->time_ms - before->time_ms;
	uint64_t growth;

	if (now->used_bytes <= before->used_bytes) {
		return 0;
	}
	if (elapsed_ms < ELAPSED_MIN_MS) {
		elapsed_ms = ELAPSED_MIN_MS;
	}
	if (!checked_mul_u64(now->used_bytes - before->used_bytes, SCRATCH_LEAD_MS, &growth)) {
		return UINT64_MAX;
	}
	return growth / (uint64_t)elapsed_ms;
}

enum scratch_verdict scratch_judge(const struct scratch_limits *limits,
				   const struct scratch_sample *before,
				   const struct scratch_sample *now)
{
	uint64_t growth = expected_growth(before, now);
	uint64_t used, needed;

	if (!checked_add_u64(limits->reserve_bytes, growth, &needed) || now->free_bytes <= needed) {
		return SCRATCH_RESERVE;
	}
	if (limits->cap_bytes != 0 &&
	    (!checked_add_u64(now->used_bytes, growth, &used) || used >= limits->cap_bytes)) {
		return SCRATCH_CAP;
	}
	return SCRATCH_OK;
}

int scratch_measure(const char *directory, const char *const *files, size_t count,
		    struct scratch_sample *ret_sample)
{
	struct scratch_sample sample = {.time_ms = clock_monotonic_ms()};
	struct statvfs space;

	for (size_t i = 0; i < count; i++) {
		struct stat status;

		if (stat(files[i], &status) != 0) {
			return errno == ENOENT ? -ESTALE : -errno;
		}
		sample.used_bytes += (uint64_t)status.st_blocks * 512u;
	}
	if (statvfs(directory, &space) != 0) {
		return -errno;
	}
	sample.free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	*ret_sample = sample;
	return 0;
}

static bool is_stale(int directory, const char *name)
{
	struct stat status;

	return fnmatch(SOURCE_FILE_PREFIX "*" SOURCE_SCRATCH_SUFFIX, name, 0) == 0 &&
	       fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) &&
	       clock_wall_ms() - (int64_t)status.st_mtim.tv_sec * 1000 > STALE_MS;
}

int source_sweep_scratch(const char *scratch_directory)
{
	DIR *directory = opendir(scratch_directory);
	const struct dirent *entry;
	int removed = 0;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (!is_stale(dirfd(directory), entry->d_name)) {
			continue;
		}
		if (unlinkat(dirfd(directory), entry->d_name, 0) == 0) {
			log_notice("removed %s/%s, the scratch file of a job that is long over",
				   scratch_directory, entry->d_name);
			removed++;
		} else {
			log_warning("scratch file %s/%s is left: %s", scratch_directory,
				    entry->d_name, strerror(errno));
		}
	}
	if (directory != NULL) {
		closedir(directory);
	}
	return removed;
}
