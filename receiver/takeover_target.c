/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/takeover_target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/changes.h"

/* Where replaying would begin. */
struct base {
	bool found, on_current;
	size_t point;
	uint64_t seq;
	const uint8_t *hash; /* of its cut; NULL = not known any more */
};

__attribute__((format(printf, 3, 4))) static int refuse(char error[TAKEOVER_ERROR_LEN], int rc,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, TAKEOVER_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

void takeover_target_destroy(struct takeover_target *target)
{
	free(target->logs);
	memset(target, 0, sizeof(*target));
}

static const struct history_entry *log_find(const struct history *logs, uint64_t seq)
{
	for (size_t i = logs->count; i > 0 && logs->entries[i - 1].seq >= seq; i--) {
		if (logs->entries[i - 1].seq == seq) {
			return &logs->entries[i - 1];
		}
	}
	return NULL;
}

/* The current image is a point in time, that of applied_seq. */
static bool current_is_sound(const struct manifest *manifest)
{
	return manifest->current.disk_count > 0 && manifest->batch_seq == 0 &&
	       manifest->applied_seq != 0 && !manifest->distrusted && !manifest->adopted.pending;
}

/* The newest state at or before seq that stands. A point is preferred: it stands still. */
static void base_find(const struct manifest *manifest, const struct history *logs, uint64_t seq,
		      struct base *ret_base)
{
	const struct history_entry *applied = log_find(logs, manifest->applied_seq);

	memset(ret_base, 0, sizeof(*ret_base));
	for (size_t i = 0; i < manifest->point_count && manifest->points[i].cut.seq <= seq; i++) {
		*ret_base = (struct base){.found = true,
					  .point = i,
					  .seq = manifest->points[i].cut.seq,
					  .hash = manifest->points[i].cut.log_hash};
	}
	if (current_is_sound(manifest) && manifest->applied_seq <= seq &&
	    (!ret_base->found || manifest->applied_seq > ret_base->seq)) {
		*ret_base = (struct base){.found = true,
					  .on_current = true,
					  .seq = manifest->applied_seq,
					  .hash = applied != NULL ? applied->hash
						  : manifest->committed.seq == manifest->applied_seq
							  ? manifest->committed.log_hash
							  : NULL};
	}
}

/* The logs behind base up to the target: whole, and each following the one before. */
static int logs_take(const struct history *logs, const struct base *base, point_file_cb is_right,
		     void *arg, struct takeover_target *target, char error[TAKEOVER_ERROR_LEN])
{
	const uint8_t *hash = base->hash;
	uint64_t reached = base->seq;

	target->logs = calloc(logs->count + 1, sizeof(*target->logs));
	if (target->logs == NULL) {
		return refuse(error, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < logs->count && logs->entries[i].seq <= target->cut.seq; i++) {
		const struct history_entry *log = &logs->entries[i];

		if (log->seq <= base->seq) {
			continue;
		}
		if ((hash != NULL && memcmp(log->previous_hash, hash, LOG_HASH_LEN) != 0) ||
		    !is_right(arg, log)) {
			return refuse(
				error, -ENOENT,
				"cycle %" PRIu64 " cannot be reached: the log of cycle %" PRIu64
				" is gone, damaged, or does not follow the one before; what can "
				"be reached on this way ends with seq:%" PRIu64,
				target->cut.seq, log->seq, reached);
		}
		hash = log->hash;
		reached = log->seq;
		target->bytes += log->size_bytes;
		target->logs[target->log_count++] = *log;
	}
	return reached == target->cut.seq
		       ? 0
		       : refuse(error, -ENOENT,
				"cycle %" PRIu64
				" cannot be reached: its log is not kept; the state "
				"before it that is kept is seq:%" PRIu64,
				target->cut.seq, reached);
}

static int target_find(const struct manifest *manifest, const struct history *logs,
		       const struct takeover_wish *wish, point_file_cb is_right, void *arg,
		       struct takeover_target *target, char error[TAKEOVER_ERROR_LEN])
{
	uint64_t seq = wish->latest ? manifest->committed.seq : wish->seq;
	struct base base;

	if (manifest->adopted.pending && wish->latest && !manifest_adopted_is_point(manifest)) {
		return refuse(
			error, -ENOENT,
			"the disks are an old primary's, and the first cycle from the new one "
			"is not complete: there is nothing to start from");
	}
	if (manifest->current.disk_count == 0 && manifest->point_count == 0) {
		return refuse(error, -ENOENT,
			      "initial replication is not complete: there is "
			      "nothing to start from");
	}
	if (changes_find_cut(manifest, logs, seq, &target->cut, &target->application) < 0) {
		return refuse(error, -ENOENT,
			      "cycle %" PRIu64 " is not kept here: see vmreplica points --cycles",
			      seq);
	}
	if (wish->cut_id[0] != '\0' && strcmp(wish->cut_id, target->cut.cut_id) != 0) {
		return refuse(error, -ESTALE,
			      "cycle %" PRIu64 " has cut %s here, not %s: it is of another history",
			      seq, target->cut.cut_id, wish->cut_id);
	}
	base_find(manifest, logs, seq, &base);
	if (!base.found) {
		return refuse(error, -ENOENT,
			      "cycle %" PRIu64 " cannot be reached: no recovery point before it is "
			      "kept%s",
			      seq,
			      manifest->distrusted ? ", and the newest state is not to be trusted"
						   : "");
	}
	target->on_current = base.on_current;
	target->point = base.point;
	return base.seq == seq ? 0 : logs_take(logs, &base, is_right, arg, target, error);
}

int takeover_target_find(const struct manifest *manifest, const struct history *history,
			 const struct takeover_wish *wish, point_file_cb file_is_right, void *arg,
			 struct takeover_target *ret_target, char error[TAKEOVER_ERROR_LEN])
{
	struct takeover_target target = {.log_count = 0};
	struct history logs = {0};
	int rc = changes_list_logs(manifest, history, &logs);

	rc = rc < 0 ? refuse(error, rc, "out of memory")
		    : target_find(manifest, &logs, wish, file_is_right, arg, &target, error);
	history_destroy(&logs);
	if (rc < 0) {
		takeover_target_destroy(&target);
		return rc;
	}
	*ret_target = target;
	return 0;
}
