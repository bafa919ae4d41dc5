/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test failovers: a VM reads layers of the store while replication goes on. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "receiver/image.h"
#include "receiver/merge.h"
#include "receiver/takeover_job.h"

#define TEST	VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST
#define NOTHING VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE

/* What was received lies in logs for a moment: the applier brings it into the image, on which the
 * test then begins without any work. Where it cannot, the logs are replayed. */
static int wait_applied(struct takeover_job *job)
{
	struct store *store = job->store;
	uint64_t seq = job->wish.latest ? store->manifest.committed.seq : job->wish.seq;
	int64_t idle_since_ms = 0;
	int rc = 0;

	if (seq > store->manifest.committed.seq) {
		return 0; /* there is none such: that is told later */
	}
	if (store->manifest.applied_seq < seq && !store->manifest.resync_needed) {
		takeover_tell(job, manifest_spool_bytes(&store->manifest));
	}
	while (rc == 0 && store->manifest.applied_seq < seq && !store->manifest.resync_needed &&
	       store->manifest.failover.kind == NOTHING) {
		rc = takeover_wait_apply(job, &idle_since_ms);
	}
	job->wish.seq = seq;
	return rc;
}

/* ---- the layers ---- */

/* The daemon must not have a layer open for writing that the VM will read. */
static int merge_close(struct takeover_job *job)
{
	struct store *store = job->store;
	struct answer answer;
	int rc = 0;

	if (store->qsd != NULL && store->attachment == STORE_CURRENT && store->attachment_merging) {
		image_detach(store);
		rc = image_attach(store, STORE_CURRENT, true, &answer, NULL);
	}
	return rc < 0 ? takeover_refuse_as(job, rc, &answer) : 0;
}

/* Close the current image's tops: what comes goes to new layers. A pending image stands over them
 * already, and after a failover nobody writes them. */
static int current_turn(struct takeover_job *job, struct manifest *next)
{
	struct store *store = job->store;
	struct answer answer;
	int rc;

	if (next->pending.disk_count > 0 || next->failover.kind != NOTHING) {
		return 0;
	}
	rc = image_turn(store, next, &next->current, &answer);
	return rc < 0 ? takeover_refuse_as(job, rc, &answer) : 0;
}

static int pins_add(struct takeover_job *job, struct manifest *next)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < next->test.disk_count; i++) {
		rc = manifest_pin_add(next, next->test.disks[i].base, next->test.holder);
	}
	return rc < 0 ? takeover_refuse(job, rc, "too many layers are in use") : 0;
}

/* All that the record changes, in one step. */
static int test_record(struct takeover_job *job, const struct takeover_target *target)
{
	struct store *store = job->store;
	struct manifest_takeover record = {.kind = TEST};
	struct manifest next = {0};
	bool turned = false;
	int rc = takeover_record(job, &store->manifest, target, &record);

	rc = rc < 0 ? rc : takeover_next(job, &next);
	if (rc == 0 && target->log_count > 0) {
		rc = takeover_layers_make(job, &next, &record);
	}
	if (rc == 0 && target->on_current) {
		turned = true;
		rc = current_turn(job, &next);
	}
	record.kind = TEST;
	next.test = record;
	rc = rc < 0 ? rc : pins_add(job, &next);
	rc = rc < 0 ? rc : takeover_save(job, &next);
	if (rc < 0) {
		takeover_layers_remove(store, &record);
		if (turned) {
			image_stop(store); /* new layers that nothing names may be open */
		}
	}
	manifest_destroy(&next);
	return rc;
}

/* With the current image open for writing when its tops are to be turned. */
static int current_open(struct takeover_job *job, const struct takeover_target *target)
{
	struct store *store = job->store;
	struct answer answer;
	int rc;

	if (!target->on_current || store->manifest.pending.disk_count > 0 ||
	    store->manifest.failover.kind != NOTHING) {
		return 0;
	}
	rc = image_attach(store, STORE_CURRENT, true, &answer, NULL);
	return rc < 0 ? takeover_refuse_as(job, rc, &answer) : 0;
}

/* ---- the whole ---- */

/* Let go of what stands; its files too. */
static int test_forget(struct takeover_job *job)
{
	struct store *store = job->store;
	struct manifest_takeover old = {.kind = NOTHING};
	struct manifest next = {0};
	int rc = takeover_next(job, &next);

	if (rc < 0) {
		return rc;
	}
	old = next.test;
	memset(&next.test, 0, sizeof(next.test));
	manifest_pin_drop(&next, old.holder);
	rc = takeover_save(job, &next);
	manifest_destroy(&next);
	if (rc == 0) {
		takeover_layers_remove(store, &old);
		store_sweep(store); /* chains that only the pins kept */
		merge_kick(store);
	}
	manifest_takeover_destroy(&old);
	return rc;
}

static int test_finish(struct takeover_job *job, const struct takeover_target *target)
{
	struct store *store = job->store;
	struct manifest_takeover record = {.kind = NOTHING};
	struct manifest next = {0};
	int rc = manifest_takeover_copy(&store->manifest.test, &record);

	rc = rc < 0 ? takeover_refuse(job, rc, "out of memory")
		    : takeover_build(job, target, &record);
	rc = rc < 0 ? rc : takeover_next(job, &next);
	if (rc == 0) {
		manifest_takeover_destroy(&next.test);
		next.test = record;
		memset(&record, 0, sizeof(record));
		next.test.ready = true;
		rc = takeover_save(job, &next);
	}
	manifest_takeover_destroy(&record);
	manifest_destroy(&next);
	return rc;
}

/* Nothing writes the layers while they are chosen, turned and pinned. */
static int test_begin(struct takeover_job *job, struct takeover_target *target)
{
	struct store *store = job->store;
	int rc = merge_hold(store, TAKEOVER_IDLE_MS);

	if (rc < 0) {
		return takeover_refuse(job, -EBUSY, "layers are still being merged: try again");
	}
	rc = takeover_hold(job);
	if (rc == 0 && job->wish.latest && store->manifest.applied_seq >= job->wish.seq) {
		/* More may have come: what is applied is the newest that costs nothing. */
		job->wish.latest = false;
		job->wish.seq = store->manifest.applied_seq;
	}
	rc = rc < 0 ? rc : merge_close(job);
	rc = rc < 0 ? rc : takeover_find(job, &store->manifest, target);
	rc = rc < 0 ? rc : current_open(job, target);
	if (rc == 0) {
		rc = test_record(job, target);
		if (rc < 0) {
			takeover_target_destroy(target);
		}
	}
	takeover_release(job);
	merge_release(store);
	return rc;
}

/* 1: what is wished stands already; 0: nothing stands. */
static int test_stands(struct takeover_job *job)
{
	const struct manifest_takeover *test = &job->store->manifest.test;

	if (job->store->manifest.failover.committed) {
		return takeover_refuse(job, -EPERM,
				       "the failover is committed: there are no points any more");
	}
	if (test->kind == NOTHING) {
		return 0;
	}
	if (strcmp(test->holder, job->holder) != 0 ||
	    (!job->wish.latest && test->cut.seq != job->wish.seq)) {
		return takeover_refuse(job, -EBUSY,
				       "a test failover of cycle %" PRIu64
				       " stands as %s: clean it "
				       "up first (vmreplica failover --test-cleanup)",
				       test->cut.seq, test->holder);
	}
	return test->ready ? 1 : test_forget(job); /* half made by a receiver that ended */
}

int takeover_test_run(struct takeover_job *job)
{
	struct takeover_target target = {.log_count = 0};
	char error[TAKEOVER_ERROR_LEN];
	int rc;

	if (job->estimate) {
		return takeover_estimate(job);
	}
	rc = test_stands(job);
	if (rc == 0) {
		rc = wait_applied(job);
		rc = rc < 0 ? rc : test_begin(job, &target);
		if (rc < 0) {
			return rc;
		}
		rc = test_finish(job, &target);
		job->bytes = target.bytes;
		takeover_target_destroy(&target);
		if (rc < 0) {
			memcpy(error, job->error, sizeof(error));
			test_forget(job); /* a failure of that is seen by the next request */
			memcpy(job->error, error, sizeof(error));
		}
	}
	return rc < 0 ? rc : takeover_answer(job, &job->store->manifest.test);
}

int takeover_cleanup_run(struct takeover_job *job)
{
	return job->store->manifest.test.kind == NOTHING ? 0 : test_forget(job);
}
