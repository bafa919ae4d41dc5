/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/point_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	point_file_cb file_is_right;
	void *arg;
	bool cycles;
	struct point_item *items;
	size_t count;
};

static int logs_collect(struct point_build *build, const struct history *history)
{
	const struct manifest *manifest = build->manifest;
	int rc = 0;

	for (size_t i = 0; i < history->count && rc == 0; i++) {
		rc = history_push(&build->logs, &history->entries[i]);
	}
	for (size_t i = 0; i < manifest->log_count && rc == 0; i++) {
		struct history_entry entry;

		if (history_entry_from_log(&manifest->logs[i], &entry) == 0) {
			rc = history_push(&build->logs, &entry);
		}
	}
	return rc;
}

static void cycle_add(struct point_build *build, const struct history_entry *log, size_t point)
{
	struct point_item *item = &build->items[build->count];

	if (!build->cycles) {
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

/* Follow the logs from point index up to and with the cycle last_seq; adds those on the way (but
 * for the last one, when it is a point). Tells how that went for what stands at its end. */
static enum point_verdict logs_follow(struct point_build *build, size_t index, uint64_t last_seq,
				      const uint8_t *last_hash, uint64_t *ret_wrong_seq)
{
	const uint8_t *hash = build->manifest->points[index].cut.log_hash;
	const struct history_entry *log = NULL;

	while (build->at < build->logs.count &&
	       build->logs.entries[build->at].seq <= build->manifest->points[index].cut.seq) {
		build->at++;
	}
	while (build->at < build->logs.count && build->logs.entries[build->at].seq <= last_seq) {
		log = &build->logs.entries[build->at];
		*ret_wrong_seq = log->seq;
		if (memcmp(log->previous_hash, hash, LOG_HASH_LEN) != 0) {
			/* Either some before it are no longer kept, or it is of another history. */
			return hash == build->manifest->points[index].cut.log_hash ? POINT_NO_LOGS
										   : POINT_BROKEN;
		}
		if (!build->file_is_right(build->arg, log)) {
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
	for (size_t i = 0; i < build->logs.count; i++) {
		if (build->logs.entries[i].seq == seq) {
			return true;
		}
	}
	return false;
}

int point_list_make(const struct manifest *manifest, const struct history *history, bool cycles,
		    point_file_cb file_is_right, void *arg, struct point_item **ret_items,
		    size_t *ret_count)
{
	struct point_build build = {
		.manifest = manifest, .file_is_right = file_is_right, .arg = arg, .cycles = cycles};
	uint64_t wrong_seq = 0;
	int rc = logs_collect(&build, history);

	if (rc == 0) {
		build.items =
			calloc(manifest->point_count + build.logs.count + 1, sizeof(*build.items));
		rc = build.items == NULL ? -ENOMEM : 0;
	}
	for (size_t i = 0; rc == 0 && i < manifest->point_count; i++) {
		const struct manifest_cut *cut = &manifest->points[i].cut;
		enum point_verdict verdict = POINT_START;

		wrong_seq = 0;
		if (i > 0) {
			verdict = logs_follow(&build, i - 1, cut->seq, cut->log_hash, &wrong_seq);
			if (verdict == POINT_NO_LOGS && !has_log(&build, cut->seq)) {
				verdict = manifest->points[i].cut.seq > manifest->history_from
						  ? POINT_START
						  : POINT_NO_LOGS;
			}
		}
		point_add(&build, i, verdict, wrong_seq);
	}
	if (rc == 0 && manifest->point_count > 0) {
		logs_follow(&build, manifest->point_count - 1, UINT64_MAX, NULL, &wrong_seq);
	}
	history_destroy(&build.logs);
	if (rc < 0) {
		free(build.items);
		return rc;
	}
	*ret_items = build.items;
	*ret_count = build.count;
	return 0;
}
