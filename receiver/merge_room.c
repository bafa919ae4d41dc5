/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/merge_room.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "receiver/data_file.h"
#include "receiver/image.h"
#include "receiver/merge_turn.h"

#define STEP_BYTES   (16ull << 20) /* written between two looks */
#define WINDOW_BYTES (1ull << 30)  /* compared at once */
#define BLOCK_BYTES  65536u
/* Of qcow2's own tables for so many bytes of data: an entry of 8 bytes for 64 KiB, and some. */
#define TABLES_SHARE 4096u

static uint64_t reserve_of(const struct store *store)
{
	return atomic_load(&store->receiver->storage_reserve_bytes);
}

/* UINT64_MAX: it is not known, and writing will tell. */
static uint64_t free_beside(const char *path)
{
	struct statvfs fs;

	return path[0] == '\0' || statvfs(path, &fs) < 0 ? UINT64_MAX
							 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* ---- what grows ---- */

/* A block device takes no room anywhere. */
static void growing_find(const char *layer, char ret_path[IMAGE_PATH_LEN])
{
	cleanup_close int fd = open(layer, O_RDONLY | O_CLOEXEC);
	char file[PATH_MAX] = "";
	struct stat st;

	snprintf(ret_path, IMAGE_PATH_LEN, "%s", layer);
	if (fd >= 0) {
		data_file_read(fd, file);
	}
	if (file[0] == '/') {
		snprintf(ret_path, IMAGE_PATH_LEN, "%s", file);
	}
	if (stat(ret_path, &st) == 0 && S_ISBLK(st.st_mode)) {
		ret_path[0] = '\0';
	}
}

void merge_room_init(struct merge_room *room, struct store *store)
{
	const struct manifest_merge *merge = &store->manifest.merge;
	char path[IMAGE_PATH_LEN];
	cleanup_free char *real = realpath(image_path(store, merge->into, path), NULL);
	struct stat st;

	*room = (struct merge_room){.layer_bytes = 0};
	memcpy(room->disk, merge->disk, sizeof(room->disk));
	memcpy(room->from, merge->from, sizeof(room->from));
	if (fstatat(store->dir_fd, merge->from, &st, 0) == 0) {
		room->layer_bytes = (uint64_t)st.st_blocks * 512;
	}
	growing_find(real == NULL ? path : real, room->path);
}

/* ---- what the lower layer lacks ---- */

struct window {
	uint64_t begin;
	uint8_t *lacks; /* a byte a block */
};

/* What has to be written of the merged layer. */
static int from_cb(void *arg, const struct nbd_extent *extent)
{
	struct window *window = arg;
	uint64_t first = (extent->offset - window->begin) / BLOCK_BYTES;
	uint64_t end = extent->offset - window->begin + extent->length;

	if (extent->dirty && !extent->zero) {
		memset(window->lacks + first, 1, (end + BLOCK_BYTES - 1) / BLOCK_BYTES - first);
	}
	return 0;
}

/* What the lower one has a place for. */
static int into_cb(void *arg, const struct nbd_extent *extent)
{
	struct window *window = arg;
	uint64_t first = (extent->offset - window->begin + BLOCK_BYTES - 1) / BLOCK_BYTES;
	uint64_t end = (extent->offset - window->begin + extent->length) / BLOCK_BYTES;

	if (extent->dirty && !extent->zero && end > first) {
		memset(window->lacks + first, 0, end - first);
	}
	return 0;
}

static int window_add(struct nbd_disk *from, struct nbd_disk *into, struct window *window,
		      uint64_t length, uint64_t *sum)
{
	const size_t blocks = WINDOW_BYTES / BLOCK_BYTES + 1;
	int rc;

	memset(window->lacks, 0, blocks);
	rc = nbd_disk_extents(from, window->begin, length, from_cb, window);
	rc = rc < 0 ? rc : nbd_disk_extents(into, window->begin, length, into_cb, window);
	for (size_t i = 0; i < blocks; i++) {
		*sum += window->lacks[i] * (uint64_t)BLOCK_BYTES;
	}
	return rc;
}

static bool comes_first(struct store *store)
{
	bool first;

	pthread_mutex_lock(&store->lock);
	first = merge_turn_wait(store, MERGE_YIELD_MS) == -ECANCELED;
	pthread_mutex_unlock(&store->lock);
	return first;
}

static int lack_sum(struct store *store, const struct merge_copy *copy, struct nbd_disk *into,
		    struct answer *answer, uint64_t *ret_sum)
{
	cleanup_free uint8_t *lacks = malloc(WINDOW_BYTES / BLOCK_BYTES + 1);
	struct window window = {.begin = copy->offset, .lacks = lacks};
	uint64_t sum = 0;
	int rc = lacks == NULL ? -ENOMEM : 0;

	while (rc == 0 && window.begin < copy->size_bytes) {
		uint64_t left = copy->size_bytes - window.begin;
		uint64_t length = left < WINDOW_BYTES ? left : WINDOW_BYTES;

		if (comes_first(store)) {
			return answer_moved(answer, 0, "something else comes first");
		}
		rc = window_add(copy->from, into, &window, length, &sum);
		window.begin += length;
	}
	if (rc < 0) {
		return answer_busy(answer, "storage-error", 0,
				   "what layers hold cannot be looked at: %s", strerror(-rc));
	}
	*ret_sum = sum + sum / TABLES_SHARE;
	return 0;
}

static int lack_find(struct store *store, const struct merge_copy *copy, struct answer *answer,
		     uint64_t *ret_bytes)
{
	struct nbd_disk *into = NULL;
	char error[NBD_ERROR_LEN];
	int rc = nbd_disk_open_depth(copy->into.socket, QSD_MERGE_INTO, &into, error);

	if (rc < 0) {
		return answer_busy(answer, "storage-error", 0, "%.300s", error);
	}
	rc = lack_sum(store, copy, into, answer, ret_bytes);
	nbd_disk_close(into);
	return rc;
}

/* ---- is it there? ---- */

static int answer_short(struct answer *answer, const char *what, const char *path, uint64_t wanted,
			uint64_t available)
{
	return answer_busy(answer, MERGE_ROOM_CODE, 0,
			   "merging layers of %.40s waits for room: %" PRIu64
			   " MiB have to be free beside %.300s, %" PRIu64
			   " MiB are: make room there; it goes on by itself",
			   what, (wanted + (1u << 20) - 1) >> 20, path, available >> 20);
}

/* What must be free for a merge that takes so many bytes: also a step for what was not foreseen. */
static uint64_t wanted_of(const struct store *store, uint64_t bytes)
{
	uint64_t reserve = reserve_of(store);

	return bytes == 0 ? reserve / 4 : bytes + reserve + 2 * STEP_BYTES;
}

int merge_room_known(struct store *store, struct answer *answer)
{
	const struct manifest_merge *merge = &store->manifest.merge;
	uint64_t available = free_beside(store->directory), least = reserve_of(store) / 8;

	if (available < least) { /* the manifest has to be written, too */
		return answer_short(answer, "all disks", store->directory, least, available);
	}
	if (store->merge_lack.path[0] == '\0' || merge->copied ||
	    strcmp(merge->from, store->merge_lack.from) != 0 ||
	    merge->offset != store->merge_lack.offset) {
		return 0;
	}
	available = free_beside(store->merge_lack.path);
	least = wanted_of(store, store->merge_lack.bytes);
	return available >= least ? 0
				  : answer_short(answer, merge->disk, store->merge_lack.path, least,
						 available);
}

int merge_room_find(struct merge_room *room, struct store *store, const struct merge_copy *copy,
		    struct answer *answer)
{
	int64_t begin_ms = clock_monotonic_ms();
	uint64_t available = free_beside(room->path), lack = room->layer_bytes;
	int rc = 0;

	if (available < wanted_of(store, lack)) {
		rc = lack_find(store, copy, answer, &lack);
		room->walk_ms = clock_monotonic_ms() - begin_ms;
		available = free_beside(room->path);
	}
	room->floor_bytes = reserve_of(store) / (lack == 0 ? 4 : 1) + (lack == 0 ? 0 : STEP_BYTES);
	if (rc < 0 || available >= wanted_of(store, lack)) {
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	store->merge_lack.bytes = lack;
	store->merge_lack.offset = copy->offset;
	memcpy(store->merge_lack.from, room->from, sizeof(room->from));
	memcpy(store->merge_lack.path, room->path, sizeof(room->path));
	pthread_mutex_unlock(&store->lock);
	return answer_short(answer, room->disk, room->path, wanted_of(store, lack), available);
}

int merge_room_look(struct merge_room *room, const struct merge_copy *copy, struct answer *answer)
{
	uint64_t available;

	if (copy->written_bytes < room->look_bytes) {
		return 0;
	}
	room->look_bytes = copy->written_bytes + STEP_BYTES;
	available = free_beside(room->path);
	return available >= room->floor_bytes
		       ? 0
		       : answer_short(answer, room->disk, room->path, room->floor_bytes, available);
}
