/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/points.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "receiver/history.h"
#include "receiver/image.h"
#include "receiver/merge.h"
#include "receiver/spool.h"

/* Merges that cannot keep up (or must wait for a VM that uses a layer) bound the points in the end:
 * each layer is an open file, and costs a reader. */
#define LAYERS_OVER_POINTS 48u
#define LAYERS_MAX	   (MANIFEST_LAYERS_MAX - 20u)

struct retention_settings points_settings(struct store *store)
{
	struct retention_settings settings = {
		.points = atomic_load(&store->points),
		.interval_s = atomic_load(&store->point_interval_s),
		.app_interval_s = atomic_load(&store->app_interval_s),
		.frequency_s = atomic_load(&store->frequency_s),
	};

	if (settings.points > MANIFEST_POINTS_MAX) {
		settings.points = MANIFEST_POINTS_MAX;
	}
	return settings;
}

bool points_are_kept(struct store *store)
{
	return atomic_load(&store->points) > 0 || store->manifest.point_count > 0;
}

/* Caller frees. NULL when out of memory. */
static struct retention_cut *cuts_make(const struct manifest *manifest)
{
	struct retention_cut *cuts = calloc(manifest->point_count + 1, sizeof(*cuts));

	for (size_t i = 0; cuts != NULL && i < manifest->point_count; i++) {
		const struct manifest_point *point = &manifest->points[i];

		cuts[i] = (struct retention_cut){.seq = point->cut.seq,
						 .time_ms = point->cut.time_ms,
						 .application = point->application};
	}
	return cuts;
}

static bool point_has_disk(const struct manifest_point *point, const char *name)
{
	for (size_t i = 0; i < point->disk_count; i++) {
		if (strcmp(point->disks[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

/* A cycle is rebuilt from the point below it, which must have all its disks: so the first cycle with
 * a new one becomes a point. */
static bool has_new_disk(const struct manifest *manifest)
{
	for (size_t i = 0; manifest->point_count > 0 && i < manifest->current.disk_count; i++) {
		if (!point_has_disk(&manifest->points[manifest->point_count - 1],
				    manifest->current.disks[i].name)) {
			return true;
		}
	}
	return false;
}

static bool cut_is_due(struct store *store, const struct retention_cut *cut)
{
	cleanup_free struct retention_cut *cuts = cuts_make(&store->manifest);
	struct retention_settings settings = points_settings(store);

	/* A log of format 1 does not tell its time: no point is named after it. */
	return cuts != NULL && cut->time_ms != 0 &&
	       (has_new_disk(&store->manifest) ||
		retention_is_due(&settings, cuts, store->manifest.point_count, cut));
}

bool points_log_is_due(struct store *store, const struct manifest_log *log)
{
	const struct retention_cut cut = {
		.seq = log->seq, .time_ms = log->time_ms, .application = log->application};

	return cut_is_due(store, &cut);
}

/* ---- logs ---- */

int points_take_logs(struct store *store, struct manifest *next, size_t keep)
{
	struct history *history = &store->history;
	size_t applied = 0, first = history->count, taken = 0;
	int rc = 0;

	while (applied < next->log_count && next->logs[applied].seq <= next->applied_seq) {
		applied++;
	}
	while (rc == 0 && taken + keep < applied) {
		struct history_entry entry;

		rc = history_entry_from_log(&next->logs[taken], &entry);
		rc = rc < 0 ? rc : history_push(history, &entry);
		taken += rc == 0;
	}
	if (rc == 0 && taken > 0) {
		rc = history_append(store->dir_fd, next->generation, history, first);
	}
	if (rc < 0) {
		history->count = first;
		return rc;
	}
	if (taken > 0) {
		next->history_generation = next->generation;
		manifest_log_drop(next, taken);
	}
	return 0;
}

static uint64_t free_bytes(const struct store *store)
{
	struct statvfs fs;

	return fstatvfs(store->dir_fd, &fs) < 0 ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize;
}

static int decide(struct store *store, const struct manifest *next,
		  struct retention_decision *ret_decision)
{
	const struct history *history = &store->history;
	cleanup_free struct retention_cut *cuts = cuts_make(next);
	cleanup_free struct retention_log *logs = calloc(history->count + 1, sizeof(*logs));
	struct retention_input input = {
		.settings = points_settings(store),
		.points = cuts,
		.point_count = next->point_count,
		.logs = logs,
		.log_count = history->count,
		.log_cap_bytes = atomic_load(&store->receiver->history_cap_bytes),
		.log_count_max = HISTORY_LOGS_MAX,
		.free_bytes = free_bytes(store),
		.reserve_bytes = atomic_load(&store->receiver->storage_reserve_bytes),
	};

	if (cuts == NULL || logs == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < history->count; i++) {
		logs[i] = (struct retention_log){.seq = history->entries[i].seq,
						 .size_bytes = history->entries[i].size_bytes};
	}
	retention_decide(&input, ret_decision);
	return 0;
}

/* Said once for each time that it begins. */
static void decision_report(struct store *store, const struct retention_decision *decision)
{
	bool short_of_room = decision->drop_logs > 0 && (decision->reason == RETENTION_CAP ||
							 decision->reason == RETENTION_RESERVE);

	if (short_of_room && !store->history_short) {
		receiver_event(store->receiver, "warning", store->vm,
			       "logs inside the retention window are dropped (%s): the points "
			       "stay, but not every cycle between them can be recovered",
			       decision->reason == RETENTION_CAP
				       ? "[store] history-cap is reached, or 150,000 logs are"
				       : "the storage's reserve is reached");
	}
	if (decision->drop_logs > 0) {
		store->history_short = short_of_room;
	}
}

static void logs_unlink(struct store *store, size_t count)
{
	char file[MANIFEST_FILE_MAX + 1];

	for (size_t i = 0; i < count; i++) {
		unlinkat(store->dir_fd, history_file_format(&store->history.entries[i], file), 0);
	}
	history_drop(&store->history, count);
}

/* ---- points ---- */

static bool layers_have_room(struct store *store, const struct manifest *next)
{
	size_t bound = next->point_count + LAYERS_OVER_POINTS;

	for (size_t i = 0; i < next->current.disk_count; i++) {
		const struct manifest_disk *disk = &next->current.disks[i];

		if (disk->layer_count >= LAYERS_MAX || disk->layer_count > bound) {
			if (!store->points_full) {
				receiver_event(store->receiver, "warning", store->vm,
					       "no recovery points are made: disk %s has %zu "
					       "layers that are not merged yet",
					       disk->name, disk->layer_count);
			}
			store->points_full = true;
			return false;
		}
	}
	store->points_full = false;
	return true;
}

/* In next. 0 or the answer. */
static int point_make(struct store *store, struct manifest *next, const struct manifest_cut *cut,
		      bool application, struct answer *answer)
{
	int rc;

	while (next->point_count > 0 && next->point_count >= MANIFEST_POINTS_MAX) {
		manifest_point_drop(next, 1);
	}
	rc = manifest_point_push(next, cut, application);
	if (rc < 0) {
		return answer_storage(answer, rc, "making a recovery point");
	}
	return image_turn(store, next, &next->current, answer);
}

/* Let go of what the settings do not keep. 0 or an errno. */
static int next_trim(struct store *store, struct manifest *next, size_t *ret_drop_logs)
{
	struct retention_decision decision = {0};
	int rc = points_take_logs(
		store, next, next->log_count > POINTS_LOGS_MAX ? SPOOL_KEEP_LOGS : SIZE_MAX / 2);

	rc = rc < 0 ? rc : decide(store, next, &decision);
	if (rc < 0) {
		return rc;
	}
	manifest_point_drop(next, decision.drop_points);
	if (store->log_readers > 0) {
		decision.drop_logs = 0; /* a replay needs them; they go the next time */
	}
	decision_report(store, &decision);
	if (decision.drop_logs > 0) {
		next->history_from = store->history.entries[decision.drop_logs - 1].seq + 1;
	}
	*ret_drop_logs = decision.drop_logs;
	return 0;
}

static int tend(struct store *store, const struct manifest_cut *cut, bool application, bool make,
		struct answer *answer)
{
	struct manifest next = {0};
	size_t drop_logs = 0;
	int rc = 0;

	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "making a recovery point");
	}
	if (make && layers_have_room(store, &next)) {
		rc = point_make(store, &next, cut, application, answer);
	}
	if (rc == 0) {
		rc = next_trim(store, &next, &drop_logs);
		rc = rc < 0 ? answer_storage(answer, rc, "keeping logs") : 0;
		if (rc < 0) {
			image_stop(store); /* new layers that nothing names may be open */
		}
	}
	if (rc == 0) {
		rc = store_save(store, &next, answer);
		if (rc < 0) {
			image_stop(store);
		} else {
			logs_unlink(store, drop_logs);
		}
	}
	manifest_destroy(&next);
	return rc;
}

int points_retire(struct store *store, struct manifest *next, const struct manifest_image *image)
{
	int dropped = manifest_retire(next, image);

	if (dropped > 0) {
		receiver_event(store->receiver, "warning", store->vm,
			       "the %d oldest recovery points are dropped: %u images of disks from "
			       "before they got new ones are kept for points, and these were more",
			       dropped, DISKS_MAX);
	}
	return dropped < 0 ? dropped : 0;
}

/* Is there anything to let go? */
static bool trim_is_due(struct store *store)
{
	const struct manifest *m = &store->manifest;

	return m->point_count > points_settings(store).points || m->log_count > POINTS_LOGS_MAX ||
	       (store->history.count > 0 &&
		(m->point_count == 0 || store->history.entries[0].seq <= m->points[0].cut.seq));
}

void points_tend(struct store *store, const struct manifest_cut *cut, bool application, bool forced)
{
	const struct retention_cut asked = {
		.seq = cut->seq, .time_ms = cut->time_ms, .application = application};
	bool make = atomic_load(&store->points) > 0 && (forced || cut_is_due(store, &asked));
	struct answer answer;

	/* A merge that runs beside the applier may have found the image untrustworthy, and closed
	 * it, since the applier's flush. */
	if (store->manifest.failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		return; /* all stays as it is until that is over */
	}
	make = make && !store->manifest.resync_needed && store->qsd != NULL &&
	       store->attachment == STORE_CURRENT && store->attachment_writable;
	if (!points_are_kept(store) || (!make && !trim_is_due(store))) {
		return;
	}
	if (tend(store, cut, application, make, &answer) < 0) {
		log_warning("%s: no recovery point of cycle %" PRIu64 ": %s", store->vm, cut->seq,
			    answer.reason);
	}
	merge_kick(store);
}

void points_trim(struct store *store)
{
	struct answer answer;

	if (store->manifest.adopted.pending) {
		return; /* whatever is kept otherwise: what a lost primary leaves to start from */
	}
	if (points_are_kept(store) && trim_is_due(store) && store_check(store, &answer) == 0 &&
	    tend(store, NULL, false, false, &answer) < 0) {
		log_warning("%s: %s", store->vm, answer.reason);
	}
}
