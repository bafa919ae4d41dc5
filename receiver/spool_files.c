/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logs across owners, and how long they stay. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "receiver/durable.h"
#include "receiver/spool.h"

static bool part_is_long_enough(const struct store *store, const struct manifest_mark *mark)
{
	struct stat st;

	return fstatat(store->dir_fd, mark->file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size >= mark->log_offset;
}

int spool_take_over(struct store *store, struct manifest *next)
{
	struct manifest_mark *mark = &next->mark;
	char own[MANIFEST_FILE_MAX + 1], generation[32];
	int rc;

	if (mark->file[0] == '\0') {
		return 0;
	}
	snprintf(generation, sizeof(generation), "gen-%" PRIu64, next->generation);
	snprintf(own, sizeof(own), "%s/%" PRIu64 ".part", generation, mark->seq);
	if (!part_is_long_enough(store, mark)) {
		log_warning("%s: the partial log %s is gone or cut short: its cycle begins anew",
			    store->vm, mark->file);
		memset(mark, 0, sizeof(*mark));
		return 0;
	}
	if (strncmp(mark->file, own, strlen(generation) + 1) == 0) {
		return 0;
	}
	rc = durable_prefix_copy(store->dir_fd, mark->file, own, mark->log_offset);
	rc = rc < 0 ? rc : durable_directory_sync(store->dir_fd, generation);
	if (rc == -ENOSPC || rc == -EDQUOT) {
		memset(mark, 0, sizeof(*mark)); /* sent again rather than not opened at all */
		return 0;
	}
	if (rc == 0) {
		memcpy(mark->file, own, sizeof(mark->file));
	}
	return rc;
}

size_t spool_prune(struct manifest *next)
{
	size_t applied = 0;

	while (applied < next->log_count && next->logs[applied].seq <= next->applied_seq) {
		applied++;
	}
	if (applied <= SPOOL_KEEP_LOGS) {
		return 0;
	}
	manifest_log_drop(next, applied - SPOOL_KEEP_LOGS);
	return applied - SPOOL_KEEP_LOGS;
}

void spool_read_begin(struct store *store)
{
	store->log_readers++;
}

void spool_read_end(struct store *store)
{
	struct answer ignored;

	store->log_readers--;
	if (store->log_readers == 0 && store->logs_linger &&
	    store_check_open(store, &ignored) == 0) {
		store_sweep_logs(store);
	}
}

void spool_give_up(struct store *store, const char *part)
{
	struct answer ignored;

	pthread_mutex_lock(&store->lock);
	if (strcmp(store->manifest.mark.file, part) == 0) {
		memset(&store->manifest.mark, 0, sizeof(store->manifest.mark));
		store_impose(store, &ignored);
	}
	unlinkat(store->dir_fd, part, 0);
	pthread_mutex_unlock(&store->lock);
}
