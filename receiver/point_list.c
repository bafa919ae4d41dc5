/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/point_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/changes.h"

const char *point_verdict_to_string(enum point_verdict verdict)
{
	static const char *const words[] = {"ok", "start", "no-logs", "broken", "damaged"};

	return (size_t)verdict < sizeof(words) / sizeof(words[0]) ? words[verdict] : "";
}

/* The list as it grows, and all logs: those of the history, then the manifest's. */
struct point_build {
	const struct manifest *manifest;
	struct history logs; /* a list of our own */
	size_t at;	     /* the next log */
	uint64_t after_seq;  /* of the range */
	point_file_cb file_is_right;
	void *arg;
	bool cycles;
	struct point_item *items;
	size_t count;
};

static void cycle_add(struct point_build *build, const struct history_entry *log, size_t point)
{
	struct point_item *item = &build->items[build->count];

	if (!build->cycles || log->seq <= build->after_seq) {
		return;
	}
	memset(item, 0, sizeof(*item));
	item->cut.seq = log->seq;
	item->cut.time_ms = log->time_ms;
	memcpy(item->cut.cut_id, log->cut_id, sizeof(item->cut.cut_id));
	memcpy(item->cut.log_hash, log->hash, LOG_HASH_LEN);
	item->application = log->application;
	item->point = point;
	item->size_bytes = log->size_bytes;
	build->count++;
}

/* Where the logs that lead on from point index begin: *ret_log the one that is known to be right
 * already, or NULL. */
static void logs_begin(struct point_build *build, size_t index,
		       const struct history_entry **ret_log)
{
	uint64_t point_seq = build->manifest->points[index].cut.seq;
	size_t known = history_index(&build->logs, build->after_seq);

	*ret_log = NULL;
	if (build->cycles && build->after_seq > point_seq && known < build->logs.count &&
	    build->logs.entries[known].seq == build->after_seq) {
		*ret_log = &build->logs.entries[known];
		build->at = known + 1;
	}
	while (build->at < build->logs.count && build->logs.entries[build->at].seq <= point_seq) {
		build->at++;
	}
}

/* Follow the logs from point index up to and with the cycle last_seq; adds those on the way (but
 * for the last one, when it is a point). Tells how that went for what stands at its end. */
static enum point_verdict logs_follow(struct point_build *build, size_t index, uint64_t last_seq,
				      const uint8_t *last_hash, uint64_t *ret_wrong_seq)
{
	const uint8_t *hash = build->manifest->points[index].cut.log_hash;
	const struct history_entry *log;

	logs_begin(build, index, &log);
	if (log != NULL) {
		hash = log->hash;
	}
	while (build->at < build->logs.count && build->logs.entries[build->at].seq <= last_seq) {
		log = &build->logs.entries[build->at];
		*ret_wrong_seq = log->seq;
		if (memcmp(log->previous_hash, hash, LOG_HASH_LEN) != 0) {
			/* Either some before it are no longer kept, or it is of another history. */
			return hash == build->manifest->points[index].cut.log_hash ? POINT_NO_LOGS
										   : POINT_BROKEN;
		}
		if (build->file_is_right != NULL && !build->file_is_right(build->arg, log)) {
			return POINT_DAMAGED;
		}
		if (log->seq < last_seq || last_hash == NULL) {
			cycle_add(build, log, index);
		}
		hash = log->hash;
		build->at++;
	}
	if (last_hash == NULL) {
		return POINT_OK;
	}
	if (log == NULL || log->seq != last_seq) {
		return log == NULL ? POINT_NO_LOGS : POINT_START;
	}
	return memcmp(hash, last_hash, LOG_HASH_LEN) == 0 ? POINT_OK : POINT_BROKEN;
}

static void point_add(struct point_build *build, size_t index, enum point_verdict verdict,
		      uint64_t wrong_seq)
{
	const struct manifest_point *point = &build->manifest->points[index];

	build->items[build->count++] = (struct point_item){
		.cut = point->cut,
		.application = point->application,
		.is_point = true,
		.point = index,
		.verdict = verdict,
		.wrong_seq = wrong_seq,
	};
}

/* Is there a log of that cycle among what is kept? After a resynchronization there is none. */
static bool has_log(const struct point_build *build, uint64_t seq)
{
	size_t at = history_index(&build->logs, seq);

	return at < build->logs.count && build->logs.entries[at].seq == seq;
}

/* Point index, and what leads to it. */
static void point_reach(struct point_build *build, size_t index)
{
	const struct manifest_cut *cut = &build->manifest->points[index].cut;
	enum point_verdict verdict = POINT_START;
	uint64_t wrong_seq = 0;

	if (index > 0) {
		verdict = logs_follow(build, index - 1, cut->seq, cut->log_hash, &wrong_seq);
		if (verdict == POINT_NO_LOGS && !has_log(build, cut->seq)) {
			verdict = cut->seq > build->manifest->history_from ? POINT_START
									   : POINT_NO_LOGS;
		}
	}
	point_add(build, index, verdict, wrong_seq);
}

int point_list_make(const struct manifest *manifest, const struct history *history,
		    const struct point_range *range, bool cycles, point_file_cb file_is_right,
		    void *arg, struct point_item **ret_items, size_t *ret_count)
{
	struct point_build build = {.manifest = manifest,
				    .after_seq = range->after_seq,
				    .file_is_right = file_is_right,
				    .arg = arg,
				    .cycles = cycles};
	uint64_t wrong_seq;
	size_t i = 0;
	int rc = changes_list_logs(manifest, history, &build.logs);

	if (rc == 0) {
		build.items =
			calloc(manifest->point_count + build.logs.count + 1, sizeof(*build.items));
		rc = build.items == NULL ? -ENOMEM : 0;
	}
	if (rc < 0) {
		history_destroy(&build.logs);
		return rc;
	}
	while (i < manifest->point_count && manifest->points[i].cut.seq <= range->after_seq) {
		i++;
	}
	while (i < manifest->point_count && manifest->points[i].cut.seq <= range->until_seq) {
		point_reach(&build, i++);
	}
	if (i > 0 && cycles) {
		logs_follow(&build, i - 1, range->until_seq, NULL, &wrong_seq);
	}
	history_destroy(&build.logs);
	*ret_items = build.items;
	*ret_count = build.count;
	return 0;
}
