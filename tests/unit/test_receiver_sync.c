/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage that cannot make data durable: nothing is acknowledged over a failed fsync, and none is
 * tried again. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault_sync.h"
#include "points_scene.h"
#include "takeover_scene.h"
#include "unit.h"

/* One fsync of the receiver's fails, each in turn from the first of a delta's commit to the last of
 * its applying. What was acknowledged is there afterwards, and what was not can be sent again. */
static void test_any_sync(void)
{
	int failed = 0;

	scene_begin();
	scene_initial();
	scene_check();
	for (int k = 0; k < 8; k++) {
		struct sender_cut cut;
		bool acknowledged;

		model_change(&model, 8);
		fault_sync_arm(FAULT_CHILD, k, 1);
		sender_begin(&sender, &model, DELTA, false);
		sender_dirty(&sender, &model);
		acknowledged = sender_end(&sender);
		CU_ASSERT_EQUAL(acknowledged, k >= 4); /* log, its directory, manifest, directory */
		if (!acknowledged) {
			CU_ASSERT_EQUAL(sender.answer, FRAME_BUSY);
			CU_ASSERT_STRING_EQUAL(sender.code, "storage-error");
			CU_ASSERT_TRUE(scene_wait_code("storage-error", 5000));
		}
		if (acknowledged) { /* then the applier meets it: at the batch's begin or its end */
			CU_ASSERT_TRUE(scene_wait_code("storage-error", 20000));
		}
		failed += fault_sync_disarm();
		/* A manifest in doubt needs an open that reads it again. */
		CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
		CU_ASSERT_EQUAL(rig_open(&rig), 0);
		cut = sender.cut;
		scene_enter();
		CU_ASSERT_EQUAL(sender.mode, DELTA);
		if (acknowledged) {
			CU_ASSERT_STRING_EQUAL(sender.committed.cut_id, cut.cut_id);
		}
		if (strcmp(sender.committed.cut_id, cut.cut_id) != 0) {
			scene_delta_of_dirty();
		}
		model_clear_dirty(&model);
		scene_check();
	}
	CU_ASSERT_EQUAL(failed, 8);
	scene_end();
}

static void test_mark_of_log(void)
{
	scene_begin();
	scene_initial();
	model_change(&model, 20);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, 8u << 20, true);
	fault_sync_arm(FAULT_CHILD, 0, 1);
	CU_ASSERT_FALSE(sender_mark(&sender, 0, 8u << 20));
	CU_ASSERT_STRING_EQUAL(sender.code, "storage-error");
	CU_ASSERT_EQUAL(fault_sync_disarm(), 1);
	scene_enter();
	CU_ASSERT_EQUAL(sender.mark.mode, VMREPLICA__WIRE__MODE__MODE_NONE);
	scene_delta_of_dirty();
	scene_check();
	scene_end();
}

/* A log that could not be made durable is asked for as a whole, whatever was marked before: it is
 * never synced again. */
static void test_log_after_mark(void)
{
	for (int skip = 0; skip < 2; skip++) { /* the log; its directory */
		scene_begin();
		scene_initial();
		model_change(&model, 20);
		sender_begin(&sender, &model, DELTA, false);
		sender_range(&sender, &model, 0, 0, 8u << 20, true);
		CU_ASSERT_TRUE(sender_mark(&sender, 0, 8u << 20));
		sender_range(&sender, &model, 0, 8u << 20, model.disks[0].size, true);
		sender_range(&sender, &model, 1, 0, model.disks[1].size, true);
		fault_sync_arm(FAULT_CHILD, skip, 1);
		CU_ASSERT_FALSE(sender_end(&sender));
		CU_ASSERT_STRING_EQUAL(sender.code, "storage-error");
		CU_ASSERT_EQUAL(fault_sync_disarm(), 1);
		scene_enter();
		CU_ASSERT_EQUAL(sender.committed.seq, 1);
		CU_ASSERT_EQUAL(sender.mark.mode, VMREPLICA__WIRE__MODE__MODE_NONE);
		scene_delta_of_dirty();
		scene_check();
		scene_end();
	}
}

/* The image's own flush fails while a log is applied: what it holds is not known, so all of it is
 * compared. */
static void test_image(void)
{
	scene_begin();
	scene_initial();
	scene_check();
	fault_sync_arm(FAULT_GRANDCHILD, 0, -1);
	scene_delta(10); /* its log is durable: acknowledged */
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 10000));
	CU_ASSERT_TRUE(fault_sync_disarm() > 0);
	scene_resync_now("failed to make data durable");
	scene_end();
}

/* The same in the middle of initial replication: the copy, and its mark, are given up. */
static void test_initial(void)
{
	scene_begin();
	model_change(&model, 40);
	scene_enter();
	sender_begin(&sender, &model, INITIAL, false);
	sender_range(&sender, &model, 0, 0, 8u << 20, false);
	CU_ASSERT_TRUE(sender_mark(&sender, 0, 8u << 20));
	sender_range(&sender, &model, 0, 8u << 20, 15u << 20, false);
	fault_sync_arm(FAULT_GRANDCHILD, 0, -1);
	/* something to make durable, whatever was flushed on a slow machine before */
	sender_range(&sender, &model, 0, 15u << 20, 16u << 20, false);
	CU_ASSERT_FALSE(sender_mark(&sender, 0, 16u << 20));
	CU_ASSERT_STRING_EQUAL(sender.code, "storage-error");
	CU_ASSERT_TRUE(fault_sync_disarm() > 0);
	scene_enter();
	CU_ASSERT_EQUAL(sender.mode, INITIAL);
	CU_ASSERT_EQUAL(sender.mark.mode, VMREPLICA__WIRE__MODE__MODE_NONE);
	sender_begin(&sender, &model, INITIAL, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(&sender, &model, i, 0, model.disks[i].size, false);
	}
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	scene_check();
	scene_end();
}

static bool is_merging(void)
{
	struct manifest manifest = scene_manifest();
	bool merging = manifest.merge.from[0] != '\0';

	manifest_destroy(&manifest);
	return merging;
}

/* A merge is under way, and its flush fails; owned: the manifest after it. */
static struct manifest merge_fails(void)
{
	for (int i = 0; i < 400 && !is_merging(); i++) {
		rig_wait(&rig, NULL, 0, 10);
	}
	fault_sync_arm(FAULT_GRANDCHILD, 0, -1);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 20000));
	CU_ASSERT_TRUE(fault_sync_disarm() > 0);
	return scene_manifest();
}

/* Storage fails in the middle of a merge: the layer that was being written is sealed, the points
 * over it are gone and said to be, and nothing is offered until all is compared. Then it goes on.
 */
static void test_merge(void)
{
	struct manifest manifest;
	bool sealed = false;

	points_begin(2, 1, 5000);
	points_cycle(10);
	points_applied_wait();
	CU_ASSERT_EQUAL(points_wait(2), 2);
	rig_wait(&rig, NULL, 0, 500);
	points_cycle(200);
	points_applied_wait();
	manifest = merge_fails();
	CU_ASSERT_EQUAL(manifest.point_count, 0);
	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		sealed |= manifest.current.disks[i].layers[0].sealed;
	}
	CU_ASSERT_TRUE(sealed);
	manifest_destroy(&manifest);
	scene_resync_now("failed to make data durable");
	points_end();
}

/* A test is cleaned up at the very moment when a cycle's log has its name and the manifest does not
 * name it yet: it is not taken for what a crash left. */
static void *cleanup_beside(void *unused)
{
	(void)unused;
	if (fault_sync_wait_held(20000)) {
		taking_end_send(CLEANUP, 1);
		usleep(300000); /* it has the store's lock */
	}
	fault_sync_release();
	return NULL;
}

static void test_cleanup(void)
{
	char path[RIG_PATH + 64];
	pthread_t thread;

	taking_begin(2);
	taking_cycle_applied(8);
	CU_ASSERT_EQUAL(taking_test("web1-test", 0), 0);
	model_change(&model, 8);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	fault_sync_hold(FAULT_CHILD, 1); /* the log; its directory */
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cleanup_beside, NULL), 0);
	CU_ASSERT_TRUE(sender_end(&sender));
	pthread_join(thread, NULL);
	model_clear_dirty(&model);
	CU_ASSERT_EQUAL(rig_taken_wait(&rig, 30000), 0);
	scene_check();
	snprintf(path, sizeof(path), "%s/gen-1/%" PRIu64 ".vrl", rig.store, sender.committed.seq);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	taking_end();
}

/* The oldest point is that of cycle seq, and reads as it. */
static void first_judge(uint64_t seq)
{
	struct manifest manifest = scene_manifest();
	char path[RIG_PATH * 2];

	CU_ASSERT_TRUE_FATAL(manifest.point_count > 0);
	CU_ASSERT_EQUAL(manifest.points[0].cut.seq, seq);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		snprintf(path, sizeof(path), "%s/%s", rig.store, manifest.points[0].disks[i].file);
		CU_ASSERT_TRUE(scene_reads(path, seq, i));
	}
	manifest_destroy(&manifest);
}

/* The same over a layer that no point ends with, but that stands on a point: that one is sound, and
 * is all that could be failed over to now. */
static void test_merge_above(void)
{
	struct manifest manifest;
	uint64_t first;

	points_begin(24, 12, 5000); /* each second cycle */
	first = sender.committed.seq;
	points_applied_wait();
	CU_ASSERT_EQUAL(points_wait(1), 1);
	points_cycle(10);
	points_applied_wait();
	sender_drop(&sender);
	rig_stop(&rig);
	rig_start(&rig, "b2"); /* a boundary that is no point */
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_enter();
	points_cycle(200);
	points_applied_wait();
	manifest = merge_fails();
	CU_ASSERT_EQUAL(manifest.point_count, 1);
	manifest_destroy(&manifest);
	first_judge(first);
	scene_resync_now("failed to make data durable");
	first_judge(first);
	points_end();
}

static const struct unit_test tests[] = {
	{"any fsync of a delta", test_any_sync},
	{"mark of a log", test_mark_of_log},
	{"log after its mark", test_log_after_mark},
	{"image", test_image},
	{"initial", test_initial},
	{"merge", test_merge},
	{"cleanup beside a commit", test_cleanup},
	{"merge above a point", test_merge_above},
};

int main(void)
{
	rig_require_tools();
	if (!fault_sync_is_possible()) {
		fprintf(stderr, "seccomp notifications are not allowed here\n");
		return 77;
	}
	rig_fault_sync = true;
	return unit_run("receiver and failing fsync", tests, sizeof(tests) / sizeof(tests[0]));
}
