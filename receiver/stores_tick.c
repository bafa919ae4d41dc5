/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the stores do by themselves: show how they are, try again, get a new daemon. */
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "receiver/authorization.h"
#include "receiver/image.h"
#include "receiver/lend.h"
#include "receiver/merge.h"
#include "receiver/status.h"
#include "receiver/stores_table.h"

#define MERGE_RETRY_MS	30000
#define MERGE_ROOM_MS	3000 /* a look at the free space costs nothing */
#define SETTLE_RETRY_MS 5000

void stores_send_status(struct store *store)
{
	const struct status_names names = {
		.vm = store->vm,
		.relationship = store->relationship,
		.node = store->receiver->node,
		.peer_site = store->peer_site,
		.directory = store->directory,
		.resource = store->resource,
	};

	if (store->receiver->link != NULL) {
		status_send(store->receiver->link, &store->view, &names);
	}
}

/* A removed entry shows at once, not when the primary has tried again: its broker may be all that
 * it gets to. */
static void store_note_trust(struct store *store)
{
	char reason[REASON_MAX + 1] = "";
	bool known = authorization_knows_site(store->receiver->authorization, store->peer_site);

	if (!known) {
		snprintf(reason, sizeof(reason),
			 "site %s is not authorized any more: see vmreplica authorize",
			 store->peer_site);
	}
	view_set_trust(&store->view, known ? "" : "not-authorized", reason);
}

static void statuses_send(struct receiver *receiver)
{
	for (size_t i = 0; i < receiver->stores->count; i++) {
		struct stores_entry *entry = receiver->stores->entries[i];

		store_note_trust(entry->store);
		if (entry->opened && view_take(&entry->store->view)) {
			stores_send_status(entry->store);
		}
	}
}

static void status_post_cb(void *arg)
{
	struct receiver *receiver = arg;

	if (receiver->stores != NULL) {
		atomic_store(&receiver->stores->status_posted, false);
		statuses_send(receiver);
	}
}

void stores_status_soon(struct receiver *receiver)
{
	if (atomic_exchange(&receiver->stores->status_posted, true)) {
		return;
	}
	if (receiver_post(receiver, status_post_cb, receiver) < 0) {
		atomic_store(&receiver->stores->status_posted, false); /* the tick sends it */
	}
}

/* After its daemon's death: open the image again, so that its locks are held. */
static int revive_run(void *arg)
{
	struct store *store = arg;
	struct answer answer;
	int rc = 0;

	pthread_mutex_lock(&store->lock);
	if (store_check(store, &answer) == 0 && store->manifest.current.disk_count > 0) {
		rc = image_attach(store, STORE_CURRENT, false, &answer, NULL);
	}
	pthread_mutex_unlock(&store->lock);
	if (rc < 0) {
		store_note(store, &answer);
	}
	return rc;
}

/* Has its daemon died? Only a look: when somebody works with it, that one will notice. */
static bool daemon_is_dead(struct store *store)
{
	char error[QSD_ERROR_LEN];
	bool dead;

	if (pthread_mutex_trylock(&store->lock) != 0) {
		return false;
	}
	dead = store->qsd != NULL && !qsd_is_alive(store->qsd, error);
	pthread_mutex_unlock(&store->lock);
	return dead;
}

/* Only a look, as above. */
static bool manifest_is_in_doubt(struct store *store, int64_t now_ms)
{
	bool doubt;

	if (now_ms < store->settle_retry_ms || pthread_mutex_trylock(&store->lock) != 0) {
		return false;
	}
	doubt = store->broken && !store->stale;
	pthread_mutex_unlock(&store->lock);
	if (doubt) {
		store->settle_retry_ms = now_ms + SETTLE_RETRY_MS;
	}
	return doubt;
}

static bool apply_is_due(struct store *store, int64_t now_ms)
{
	bool behind;

	if (atomic_load(&store->apply_queued) || now_ms < store->apply_retry_ms) {
		return false;
	}
	pthread_mutex_lock(&store->view.lock);
	behind = store->view.applied_seq < store->view.committed.seq &&
		 !store->view.resync_needed && !atomic_load(&store->taken);
	pthread_mutex_unlock(&store->view.lock);
	return behind;
}

static void merge_done_cb(void *arg, int result)
{
	struct store *store = arg;

	store->merge_queued = false;
	store->merge_retry_ms =
		result >= 0 ? 0
			    : clock_monotonic_ms() +
				      (result == -ENOSPC ? MERGE_ROOM_MS : MERGE_RETRY_MS);
	if (result != 0) {
		merge_kick(store);
	}
	store_unref(store);
}

static void merge_submit(struct store *store, int64_t now_ms)
{
	int64_t again_ms = atomic_load(&store->merge_again_ms);
	bool again = again_ms != 0 && now_ms >= again_ms;

	if (store->merge_queued || now_ms < store->merge_retry_ms ||
	    (!again && !atomic_load(&store->merge_wanted))) {
		return;
	}
	store->merge_queued = true;
	atomic_fetch_add(&store->receiver->merges_waiting, 1);
	if (workers_submit(store->receiver->merge_workers, merge_run, merge_done_cb,
			   store_ref(store)) < 0) {
		atomic_fetch_sub(&store->receiver->merges_waiting, 1);
		merge_done_cb(store, -ENOMEM);
	}
}

void stores_tick(struct receiver *receiver)
{
	int64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < receiver->stores->count; i++) {
		struct stores_entry *entry = receiver->stores->entries[i];

		if (!entry->opened || entry->working || entry->close_wanted) {
			continue;
		}
		if (manifest_is_in_doubt(entry->store, now_ms)) {
			stores_submit(entry, store_settle_run, stores_work_done_cb);
		} else if (daemon_is_dead(entry->store)) {
			stores_submit(entry, revive_run, stores_work_done_cb);
		} else if (lend_is_over(entry->store, now_ms)) {
			stores_submit(entry, lend_expire_run, stores_work_done_cb);
		} else if (apply_is_due(entry->store, now_ms)) {
			apply_kick(entry->store);
		}
		merge_submit(entry->store, now_ms);
	}
	statuses_send(receiver);
}
