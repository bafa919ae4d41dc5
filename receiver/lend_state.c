/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state that is lent, and what changed up to it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "receiver/image.h"
#include "receiver/lend_job.h"
#include "receiver/spool.h"
#include "receiver/states.h"

#define IDLE_WAIT_MS 30000 /* until the applier is between two batches */
#define LAYERS_MAX   (MANIFEST_LAYERS_MAX - 10u)

int lending_refuse(struct lending *lending, int rc, const char *text)
{
	snprintf(lending->error, sizeof(lending->error), "%.500s", text);
	return rc;
}

/* ---- the state that stands ---- */

/* The applier begins no batch while somebody waits for this. The lock is held. */
static int idle_wait(struct lending *lending)
{
	struct store *store = lending->store;
	int rc;

	store->apply_holds++;
	rc = apply_wait_idle(store, IDLE_WAIT_MS);
	store->apply_holds--;
	return rc < 0 ? lending_refuse(lending, -EAGAIN,
				       "a large batch of logs is being applied to the replica")
		      : 0;
}

/* The current image is what it was at applied_seq, and may be opened: between two batches, and
 * while no resynchronization writes another one. The lock is held. */
static bool current_stands(const struct store *store)
{
	const struct manifest *manifest = &store->manifest;

	return manifest->current.disk_count > 0 && manifest->batch_seq == 0 &&
	       !manifest->resync_needed && !manifest->adopted.pending &&
	       store->attachment != STORE_PENDING;
}

/* The newest application-consistent point that what changed since lending->after leads to, and
 * something did: a reader that has that cut goes forward with it. */
static const struct manifest_point *application_point(const struct lending *lending)
{
	const struct manifest *manifest = &lending->store->manifest;
	size_t first, end;

	for (size_t i = manifest->point_count; i > 0; i--) {
		const struct manifest_point *point = &manifest->points[i - 1];

		if (point->application && point->cut.seq <= manifest->applied_seq &&
		    changes_find_logs(manifest, &lending->logs, lending->after, point->cut.seq,
				      &first, &end) == 0 &&
		    first < end) {
			return point;
		}
	}
	return NULL;
}

/* The newest state, or none: a reader never goes back. *ret_point is its recovery point, when it is
 * one. */
static int state_choose(struct lending *lending, const struct manifest_point **ret_point)
{
	const struct manifest *manifest = &lending->store->manifest;
	const struct manifest_point *newest, *point = NULL;

	if (manifest->failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		return lending_refuse(lending, -EAGAIN,
				      "the replica was failed over: the VM itself is read then");
	}
	if (manifest->applied_seq == 0) {
		return lending_refuse(lending, -EAGAIN,
				      "initial replication of the replica is not complete");
	}
	if (manifest->point_count > 0) {
		newest = &manifest->points[manifest->point_count - 1];
		point = newest->cut.seq == manifest->applied_seq ? newest : NULL;
	}
	if (lending->want_application && lending->after[0] != '\0' &&
	    application_point(lending) != NULL) {
		point = application_point(lending);
		lending->cut = point->cut;
		lending->application = true;
		*ret_point = point;
		return 0;
	}
	if (point == NULL && !lending->look && !current_stands(lending->store)) {
		return lending_refuse(lending, -EAGAIN,
				      "the replica is being resynchronized, or waits for it");
	}
	*ret_point = point;
	return changes_find_cut(manifest, &lending->logs, manifest->applied_seq, &lending->cut,
				&lending->application) < 0
		       ? lending_refuse(lending, -EAGAIN,
					"the cut of the replica's newest state is not known: the "
					"next cycle brings one")
		       : 0;
}

static void disk_take(struct lending *lending, const char *name, uint64_t size_bytes,
		      const char *file)
{
	struct extent_file_disk *disk = &lending->disks[lending->disk_count];

	snprintf(disk->name, sizeof(disk->name), "%s", name);
	disk->size_bytes = size_bytes;
	snprintf(lending->files[lending->disk_count++], sizeof(lending->files[0]), "%s", file);
}

/* The tops are about to be closed: image's disks before that. */
static void disks_take_current(struct lending *lending)
{
	const struct manifest_image *image = &lending->store->manifest.current;

	for (size_t i = 0; i < image->disk_count; i++) {
		disk_take(lending, image->disks[i].name, image->disks[i].size_bytes,
			  manifest_disk_top(&image->disks[i])->file);
	}
}

static void disks_take_point(struct lending *lending, const struct manifest_point *point)
{
	for (size_t i = 0; i < point->disk_count; i++) {
		disk_take(lending, point->disks[i].name, point->disks[i].size_bytes,
			  point->disks[i].file);
	}
}

static bool layers_have_room(const struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->current.disk_count; i++) {
		if (manifest->current.disks[i].layer_count >= LAYERS_MAX) {
			return false;
		}
	}
	return true;
}

static int pins_set(struct lending *lending, struct manifest *next)
{
	int rc = 0;

	for (size_t i = 0; i < lending->disk_count && rc == 0; i++) {
		rc = manifest_pin_add(next, lending->files[i], lending->holder);
	}
	return rc;
}

/* Close the tops, unless a point has done that already, and pin what is lent. The lock is held. */
static int state_pin(struct lending *lending, bool turn)
{
	struct store *store = lending->store;
	struct manifest next = {0};
	struct answer answer = {0};
	int rc = turn ? image_attach(store, STORE_CURRENT, true, &answer, NULL) : 0;

	if (rc < 0 || manifest_copy(&store->manifest, &next) < 0) {
		return lending_refuse(lending, rc < 0 ? rc : -ENOMEM, answer.reason);
	}
	manifest_pin_drop(&next, lending->holder);
	if (turn && !layers_have_room(&next)) {
		manifest_destroy(&next);
		return lending_refuse(lending, -EAGAIN,
				      "the replica has too many layers that are not merged yet");
	}
	rc = pins_set(lending, &next);
	if (rc == 0 && turn) {
		rc = image_turn(store, &next, &next.current, &answer);
	}
	if (rc == 0) {
		rc = store_save(store, &next, &answer);
		if (rc < 0 && turn) {
			image_stop(store); /* new layers that nothing names may be open */
		}
	}
	manifest_destroy(&next);
	if (rc == 0) {
		atomic_store(&store->lease_ms, clock_monotonic_ms() + LEND_LEASE_MS);
	}
	return rc < 0 ? lending_refuse(lending, rc, answer.reason) : 0;
}

static void known_judge(struct lending *lending)
{
	const struct manifest *manifest = &lending->store->manifest;
	size_t first, end;

	for (size_t i = 0; i < lending->asked_count; i++) {
		lending->known[i] = changes_find_logs(manifest, &lending->logs, lending->asked[i],
						      lending->cut.seq, &first, &end) == 0;
	}
}

/* The lock is held. */
static int state_lend(struct lending *lending)
{
	struct store *store = lending->store;
	const struct manifest_point *point = NULL;
	struct answer answer;
	int rc = store_check(store, &answer);

	if (rc < 0) {
		return lending_refuse(lending, -EAGAIN, answer.reason);
	}
	rc = lending->look ? 0 : idle_wait(lending);
	rc = rc < 0 ? rc : changes_list_logs(&store->manifest, &store->history, &lending->logs);
	rc = rc < 0 ? rc : state_choose(lending, &point);
	if (rc < 0) {
		return rc;
	}
	known_judge(lending);
	if (states_path(store, lending->cut.seq, lending->vm_state, sizeof(lending->vm_state)) <
	    0) {
		lending->vm_state[0] = '\0';
	}
	if (lending->after[0] != '\0' &&
	    changes_find_logs(&store->manifest, &lending->logs, lending->after, lending->cut.seq,
			      &lending->logs_first, &lending->logs_end) < 0) {
		return lending_refuse(lending, -ESTALE,
				      "what changed in the replica since that cut is not known any "
				      "more");
	}
	if (point != NULL) {
		disks_take_point(lending, point);
	} else {
		disks_take_current(lending);
	}
	return lending->look ? 0 : state_pin(lending, point == NULL);
}

/* ---- what changed ---- */

static int extents_write(struct lending *lending)
{
	struct store *store = lending->store;
	int rc = 0;

	for (size_t i = 0; i < lending->disk_count; i++) {
		lending->disks[i].map = dirty_map_new(lending->disks[i].size_bytes);
		rc = lending->disks[i].map == NULL ? -ENOMEM : rc;
	}
	for (size_t i = lending->logs_first; i < lending->logs_end && rc == 0; i++) {
		rc = atomic_load(&store->closing)
			     ? -ECANCELED
			     : changes_add_log(store->directory, &lending->logs.entries[i],
					       lending->disks, lending->disk_count, lending->error);
	}
	if (rc == 0) {
		snprintf(lending->extents, sizeof(lending->extents), "gen-%" PRIu64 "/%s.extents",
			 store->manifest.generation, lending->holder);
		rc = extent_file_write(store->dir_fd, lending->extents, lending->disks,
				       lending->disk_count);
	}
	if (rc < 0 && lending->error[0] == '\0') {
		lending_refuse(lending, rc, strerror(-rc));
	}
	/* a log that went, or is damaged, leads nowhere any more */
	return rc == -ENOENT || rc == -EBADMSG ? -ESTALE : rc;
}

int lend_run(void *arg)
{
	struct lending *lending = arg;
	struct store *store = lending->store;
	int rc;

	pthread_mutex_lock(&store->lock);
	spool_read_begin(store);
	rc = state_lend(lending);
	pthread_mutex_unlock(&store->lock);
	apply_kick(store);
	if (rc == 0 && !lending->look && lending->after[0] != '\0') {
		rc = extents_write(lending);
	}
	pthread_mutex_lock(&store->lock);
	spool_read_end(store);
	pthread_mutex_unlock(&store->lock);
	return rc;
}
