/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/points_page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/borrow.h"
#include "receiver/point_list.h"

#define TEXT_LEN 128u
#define ATTEMPTS 3

/* Of the store, at one moment: its lock is not held while files are looked at. */
struct snapshot {
	const struct points_ask *ask;
	struct manifest manifest;
	struct history history; /* the part that the page needs */
	int dir_fd;
	struct point_range range;
	size_t on_page; /* logs that were right and are listed after after_seq */
	bool missed;	/* a file was not as it should be: perhaps it went just now */
};

static void snapshot_destroy(struct snapshot *snapshot)
{
	manifest_destroy(&snapshot->manifest);
	history_destroy(&snapshot->history);
	if (snapshot->dir_fd >= 0) {
		close(snapshot->dir_fd);
	}
}

static bool is_in_manifest(const struct manifest *manifest, uint64_t seq)
{
	for (size_t i = 0; i < manifest->log_count; i++) {
		if (manifest->logs[i].seq == seq) {
			return true;
		}
	}
	return false;
}

/* Where the part of the history begins that point_list_make needs. */
static size_t history_begin(const struct snapshot *snapshot, const struct history *history)
{
	uint64_t after_seq = snapshot->ask->after_seq, base_seq = 0;
	size_t known = history_index(history, after_seq);

	if (snapshot->ask->cycles &&
	    ((known < history->count && history->entries[known].seq == after_seq) ||
	     is_in_manifest(&snapshot->manifest, after_seq))) {
		return known;
	}
	for (size_t i = 0; i < snapshot->manifest.point_count &&
			   snapshot->manifest.points[i].cut.seq <= after_seq;
	     i++) {
		base_seq = snapshot->manifest.points[i].cut.seq;
	}
	return history_index(history, base_seq + 1);
}

/* There can be 150,000 logs, and their copying is what the store waits for: most of them at most.
 */
static int history_copy(struct snapshot *snapshot, const struct history *history, size_t most)
{
	size_t first = history_begin(snapshot, history);

	if (snapshot->ask->no_verdicts) {
		return 0;
	}
	if (history->count - first > most) {
		snapshot->range.until_seq = history->entries[first + most - 1].seq;
	}
	return history_slice(history, first, most, &snapshot->history);
}

static int snapshot_take(struct store *store, const struct points_ask *ask, size_t most,
			 struct snapshot *snapshot)
{
	int rc;

	*snapshot =
		(struct snapshot){.ask = ask, .dir_fd = -1, .range = {ask->after_seq, UINT64_MAX}};
	pthread_mutex_lock(&store->lock);
	rc = store->dir_fd < 0 ? -ENOENT : manifest_copy(&store->manifest, &snapshot->manifest);
	rc = rc < 0 ? rc : history_copy(snapshot, &store->history, most);
	if (rc == 0) {
		snapshot->dir_fd = fcntl(store->dir_fd, F_DUPFD_CLOEXEC, 0);
		rc = snapshot->dir_fd < 0 ? -errno : 0;
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* Files are looked at for what is on the page alone. */
static bool log_is_right(void *arg, const struct history_entry *log)
{
	struct snapshot *snapshot = arg;
	const struct points_ask *ask = snapshot->ask;
	char file[MANIFEST_FILE_MAX + 1];
	struct stat st;

	if (ask->no_verdicts || (ask->cycles && snapshot->on_page > ask->limit)) {
		return true;
	}
	if (fstatat(snapshot->dir_fd, history_file_format(log, file), &st, AT_SYMLINK_NOFOLLOW) <
		    0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != log->size_bytes) {
		snapshot->missed = true;
		return false;
	}
	snapshot->on_page += log->seq > ask->after_seq;
	return true;
}

/* What the layers that end a point take on the disk. */
static uint64_t layers_size(struct snapshot *snapshot, const struct manifest_point *point,
			    bool *ret_pinned)
{
	const struct manifest *manifest = &snapshot->manifest;
	uint64_t sum = 0;

	for (size_t i = 0; i < point->disk_count; i++) {
		struct stat st;

		if (fstatat(snapshot->dir_fd, point->disks[i].file, &st, AT_SYMLINK_NOFOLLOW) ==
		    0) {
			sum += (uint64_t)st.st_blocks * 512;
		} else {
			snapshot->missed = true;
		}
		for (size_t k = 0; k < manifest->pin_count; k++) {
			*ret_pinned |= strcmp(manifest->pins[k].file, point->disks[i].file) == 0;
		}
	}
	return sum;
}

static void text_make(const struct point_item *item, char text[TEXT_LEN])
{
	switch (item->verdict) {
	case POINT_BROKEN:
		snprintf(text, TEXT_LEN,
			 "the log of cycle %" PRIu64 " does not follow the one before",
			 item->wrong_seq);
		break;
	case POINT_DAMAGED:
		snprintf(text, TEXT_LEN, "the log of cycle %" PRIu64 " is gone or has another size",
			 item->wrong_seq);
		break;
	default:
		text[0] = '\0';
	}
}

static void point_fill(struct snapshot *snapshot, struct point_item *item, char *text,
		       Vmreplica__Point *to)
{
	bool pinned = false;

	vmreplica__point__init(to);
	if (!snapshot->ask->no_verdicts) {
		to->verdict = borrow(point_verdict_to_string(item->verdict));
		text_make(item, text);
	}
	to->seq = item->cut.seq;
	to->time_ms = item->cut.time_ms;
	to->consistency = borrow(item->application ? "application" : "crash");
	to->point = item->is_point;
	to->size_bytes =
		item->is_point
			? layers_size(snapshot, &snapshot->manifest.points[item->point], &pinned)
			: item->size_bytes;
	to->text = text;
	to->cut_id = text + TEXT_LEN - sizeof(item->cut.cut_id);
	memcpy(to->cut_id, item->cut.cut_id, sizeof(item->cut.cut_id));
	to->pinned = pinned;
}

void points_page_destroy(struct points_page *page)
{
	free(page->points);
	free(page->texts);
	memset(page, 0, sizeof(*page));
}

static int page_fill(struct snapshot *snapshot, struct point_item *items, size_t count,
		     struct points_page *page)
{
	uint32_t limit = snapshot->ask->limit;

	page->count = count < limit ? count : limit;
	page->more = count > limit || snapshot->range.until_seq != UINT64_MAX;
	page->points = calloc(page->count + 1, sizeof(*page->points));
	page->texts = calloc(page->count + 1, TEXT_LEN);
	if (page->points == NULL || page->texts == NULL) {
		points_page_destroy(page);
		return -ENOMEM;
	}
	for (size_t i = 0; i < page->count; i++) {
		point_fill(snapshot, &items[i], page->texts + i * TEXT_LEN, &page->points[i]);
	}
	return 0;
}

/* With a part of the history that has most logs; *ret_short when more of it would fill the page. */
static int page_try(struct store *store, const struct points_ask *ask, size_t most,
		    struct points_page *page, bool *ret_short, bool *ret_missed)
{
	cleanup_free struct point_item *items = NULL;
	struct snapshot snapshot;
	size_t count = 0;
	int rc = snapshot_take(store, ask, most, &snapshot);

	rc = rc < 0 ? rc
		    : point_list_make(&snapshot.manifest, &snapshot.history, &snapshot.range,
				      ask->cycles, log_is_right, &snapshot, &items, &count);
	*ret_short = rc == 0 && count < ask->limit && snapshot.range.until_seq != UINT64_MAX;
	rc = rc < 0 || *ret_short ? rc : page_fill(&snapshot, items, count, page);
	*ret_missed = snapshot.missed; /* also what page_fill did not find */
	snapshot_destroy(&snapshot);
	return rc;
}

int points_page_make(struct store *store, const struct points_ask *ask,
		     struct points_page *ret_page)
{
	/* Each log is an item of the list, but for those behind one that is wrong. */
	size_t most = ask->cycles ? (size_t)ask->limit + 2 : SIZE_MAX;
	struct points_page page = {0};
	bool missed = true, is_short = true;
	int rc = 0;

	/* What is missing may only have gone since the manifest was copied. */
	for (int attempt = 0; rc == 0 && (is_short || (missed && attempt < ATTEMPTS)); attempt++) {
		points_page_destroy(&page);
		rc = page_try(store, ask, most, &page, &is_short, &missed);
		if (is_short) {
			most *= 4;
			attempt = 0;
		}
	}
	if (rc == 0) {
		*ret_page = page;
	}
	return rc;
}
