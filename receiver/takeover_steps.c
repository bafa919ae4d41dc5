/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests and failovers share. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "receiver/durable.h"
#include "receiver/image.h"
#include "receiver/materialize.h"
#include "receiver/spool.h"
#include "receiver/states.h"
#include "receiver/takeover_job.h"

#define APPLY_IDLE_MS 60000

int takeover_refuse(struct takeover_job *job, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(job->error, sizeof(job->error), format, args);
	va_end(args);
	return rc;
}

int takeover_refuse_as(struct takeover_job *job, int rc, const struct answer *answer)
{
	return takeover_refuse(job, rc, "%s", answer->reason);
}

int takeover_check(struct takeover_job *job)
{
	struct answer answer;
	int rc = store_check_open(job->store, &answer);

	if (rc < 0) {
		return takeover_refuse_as(job, rc, &answer);
	}
	return atomic_load(&job->stop) ? takeover_refuse(job, -ECANCELED, "given up") : 0;
}

int takeover_next(struct takeover_job *job, struct manifest *ret_next)
{
	return manifest_copy(&job->store->manifest, ret_next) < 0
		       ? takeover_refuse(job, -ENOMEM, "out of memory")
		       : 0;
}

int takeover_save(struct takeover_job *job, struct manifest *next)
{
	struct answer answer;
	int rc = store_save(job->store, next, &answer);

	return rc < 0 ? takeover_refuse_as(job, rc, &answer) : 0;
}

/* ---- what and how much ---- */

static bool log_is_right(void *arg, const struct history_entry *log)
{
	struct store *store = arg;
	char file[MANIFEST_FILE_MAX + 1];
	struct stat st;

	return fstatat(store->dir_fd, history_file_format(log, file), &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == log->size_bytes;
}

int takeover_find(struct takeover_job *job, const struct manifest *manifest,
		  struct takeover_target *ret_target)
{
	return takeover_target_find(manifest, &job->store->history, &job->wish, log_is_right,
				    job->store, ret_target, job->error);
}

int takeover_estimate(struct takeover_job *job)
{
	struct takeover_target target;
	struct manifest next = {0};
	int rc = takeover_next(job, &next);

	if (rc < 0) {
		return rc;
	}
	next.batch_seq = 0; /* it will have ended by then */
	rc = takeover_find(job, &next, &target);
	if (rc == 0) {
		job->bytes = target.bytes;
		job->taken.cut = target.cut;
		job->taken.application = target.application;
		job->last = next.committed;
		takeover_target_destroy(&target);
	}
	manifest_destroy(&next);
	return rc;
}

int takeover_wait_apply(struct takeover_job *job, int64_t *idle_since_ms)
{
	struct store *store = job->store;
	int64_t now_ms = clock_monotonic_ms();

	if (store->applying || *idle_since_ms == 0) {
		*idle_since_ms = now_ms;
	}
	if (now_ms - *idle_since_ms > APPLY_IDLE_MS) {
		return takeover_refuse(job, -EIO,
				       "logs of %s are not applied: look at the replica's health",
				       store->vm);
	}
	apply_kick(store);
	store_wait(store, 500);
	return takeover_check(job);
}

int takeover_hold(struct takeover_job *job)
{
	struct store *store = job->store;
	int64_t idle_since_ms = 0;
	int rc = 0;

	store->apply_holds++;
	while (rc == 0 && (store->applying || store->manifest.batch_seq != 0)) {
		if (!store->applying && store->manifest.resync_needed) {
			break; /* that batch never ends: the points are what there is */
		}
		rc = takeover_wait_apply(job, &idle_since_ms);
	}
	return rc;
}

void takeover_release(struct takeover_job *job)
{
	job->store->apply_holds--;
	apply_kick(job->store);
}

/* ---- the record ---- */

static void base_take(struct manifest_taken_disk *disk, const char *name, const char *file,
		      uint64_t size_bytes)
{
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	snprintf(disk->base, sizeof(disk->base), "%s", file);
	disk->size_bytes = size_bytes;
}

static size_t base_count(const struct manifest *manifest, const struct takeover_target *target)
{
	return target->on_current ? manifest->current.disk_count
				  : manifest->points[target->point].disk_count;
}

static int bases_take(const struct manifest *manifest, const struct takeover_target *target,
		      struct manifest_takeover *record)
{
	const size_t count = base_count(manifest, target);

	record->disks = calloc(count + 1, sizeof(*record->disks));
	if (record->disks == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (target->on_current) {
			const struct manifest_disk *disk = &manifest->current.disks[i];

			base_take(&record->disks[i], disk->name, manifest_disk_top(disk)->file,
				  disk->size_bytes);
		} else {
			const struct manifest_point_disk *disk =
				&manifest->points[target->point].disks[i];

			base_take(&record->disks[i], disk->name, disk->file, disk->size_bytes);
		}
	}
	record->disk_count = count;
	return 0;
}

/* The sizes at the cut itself: disks grow. A disk that is not in the last log is none of the VM's
 * any more. */
static int sizes_take(struct takeover_job *job, const struct takeover_target *target,
		      struct manifest_takeover *record)
{
	struct plan_disk disks[DISKS_MAX];
	size_t count = 0, kept = 0;
	int rc = materialize_disks(job->store, &target->logs[target->log_count - 1], disks, &count,
				   job->error);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		size_t k = 0;

		while (k < record->disk_count &&
		       strcmp(record->disks[k].name, disks[i].name) != 0) {
			k++;
		}
		if (k == record->disk_count || k < kept) {
			return takeover_refuse(job, -ENOENT,
					       "disk %s was added behind the point below cycle "
					       "%" PRIu64 ": choose a point",
					       disks[i].name, target->cut.seq);
		}
		if (k != kept) {
			struct manifest_taken_disk other = record->disks[kept];

			record->disks[kept] = record->disks[k];
			record->disks[k] = other;
		}
		record->disks[kept++].size_bytes = disks[i].size_bytes;
	}
	record->disk_count = rc == 0 ? kept : record->disk_count;
	return rc;
}

int takeover_record(struct takeover_job *job, const struct manifest *manifest,
		    const struct takeover_target *target, struct manifest_takeover *ret_record)
{
	struct manifest_takeover record = {.cut = target->cut, .application = target->application};
	int rc = bases_take(manifest, target, &record);

	rc = rc < 0 ? takeover_refuse(job, rc, "out of memory") : 0;
	rc = rc < 0 || target->log_count == 0 ? rc : sizes_take(job, target, &record);
	if (rc < 0) {
		manifest_takeover_destroy(&record);
		return rc;
	}
	snprintf(record.holder, sizeof(record.holder), "%s", job->holder);
	*ret_record = record;
	return 0;
}

/* ---- layers for replayed logs ---- */

int takeover_layers_make(struct takeover_job *job, struct manifest *next,
			 struct manifest_takeover *record)
{
	struct answer answer;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < record->disk_count; i++) {
		struct manifest_taken_disk *disk = &record->disks[i];
		struct manifest_layer below = {.frozen = false};

		memcpy(below.file, disk->base, sizeof(below.file));
		rc = image_layer_make(job->store, next, disk->name, disk->size_bytes, &below,
				      &disk->built, &answer);
		if (rc < 0) {
			takeover_refuse_as(job, rc, &answer);
		}
	}
	return rc;
}

void takeover_layers_remove(struct store *store, const struct manifest_takeover *record)
{
	for (size_t i = 0; i < record->disk_count; i++) {
		if (record->disks[i].built.file[0] != '\0') {
			unlinkat(store->dir_fd, record->disks[i].built.file, 0);
		}
	}
}

static void progress_cb(void *arg, uint64_t left_bytes)
{
	takeover_tell(arg, left_bytes);
}

static int layers_close(struct takeover_job *job, struct manifest_takeover *record)
{
	for (size_t i = 0; i < record->disk_count; i++) {
		struct manifest_layer *layer = &record->disks[i].built;
		int rc = durable_file_sync(job->store->dir_fd, layer->file);

		rc = rc < 0 ? rc : image_layer_fingerprint(job->store, layer);
		if (rc < 0) {
			return takeover_refuse(job, rc, "cannot make %s durable: %s", layer->file,
					       strerror(-rc));
		}
	}
	return 0;
}

int takeover_build(struct takeover_job *job, const struct takeover_target *target,
		   struct manifest_takeover *record)
{
	struct store *store = job->store;
	struct manifest snapshot = {0};
	const struct materialize work = {
		.store = store,
		.manifest = &snapshot,
		.takeover = record,
		.logs = target->logs,
		.log_count = target->log_count,
		.stop = &job->stop,
		.progress = progress_cb,
		.arg = job,
	};
	int rc;

	if (target->log_count == 0) {
		return 0;
	}
	rc = takeover_next(job, &snapshot);
	if (rc < 0) {
		return rc;
	}
	spool_read_begin(store);
	pthread_mutex_unlock(&store->lock);
	takeover_tell(job, target->bytes);
	rc = materialize_run(&work, job->error);
	pthread_mutex_lock(&store->lock);
	spool_read_end(store);
	manifest_destroy(&snapshot);
	rc = rc < 0 ? rc : takeover_check(job);
	return rc < 0 ? rc : layers_close(job, record);
}

int takeover_answer(struct takeover_job *job, const struct manifest_takeover *record)
{
	manifest_takeover_destroy(&job->taken);
	job->last = job->store->manifest.committed;
	if (states_path(job->store, record->cut.seq, job->state, sizeof(job->state)) < 0) {
		job->state[0] = '\0';
	}
	return manifest_takeover_copy(record, &job->taken) < 0
		       ? takeover_refuse(job, -ENOMEM, "out of memory")
		       : 0;
}
