/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A manifest in doubt: storage has failed in the middle of recording it, so that the old or the new
 * one may be found after a power cut, or what is on disk is known to be wrong and could not be
 * replaced. Nothing is recorded or acknowledged then until the one in memory is durable: written
 * anew into another file, since fsync of what it failed for once would report success for pages
 * that the kernel has dropped.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "receiver/merge.h"
#include "receiver/store.h"
#include "receiver/stores.h"

int store_impose(struct store *store, struct answer *answer)
{
	bool uncertain = false;
	int rc = store_check_generation(store, answer);

	if (rc < 0) {
		store->broken = true;
		return rc;
	}
	rc = manifest_save(store->dir_fd, &store->manifest, &uncertain);
	if (rc == -ESTALE) {
		return store_fenced(store, answer);
	}
	store->broken = rc < 0;
	view_set_manifest(&store->view, &store->manifest, store->directory);
	stores_status_soon(store->receiver);
	pthread_cond_broadcast(&store->changed);
	return rc < 0 ? answer_storage(answer, rc, "writing " MANIFEST_NAME) : 0;
}

int store_distrust(struct store *store, struct answer *answer, const char *format, ...)
{
	struct manifest *manifest = &store->manifest;
	bool news = !manifest->resync_needed;
	va_list args;

	if (news) {
		va_start(args, format);
		vsnprintf(manifest->resync_reason, sizeof(manifest->resync_reason), format, args);
		va_end(args);
		memset(&manifest->mark, 0, sizeof(manifest->mark));
		receiver_event(store->receiver, "warning", store->vm,
			       "resynchronization required: %s", manifest->resync_reason);
	}
	manifest->resync_needed = manifest->distrusted = true;
	return store_impose(store, answer);
}

int store_settle_run(void *arg)
{
	struct store *store = arg;
	struct answer answer;
	int rc = 0;

	pthread_mutex_lock(&store->lock);
	if (store->broken && !store->stale && store->dir_fd >= 0 && !atomic_load(&store->closing)) {
		store->broken = false;
		rc = store_impose(store, &answer);
		if (rc == 0) {
			receiver_event(store->receiver, "notice", store->vm,
				       "the replica's manifest is durable again: it holds cycle "
				       "%" PRIu64,
				       store->manifest.committed.seq);
			apply_kick(store);
			merge_kick(store);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}
