/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files are judged one by one (import_image.c), and become the base layers in one step. */
#include "receiver/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "proto/validate.h"
#include "receiver/borrow.h"
#include "receiver/durable.h"
#include "receiver/image.h"
#include "receiver/import_image.h"
#include "receiver/merge.h"
#include "receiver/points.h"
#include "receiver/room.h"
#include "receiver/stores.h"

#define STREAM_MS 20000

struct import {
	struct receiver *receiver;
	struct store *store; /* a reference, or NULL */
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t id;
	struct import_disk disks[DISKS_MAX];
	size_t disk_count;
	bool has_cut;
	struct manifest_cut cut;
	char text[STORE_ERROR_LEN];
};

__attribute__((format(printf, 3, 4))) static int refuse(struct import *import, int rc,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(import->text, sizeof(import->text), format, args);
	va_end(args);
	return rc;
}

/* ---- the store ---- */

/* 1: it is imported already. */
static int store_judge(struct import *import)
{
	const struct manifest *manifest = &import->store->manifest;
	struct answer answer;

	if (store_check(import->store, &answer) < 0) {
		return refuse(import, -EAGAIN, "%s", answer.reason);
	}
	if (manifest->current.disk_count == 0) {
		return 0;
	}
	if (import->has_cut && strcmp(manifest->committed.cut_id, import->cut.cut_id) == 0) {
		return 1;
	}
	return refuse(import, -EEXIST,
		      "the replica of %s has an image already, which is left as it is: to begin "
		      "anew, unprotect the VM and protect it again",
		      import->store->vm);
}

/* The file becomes the disk's base layer, under a name of our generation. */
static int disk_take(struct import *import, struct import_disk *disk, struct manifest *next,
		     struct manifest_disk *to)
{
	struct store *store = import->store;
	struct manifest_layer layer = {.generation = store->manifest.generation};
	int rc;

	snprintf(layer.file, sizeof(layer.file), "gen-%" PRIu64 "/%s-%" PRIu64 ".qcow2",
		 layer.generation, disk->name, next->next_layer++);
	snprintf(to->name, sizeof(to->name), "%s", disk->name);
	to->size_bytes = disk->size_bytes;
	rc = durable_file_sync(store->dir_fd, disk->ready);
	if (rc == 0 && renameat(store->dir_fd, disk->ready, store->dir_fd, layer.file) < 0) {
		rc = -errno;
	}
	snprintf(disk->ready, sizeof(disk->ready), "%s", layer.file); /* to put it back */
	return rc < 0 ? rc : manifest_disk_push(to, &layer);
}

static int disks_take(struct import *import, struct manifest *next)
{
	char generation[32];
	int rc = 0;

	next->current.disks = calloc(import->disk_count, sizeof(*next->current.disks));
	if (next->current.disks == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < import->disk_count && rc == 0; i++) {
		next->current.disk_count = i + 1;
		rc = disk_take(import, &import->disks[i], next, &next->current.disks[i]);
	}
	/* the manifest must not name what a power cut takes back */
	snprintf(generation, sizeof(generation), "gen-%" PRIu64,
		 import->store->manifest.generation);
	return rc < 0 ? rc : durable_directory_sync(import->store->dir_fd, generation);
}

/* What could not be recorded is where it was. */
static void disks_put_back(struct import *import)
{
	for (size_t i = 0; i < import->disk_count; i++) {
		const struct import_disk *disk = &import->disks[i];
		char file[MANIFEST_FILE_MAX + 1];

		if (strncmp(disk->ready, "gen-", 4) == 0 && !disk->converted) {
			snprintf(file, sizeof(file), IMPORT_NAME "/%s", disk->file);
			renameat(import->store->dir_fd, disk->ready, import->store->dir_fd, file);
		}
	}
}

static void manifest_fill(const struct import *import, struct manifest *next)
{
	manifest_image_destroy(&next->pending);
	memset(&next->mark, 0, sizeof(next->mark));
	if (import->has_cut) {
		next->committed = import->cut;
		next->applied_seq = import->cut.seq;
		next->next_seq =
			next->next_seq > import->cut.seq ? next->next_seq : import->cut.seq + 1;
	} else {
		next->resync_needed = true;
		snprintf(next->resync_reason, sizeof(next->resync_reason),
			 "an imported copy is compared with the primary");
	}
}

static void import_sweep(struct import *import)
{
	struct store *store = import->store;

	for (size_t i = 0; i < import->disk_count; i++) {
		char file[MANIFEST_FILE_MAX + 1];

		snprintf(file, sizeof(file), IMPORT_NAME "/%s", import->disks[i].file);
		unlinkat(store->dir_fd, file, 0);
	}
	unlinkat(store->dir_fd, IMPORT_NAME, AT_REMOVEDIR);
	store_sweep(store); /* a pending image that a stream had begun */
}

/* A first point: later cycles can be rebuilt from here. */
static void import_tend(struct import *import)
{
	struct store *store = import->store;
	struct answer answer;

	if (image_attach(store, STORE_CURRENT, import->has_cut, &answer, NULL) < 0) {
		log_warning("%s: %s", store->vm, answer.reason);
	} else if (import->has_cut) {
		points_tend(store, &store->manifest.committed, false, true);
	}
}

/* The files say how large the disks are: the engine could not know of all. */
static int import_check_room(struct import *import)
{
	uint64_t size_bytes = 0;
	struct answer answer;

	for (size_t i = 0; i < import->disk_count; i++) {
		size_bytes += import->disks[i].size_bytes; /* 64 of a PiB at most */
	}
	return room_check(import->store, size_bytes, &answer) < 0
		       ? refuse(import, -EACCES, "%s", answer.reason)
		       : 0;
}

/* store->lock is held. */
static int import_commit(struct import *import)
{
	struct store *store = import->store;
	struct manifest next = {0};
	struct answer answer = {0};
	int rc = store_stream_end(store, STREAM_MS);

	rc = rc < 0 ? refuse(import, rc, "the stream of %s does not end", store->vm)
		    : store_judge(import);
	rc = rc != 0 ? rc : import_check_room(import);
	if (rc != 0) {
		return rc;
	}
	if (manifest_copy(&store->manifest, &next) < 0) {
		return refuse(import, -ENOMEM, "out of memory");
	}
	image_detach(store);
	rc = disks_take(import, &next);
	if (rc < 0) {
		refuse(import, rc, "the files cannot be taken into the store: %s", strerror(-rc));
	} else {
		manifest_fill(import, &next);
		image_freeze(store, &next, &next.current, false);
		rc = store_save(store, &next, &answer);
		if (rc < 0) {
			refuse(import, rc, "%s", answer.reason);
		}
	}
	manifest_destroy(&next);
	if (rc < 0) {
		disks_put_back(import);
		return rc;
	}
	import_sweep(import);
	import_tend(import);
	return 0;
}

/* ---- the job ---- */

static int import_run(void *arg)
{
	struct import *import = arg;
	struct store *store = import->store;
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = store_judge(import);
	pthread_mutex_unlock(&store->lock);
	for (size_t i = 0; i < import->disk_count && rc == 0; i++) {
		rc = import_image_prepare(store, &import->disks[i], import->text);
	}
	if (rc == 0) {
		pthread_mutex_lock(&store->lock);
		rc = import_commit(import);
		pthread_mutex_unlock(&store->lock);
	}
	if (rc == 1) {
		refuse(import, 0, "it is imported already, as of cycle %" PRIu64, import->cut.seq);
		rc = 0;
	} else if (rc == 0 && import->has_cut) {
		refuse(import, 0,
		       "the replica of %s stands at cycle %" PRIu64
		       "; what has changed since travels with the next one",
		       store->vm, import->cut.seq);
	} else if (rc == 0) {
		refuse(import, 0,
		       "the copy of %s is taken; both sides compare digests now, and what differs "
		       "is sent",
		       store->vm);
	}
	return rc;
}

static void import_done_cb(void *arg, int result)
{
	Vmreplica__Ipc__StoreImported message = VMREPLICA__IPC__STORE_IMPORTED__INIT;
	struct import *import = arg;

	message.id = import->id;
	message.relationship = import->relationship;
	message.error = result;
	message.text = import->text;
	if (result == 0) {
		receiver_event(import->receiver, "notice", import->store->vm, "%s", import->text);
		stores_status_soon(import->receiver);
	}
	if (import->receiver->link != NULL) {
		link_send(import->receiver->link, FRAME_STORE_IMPORTED, &message.base);
	}
	store_unref(import->store);
	free(import);
}

/* The engine is of our own release, but it is a process of its own. */
static bool request_is_valid(const Vmreplica__Ipc__StoreImport *request)
{
	if (request->n_disks == 0 || request->n_disks > DISKS_MAX) {
		return false;
	}
	for (size_t i = 0; i < request->n_disks; i++) {
		const Vmreplica__Ipc__ImportDisk *disk = request->disks[i];

		if (!validate_disk_name(disk->name) ||
		    strlen(disk->file) >= sizeof(((struct import_disk *)NULL)->file) ||
		    strncmp(disk->file, disk->name, strlen(disk->name)) != 0 ||
		    strchr(disk->file, '/') != NULL) {
			return false;
		}
	}
	return request->cut == NULL || (request->cut->seq != 0 && request->cut->seq < INT64_MAX &&
					strlen(request->cut->cut_id) == CUT_ID_LEN &&
					request->cut->log_hash.len == LOG_HASH_LEN);
}

static void request_take(const Vmreplica__Ipc__StoreImport *request, struct import *import)
{
	import->disk_count = request->n_disks;
	for (size_t i = 0; i < request->n_disks; i++) {
		struct import_disk *disk = &import->disks[i];

		snprintf(disk->name, sizeof(disk->name), "%s", request->disks[i]->name);
		snprintf(disk->file, sizeof(disk->file), "%s", request->disks[i]->file);
		disk->raw = request->disks[i]->raw;
		disk->size_bytes = request->disks[i]->size_bytes;
	}
	if (request->cut != NULL) {
		import->has_cut = true;
		import->cut.seq = request->cut->seq;
		snprintf(import->cut.cut_id, sizeof(import->cut.cut_id), "%s",
			 request->cut->cut_id);
		memcpy(import->cut.log_hash, request->cut->log_hash.data, LOG_HASH_LEN);
		import->cut.time_ms = request->cut->time_ms;
	}
}

void store_import(struct receiver *receiver, const Vmreplica__Ipc__StoreImport *request)
{
	struct import *import = calloc(1, sizeof(*import));

	if (import == NULL) {
		log_error("an import is not begun: out of memory");
		return;
	}
	import->receiver = receiver;
	import->id = request->id;
	snprintf(import->relationship, sizeof(import->relationship), "%s", request->relationship);
	if (!request_is_valid(request)) {
		import_done_cb(import, refuse(import, -EINVAL, "a malformed request"));
		return;
	}
	request_take(request, import);
	import->store = stores_find(receiver, import->relationship);
	if (import->store == NULL) {
		import_done_cb(import, refuse(import, -ENOENT, "the store is not open here"));
	} else if (workers_submit(receiver->store_workers, import_run, import_done_cb, import) <
		   0) {
		import_done_cb(import, refuse(import, -ENOMEM, "out of memory"));
	}
}
