/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the logs behind a cycle wrote: the other direction sends it with its first cycle. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "receiver/changes.h"
#include "receiver/spool.h"
#include "receiver/takeover_job.h"

#define NAME "reverse.extents"

/* The logs to read, and the maps that they go into. */
struct extents {
	struct history logs;
	size_t first, end;
	struct extent_file_disk disks[DISKS_MAX];
	size_t disk_count;
};

static void extents_destroy(struct extents *extents)
{
	history_destroy(&extents->logs);
	for (size_t i = 0; i < extents->disk_count; i++) {
		dirty_map_free(extents->disks[i].map);
	}
}

/* All logs behind after_seq, to the last that was received, each following the one before. */
static int logs_choose(struct takeover_job *job, struct extents *extents)
{
	const struct manifest *manifest = &job->store->manifest;
	const struct manifest_cut *from = &manifest->failover.cut;
	struct manifest_cut cut = *from;
	const uint8_t *hash = cut.log_hash;
	bool application = false;
	uint64_t reached = job->wish.seq;
	int rc = changes_list_logs(manifest, &job->store->history, &extents->logs);

	if (rc < 0) {
		return takeover_refuse(job, rc, "out of memory");
	}
	if (from->seq != job->wish.seq &&
	    changes_find_cut(manifest, &extents->logs, job->wish.seq, &cut, &application) < 0) {
		return takeover_refuse(job, -ESTALE, "cycle %" PRIu64 " is not known any more",
				       job->wish.seq);
	}
	while (extents->first < extents->logs.count &&
	       extents->logs.entries[extents->first].seq <= job->wish.seq) {
		extents->first++;
	}
	for (extents->end = extents->first; extents->end < extents->logs.count; extents->end++) {
		const struct history_entry *log = &extents->logs.entries[extents->end];

		if (memcmp(log->previous_hash, hash, LOG_HASH_LEN) != 0) {
			break;
		}
		hash = log->hash;
		reached = log->seq;
	}
	return reached == manifest->committed.seq
		       ? 0
		       : takeover_refuse(job, -ESTALE,
					 "what was received behind cycle %" PRIu64
					 " is not known any more: no log of cycle %" PRIu64
					 " is kept that leads on",
					 job->wish.seq, reached + 1);
}

static int disk_add(struct takeover_job *job, struct extents *extents, const char *name,
		    uint64_t size_bytes)
{
	struct extent_file_disk *disk = &extents->disks[extents->disk_count];

	snprintf(disk->name, sizeof(disk->name), "%s", name);
	disk->size_bytes = size_bytes;
	disk->map = dirty_map_new(size_bytes);
	if (disk->map == NULL) {
		return takeover_refuse(job, -ENOMEM, "out of memory");
	}
	extents->disk_count++;
	return 0;
}

/* The VM's disks; before a failover, the replica's. */
static int disks_choose(struct takeover_job *job, struct extents *extents)
{
	const struct manifest *manifest = &job->store->manifest;
	const struct manifest_takeover *failover = &manifest->failover;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < failover->disk_count; i++) {
		rc = disk_add(job, extents, failover->disks[i].name, failover->disks[i].size_bytes);
	}
	for (size_t i = 0; rc == 0 && failover->disk_count == 0 && i < manifest->current.disk_count;
	     i++) {
		rc = disk_add(job, extents, manifest->current.disks[i].name,
			      manifest->current.disks[i].size_bytes);
	}
	return rc;
}

/* Without the lock: what is read stays (spool_read_begin). */
static int logs_read(struct takeover_job *job, struct extents *extents)
{
	int rc = 0;

	for (size_t i = extents->first; rc == 0 && i < extents->end; i++) {
		char why[CHANGES_ERROR_LEN] = "";

		rc = changes_add_log(job->store->directory, &extents->logs.entries[i],
				     extents->disks, extents->disk_count, why);
		if (rc < 0) {
			takeover_refuse(job, rc, "%s", why);
		} else if (atomic_load(&job->store->closing) || atomic_load(&job->stop)) {
			rc = takeover_refuse(job, -ECANCELED, "given up");
		}
	}
	return rc;
}

static int file_write(struct takeover_job *job, const struct extents *extents)
{
	char file[MANIFEST_FILE_MAX + 1];
	int rc;

	snprintf(file, sizeof(file), "gen-%" PRIu64 "/" NAME, job->store->manifest.generation);
	rc = extent_file_write(job->store->dir_fd, file, extents->disks, extents->disk_count);
	if (rc < 0) {
		return takeover_refuse(job, rc, "cannot write %s: %s", file, strerror(-rc));
	}
	snprintf(job->path, sizeof(job->path), "%s/%s", job->store->directory, file);
	return 0;
}

int takeover_extents_run(struct takeover_job *job)
{
	struct store *store = job->store;
	struct extents extents = {.first = 0};
	int rc = logs_choose(job, &extents);

	rc = rc < 0 ? rc : disks_choose(job, &extents);
	if (rc == 0) {
		spool_read_begin(store);
		pthread_mutex_unlock(&store->lock);
		rc = logs_read(job, &extents);
		pthread_mutex_lock(&store->lock);
		spool_read_end(store);
	}
	rc = rc < 0 ? rc : takeover_check(job);
	rc = rc < 0 ? rc : file_write(job, &extents);
	extents_destroy(&extents);
	job->last = store->manifest.committed;
	job->taken.cut.seq = job->wish.seq;
	return rc;
}

void takeover_extents_forget(struct store *store)
{
	char file[MANIFEST_FILE_MAX + 1];

	snprintf(file, sizeof(file), "gen-%" PRIu64 "/" NAME, store->manifest.generation);
	unlinkat(store->dir_fd, file, 0);
}
