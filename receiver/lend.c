/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/lend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/validate.h"
#include "receiver/borrow.h"
#include "receiver/image.h"
#include "receiver/lend_job.h"
#include "receiver/merge.h"
#include "receiver/stores.h"

static void lending_free(struct lending *lending)
{
	for (size_t i = 0; i < lending->disk_count; i++) {
		dirty_map_free(lending->disks[i].map);
	}
	history_destroy(&lending->logs);
	store_unref(lending->store);
	free(lending);
}

/* ---- the answer ---- */

struct lent_parts {
	Vmreplica__Cut cut;
	Vmreplica__Ipc__TakenDisk disks[DISKS_MAX], *disk_pointers[DISKS_MAX];
	char paths[DISKS_MAX][IMAGE_PATH_LEN];
	char extents[IMAGE_PATH_LEN];
	char *known[LEND_KNOWN_MAX];
};

static void lent_fill(struct lending *lending, Vmreplica__Ipc__StoreLent *message,
		      struct lent_parts *parts)
{
	vmreplica__cut__init(&parts->cut);
	parts->cut.seq = lending->cut.seq;
	parts->cut.cut_id = lending->cut.cut_id;
	parts->cut.time_ms = lending->cut.time_ms;
	message->cut = &parts->cut;
	message->consistency = borrow(lending->application ? "application" : "crash");
	for (size_t i = 0; i < lending->disk_count; i++) {
		vmreplica__ipc__taken_disk__init(&parts->disks[i]);
		parts->disks[i].name = lending->disks[i].name;
		parts->disks[i].size_bytes = lending->disks[i].size_bytes;
		parts->disks[i].backing =
			image_path(lending->store, lending->files[i], parts->paths[i]);
		parts->disk_pointers[i] = &parts->disks[i];
	}
	message->disks = parts->disk_pointers;
	message->n_disks = lending->disk_count;
	if (lending->extents[0] != '\0') {
		message->extents = image_path(lending->store, lending->extents, parts->extents);
	}
	message->vm_state = lending->vm_state;
	message->known = parts->known;
	for (size_t i = 0; i < lending->asked_count; i++) {
		if (lending->known[i]) {
			parts->known[message->n_known++] = lending->asked[i];
		}
	}
}

static void lend_done_cb(void *arg, int result)
{
	struct lending *lending = arg;
	Vmreplica__Ipc__StoreLent message = VMREPLICA__IPC__STORE_LENT__INIT;
	cleanup_free struct lent_parts *parts = calloc(1, sizeof(*parts));

	result = parts == NULL ? -ENOMEM : result;
	if (result == 0) {
		lent_fill(lending, &message, parts);
	}
	message.id = lending->id;
	message.relationship = lending->relationship;
	message.error = result;
	message.text = borrow(result == 0		  ? ""
			      : lending->error[0] != '\0' ? lending->error
							  : strerror(-result));
	if (lending->receiver->link != NULL) {
		link_send(lending->receiver->link, FRAME_STORE_LENT, &message.base);
	}
	lending_free(lending);
}

/* ---- requests ---- */

static bool holder_is_plain(const char *holder)
{
	size_t prefix = strlen(LEND_HOLDER_PREFIX);

	return strncmp(holder, LEND_HOLDER_PREFIX, prefix) == 0 && validate_uuid(holder + prefix);
}

static bool request_take(struct lending *lending, const Vmreplica__Ipc__StoreLend *request)
{
	if (!holder_is_plain(request->holder) || request->n_known > LEND_KNOWN_MAX ||
	    (request->after_cut_id[0] != '\0' && !validate_cut_id(request->after_cut_id))) {
		return false;
	}
	snprintf(lending->holder, sizeof(lending->holder), "%s", request->holder);
	snprintf(lending->after, sizeof(lending->after), "%s", request->after_cut_id);
	for (size_t i = 0; i < request->n_known; i++) {
		if (!validate_cut_id(request->known[i])) {
			return false;
		}
		snprintf(lending->asked[i], sizeof(lending->asked[0]), "%s", request->known[i]);
	}
	lending->asked_count = request->n_known;
	lending->look = request->look;
	lending->want_application = request->application;
	return true;
}

void lend(struct receiver *receiver, const Vmreplica__Ipc__StoreLend *request)
{
	struct lending *lending = calloc(1, sizeof(*lending));

	if (lending == NULL) {
		return; /* the engine's request runs into its timeout */
	}
	lending->receiver = receiver;
	lending->id = request->id;
	snprintf(lending->relationship, sizeof(lending->relationship), "%s", request->relationship);
	if (!request_take(lending, request)) {
		lend_done_cb(lending, -EINVAL);
		return;
	}
	lending->store = stores_find(receiver, lending->relationship);
	if (lending->store == NULL) {
		lending_refuse(lending, 0, "the replica's store is not open on this node");
		lend_done_cb(lending, -EAGAIN);
	} else if (workers_submit(receiver->lend_workers, lend_run, lend_done_cb, lending) < 0) {
		lend_done_cb(lending, -ENOMEM);
	}
}

/* ---- giving back ---- */

/* Pins of holder, or (NULL) of all readers. The lock is held. */
static int pins_drop(struct store *store, const char *holder)
{
	struct manifest next = {0};
	struct answer answer;
	size_t dropped = 0;
	int rc = 0;

	if (store_check(store, &answer) < 0 || manifest_copy(&store->manifest, &next) < 0) {
		return -EAGAIN;
	}
	for (size_t i = 0; i < store->manifest.pin_count; i++) {
		const char *of = store->manifest.pins[i].holder;

		if (strncmp(of, LEND_HOLDER_PREFIX, strlen(LEND_HOLDER_PREFIX)) == 0 &&
		    (holder == NULL || strcmp(of, holder) == 0)) {
			dropped += manifest_pin_drop(&next, of);
		}
	}
	rc = dropped > 0 ? store_save(store, &next, &answer) : 0;
	manifest_destroy(&next);
	return rc;
}

static int lend_end_run(void *arg)
{
	struct lending *lending = arg;
	struct store *store = lending->store;
	char file[MANIFEST_FILE_MAX + 1];

	pthread_mutex_lock(&store->lock);
	if (pins_drop(store, lending->holder) == 0) {
		snprintf(file, sizeof(file), "gen-%" PRIu64 "/%s.extents",
			 store->manifest.generation, lending->holder);
		unlinkat(store->dir_fd, file, 0);
	}
	pthread_mutex_unlock(&store->lock);
	merge_kick(store);
	return 0;
}

static void lend_end_done_cb(void *arg, int result)
{
	(void)result;
	lending_free(arg);
}

void lend_end(struct receiver *receiver, const Vmreplica__Ipc__StoreLendEnd *request)
{
	struct lending *lending = calloc(1, sizeof(*lending));

	if (lending == NULL || !holder_is_plain(request->holder)) {
		free(lending);
		return;
	}
	lending->receiver = receiver;
	snprintf(lending->holder, sizeof(lending->holder), "%s", request->holder);
	lending->store = stores_find(receiver, request->relationship);
	if (lending->store == NULL ||
	    workers_submit(receiver->lend_workers, lend_end_run, lend_end_done_cb, lending) < 0) {
		lending_free(lending);
	}
}

void lend_opened(struct store *store)
{
	for (size_t i = 0; i < store->manifest.pin_count; i++) {
		if (strncmp(store->manifest.pins[i].holder, LEND_HOLDER_PREFIX,
			    strlen(LEND_HOLDER_PREFIX)) == 0) {
			atomic_store(&store->lease_ms, clock_monotonic_ms() + LEND_LEASE_MS);
		}
	}
}

bool lend_is_over(struct store *store, int64_t now_ms)
{
	int64_t lease_ms = atomic_load(&store->lease_ms);

	return lease_ms != 0 && now_ms > lease_ms;
}

int lend_expire_run(void *arg)
{
	struct store *store = arg;
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = pins_drop(store, NULL);
	pthread_mutex_unlock(&store->lock);
	atomic_store(&store->lease_ms, rc == 0 ? 0 : clock_monotonic_ms() + 60000);
	if (rc == 0) {
		log_info("%s: what was lent to a reader is taken back: its lease is over",
			 store->vm);
		merge_kick(store);
	}
	return rc;
}
