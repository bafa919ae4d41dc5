/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/points_query.h"

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
#include "receiver/stores.h"

/* What fits into a frame: an encoded point takes less than 200 bytes. */
#define LIMIT_MAX 1000u

/* One question on its way through a worker. */
struct query {
	struct receiver *receiver; /* borrowed */
	struct store *store;	   /* a reference; NULL = not open */
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t id, after_seq;
	uint32_t limit;
	bool cycles;

	Vmreplica__Point *points; /* owned, with their texts */
	size_t count;
	bool more;
	char *texts; /* owned; TEXT_LEN a point */
};

#define TEXT_LEN 128u
#define ATTEMPTS 3

/* Of the store, at one moment: its lock is not held while files are looked at. */
struct snapshot {
	const struct query *query;
	struct manifest manifest;
	struct history history;
	int dir_fd;
	uint64_t base_seq; /* of the point that the page's first logs lead on from */
	size_t on_page;	   /* logs that were right and are listed after after_seq */
	bool missed;	   /* a file was not as it should be: perhaps it went just now */
};

static void snapshot_destroy(struct snapshot *snapshot)
{
	manifest_destroy(&snapshot->manifest);
	history_destroy(&snapshot->history);
	if (snapshot->dir_fd >= 0) {
		close(snapshot->dir_fd);
	}
}

static int history_copy(const struct history *history, struct history *ret_copy)
{
	int rc = 0;

	for (size_t i = 0; i < history->count && rc == 0; i++) {
		rc = history_push(ret_copy, &history->entries[i]);
	}
	return rc;
}

static int snapshot_take(const struct query *query, struct snapshot *snapshot)
{
	struct store *store = query->store;
	int rc;

	*snapshot = (struct snapshot){.query = query, .dir_fd = -1};
	pthread_mutex_lock(&store->lock);
	rc = store->dir_fd < 0 ? -ENOENT : manifest_copy(&store->manifest, &snapshot->manifest);
	rc = rc < 0 ? rc : history_copy(&store->history, &snapshot->history);
	if (rc == 0) {
		snapshot->dir_fd = fcntl(store->dir_fd, F_DUPFD_CLOEXEC, 0);
		rc = snapshot->dir_fd < 0 ? -errno : 0;
	}
	pthread_mutex_unlock(&store->lock);
	for (size_t i = 0; rc == 0 && i < snapshot->manifest.point_count &&
			   snapshot->manifest.points[i].cut.seq <= query->after_seq;
	     i++) {
		snapshot->base_seq = snapshot->manifest.points[i].cut.seq;
	}
	return rc;
}

/* There can be 150,000 logs: only those are looked at that tell something of what is on the page.
 */
static bool log_is_right(void *arg, const struct history_entry *log)
{
	struct snapshot *snapshot = arg;
	const struct query *query = snapshot->query;
	char file[MANIFEST_FILE_MAX + 1];
	struct stat st;

	if (log->seq <= snapshot->base_seq || (query->cycles && snapshot->on_page > query->limit)) {
		return true;
	}
	if (fstatat(snapshot->dir_fd, history_file_format(log, file), &st, AT_SYMLINK_NOFOLLOW) <
		    0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != log->size_bytes) {
		snapshot->missed = true;
		return false;
	}
	snapshot->on_page += log->seq > query->after_seq;
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
	text_make(item, text);
	to->seq = item->cut.seq;
	to->time_ms = item->cut.time_ms;
	to->consistency = borrow(item->application ? "application" : "crash");
	to->point = item->is_point;
	to->size_bytes =
		item->is_point
			? layers_size(snapshot, &snapshot->manifest.points[item->point], &pinned)
			: item->size_bytes;
	to->verdict = borrow(point_verdict_to_string(item->verdict));
	to->text = text;
	to->cut_id = text + TEXT_LEN - sizeof(item->cut.cut_id);
	memcpy(to->cut_id, item->cut.cut_id, sizeof(item->cut.cut_id));
	to->pinned = pinned;
}

static int query_take(struct query *query, struct snapshot *snapshot, struct point_item *items,
		      size_t count)
{
	size_t first = 0;

	while (first < count && items[first].cut.seq <= query->after_seq) {
		first++;
	}
	query->count = count - first < query->limit ? count - first : query->limit;
	query->more = first + query->count < count;
	query->points = calloc(query->count + 1, sizeof(*query->points));
	query->texts = calloc(query->count + 1, TEXT_LEN);
	if (query->points == NULL || query->texts == NULL) {
		query->count = 0;
		return -ENOMEM;
	}
	for (size_t i = 0; i < query->count; i++) {
		point_fill(snapshot, &items[first + i], query->texts + i * TEXT_LEN,
			   &query->points[i]);
	}
	return 0;
}

static int query_answer(struct query *query, bool *ret_missed)
{
	cleanup_free struct point_item *items = NULL;
	struct snapshot snapshot;
	size_t count = 0;
	int rc = snapshot_take(query, &snapshot);

	rc = rc < 0 ? rc
		    : point_list_make(&snapshot.manifest, &snapshot.history, query->cycles,
				      log_is_right, &snapshot, &items, &count);
	rc = rc < 0 ? rc : query_take(query, &snapshot, items, count);
	*ret_missed = snapshot.missed;
	snapshot_destroy(&snapshot);
	return rc;
}

static int query_run(void *arg)
{
	struct query *query = arg;
	bool missed = true;
	int rc = 0;

	/* What is missing may only have gone since the manifest was copied. */
	for (int attempt = 0; attempt < ATTEMPTS && missed && rc == 0; attempt++) {
		free(query->points);
		free(query->texts);
		query->points = NULL;
		query->texts = NULL;
		query->count = 0;
		rc = query_answer(query, &missed);
	}
	return rc;
}

static void query_done_cb(void *arg, int result)
{
	Vmreplica__Ipc__ReplicaPoints message = VMREPLICA__IPC__REPLICA_POINTS__INIT;
	struct query *query = arg;
	cleanup_free Vmreplica__Point **list = calloc(query->count + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < query->count; i++) {
		list[i] = &query->points[i];
	}
	message.id = query->id;
	message.relationship = query->relationship;
	message.error = list == NULL ? -ENOMEM : result;
	message.text = borrow(message.error == 0	 ? ""
			      : message.error == -ENOENT ? "the replica's store is not open here"
							 : strerror(-message.error));
	message.points = list;
	message.n_points = list == NULL ? 0 : query->count;
	message.more = query->more;
	if (query->receiver->link != NULL) {
		link_send(query->receiver->link, FRAME_REPLICA_POINTS, &message.base);
	}
	store_unref(query->store);
	free(query->points);
	free(query->texts);
	free(query);
}

void points_query(struct receiver *receiver, const Vmreplica__Ipc__PointsQuery *request)
{
	struct query *query = calloc(1, sizeof(*query));

	if (query == NULL) {
		return; /* the engine's request runs into its timeout */
	}
	query->receiver = receiver;
	query->id = request->id;
	query->after_seq = request->after_seq;
	query->cycles = request->cycles;
	query->limit =
		request->limit == 0 || request->limit > LIMIT_MAX ? LIMIT_MAX : request->limit;
	snprintf(query->relationship, sizeof(query->relationship), "%s", request->relationship);
	query->store = stores_find(receiver, query->relationship);
	if (query->store == NULL) {
		query_done_cb(query, -ENOENT);
	} else if (workers_submit(receiver->store_workers, query_run, query_done_cb, query) < 0) {
		query_done_cb(query, -ENOMEM);
	}
}
