/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiver from the wire to the image: what was acknowledged is in the replica, byte for byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver_rig.h"
#include "replica_model.h"
#include "unit.h"
#include "wire_sender.h"

#define INITIAL VMREPLICA__WIRE__MODE__MODE_INITIAL
#define DELTA	VMREPLICA__WIRE__MODE__MODE_DELTA
#define RESYNC	VMREPLICA__WIRE__MODE__MODE_RESYNC

static struct rig rig;
static struct model model;
static struct sender sender;

static void begin_clean(void)
{
	rig_init(&rig);
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
}

static void end_clean(void)
{
	rig_destroy(&rig);
	model_destroy(&model);
}

static void replica_check(void)
{
	if (!rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000)) {
		CU_FAIL("not applied");
		fprintf(stderr, "%s: %s\n", rig.status.code, rig.status.reason);
	}
	CU_ASSERT_EQUAL(rig.status.disk_count, MODEL_DISKS);
	for (unsigned int i = 0; i < rig.status.disk_count; i++) {
		CU_ASSERT_TRUE(model_matches(&model, i, rig.status.tops[i]));
	}
}

static void initial_run(void)
{
	model_change(&model, 60);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, INITIAL);
	sender_begin(&sender, &model, INITIAL, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(&sender, &model, i, 0, model.disks[i].size, false);
	}
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
}

static void delta_run(int changes)
{
	model_change(&model, changes);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
}

static void test_initial_and_deltas(void)
{
	begin_clean();
	initial_run();
	replica_check();
	for (int i = 0; i < 5; i++) {
		delta_run(25);
	}
	replica_check();
	CU_ASSERT_EQUAL(rig.status.state, VMREPLICA__STATE__STATE_REPLICATING);
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_OK);
	CU_ASSERT_EQUAL(rig.status.cycles_ok, 6);
	CU_ASSERT_EQUAL(rig.status.cycles_failed, 0);
	CU_ASSERT_EQUAL(rig.status.spool_bytes, 0);
	CU_ASSERT_TRUE(rig.status.bytes_wire > 0);
	sender_drop(&sender);
	end_clean();
}

/* The next connection after an interruption: the mark is as it was asked for. */
static void enter_with_mark(Vmreplica__Wire__Mode mode, const struct sender_mark *expected)
{
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, mode);
	CU_ASSERT_EQUAL(sender.mark.mode, expected->mode);
	CU_ASSERT_EQUAL(sender.mark.seq, expected->seq);
	CU_ASSERT_STRING_EQUAL(sender.mark.cut_id, expected->cut_id);
	CU_ASSERT_EQUAL(sender.mark.disk, expected->disk);
	CU_ASSERT_EQUAL(sender.mark.offset, expected->offset);
	CU_ASSERT_TRUE(sender.next_seq > expected->seq);
}

static void receiver_replace(bool cruelly)
{
	if (cruelly) {
		rig_kill(&rig);
	} else {
		rig_stop(&rig);
	}
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
}

/* Initial replication, cut off twice: once the network, once the receiver. What is before the mark
 * is not sent again unless it changed. */
static void test_initial_resumed(void)
{
	struct sender_mark mark;

	begin_clean();
	model_change(&model, 60);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	sender_begin(&sender, &model, INITIAL, false);
	sender_range(&sender, &model, 0, 0, 10u << 20, false);
	CU_ASSERT_TRUE(sender_mark(&sender, 0, 10u << 20));
	mark = sender.mark;
	model_clear_dirty(&model);
	sender_range(&sender, &model, 0, 10u << 20, 13u << 20, false);
	sender_drop(&sender);
	model_change(&model, 20);

	enter_with_mark(INITIAL, &mark);
	sender_begin(&sender, &model, INITIAL, true);
	sender_range(&sender, &model, 0, 0, 10u << 20, true);
	sender_range(&sender, &model, 0, 10u << 20, model.disks[0].size, false);
	CU_ASSERT_TRUE(sender_mark(&sender, 1, 0));
	mark = sender.mark;
	model_clear_dirty(&model);
	sender_range(&sender, &model, 1, 0, 2u << 20, false);
	receiver_replace(true);
	sender_drop(&sender);
	model_change(&model, 20);

	enter_with_mark(INITIAL, &mark);
	sender_begin(&sender, &model, INITIAL, true);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	sender_range(&sender, &model, 1, 0, model.disks[1].size, false);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	replica_check();
	delta_run(10);
	replica_check();
	sender_drop(&sender);
	end_clean();
}

static void test_delta_resumed(void)
{
	struct sender_mark mark;

	begin_clean();
	initial_run();
	model_change(&model, 60);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, 12u << 20, true);
	CU_ASSERT_TRUE(sender_mark(&sender, 0, 12u << 20));
	mark = sender.mark;
	sender_range(&sender, &model, 0, 12u << 20, 16u << 20, true);
	receiver_replace(true);
	sender_drop(&sender);
	/* Not yet received: keep beyond the mark what was dirty; within it only what changes from
	 * now on. */
	memset(model.disks[0].dirty, 0, (12u << 20) / MODEL_CLUSTER);
	model_change(&model, 20);
	enter_with_mark(DELTA, &mark);
	sender_begin(&sender, &model, DELTA, true);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	replica_check();
	delta_run(10);
	replica_check();
	sender_drop(&sender);
	end_clean();
}

/* A cycle given up for another cut on the same connection goes on from the mark without a new
 * HELLO. */
static void test_abort_and_go_on(void)
{
	Vmreplica__Wire__CycleAbort abort_message = VMREPLICA__WIRE__CYCLE_ABORT__INIT;

	begin_clean();
	initial_run();
	model_change(&model, 40);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	CU_ASSERT_TRUE(sender_mark(&sender, 1, 0));
	channel_send(&sender.channel, FRAME_CYCLE_ABORT, &abort_message.base, NULL, 0, 5000);
	memset(model.disks[0].dirty, 0, model.disks[0].clusters);
	model_change(&model, 10);
	sender_begin(&sender, &model, DELTA, true);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	replica_check();
	sender_drop(&sender);
	end_clean();
}

static uint64_t resync_all(uint64_t from_disk0)
{
	uint64_t sent = sender_resync_range(&sender, &model, 0, from_disk0, model.disks[0].size);

	return sent + sender_resync_range(&sender, &model, 1, 0, model.disks[1].size);
}

/* The sender asks for it (it lost its bitmaps); it is interrupted; the replica stays the old cut
 * until the commit. */
static void test_resync(void)
{
	struct model before;
	struct sender_mark mark;
	uint64_t sent;

	begin_clean();
	initial_run();
	replica_check();
	model_init(&before);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(before.disks[i].data, model.disks[i].data, model.disks[i].size);
	}
	model_change(&model, 12);
	model_clear_dirty(&model); /* lost */
	sender_begin(&sender, &model, RESYNC, false);
	CU_ASSERT_NOT_EQUAL(sender_resync_range(&sender, &model, 0, 0, 12u << 20), UINT64_MAX);
	CU_ASSERT_TRUE(sender_mark(&sender, 0, 12u << 20));
	mark = sender.mark;
	CU_ASSERT_NOT_EQUAL(sender_resync_range(&sender, &model, 0, 12u << 20, 14u << 20),
			    UINT64_MAX);
	receiver_replace(true);
	sender_drop(&sender);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 5000));
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_TRUE(model_matches(&before, i, rig.status.tops[i]));
	}
	model_destroy(&before);
	model_change(&model, 3);

	enter_with_mark(RESYNC, &mark);
	sender_begin(&sender, &model, RESYNC, true);
	sender_range(&sender, &model, 0, 0, 12u << 20, true);
	sent = resync_all(12u << 20);
	CU_ASSERT_TRUE(sent < (model.disks[0].size + model.disks[1].size) / 2);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	replica_check();
	CU_ASSERT_EQUAL(rig.status.resyncs, 1);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, VMREPLICA__STATE__STATE_REPLICATING, 5000));
	delta_run(10);
	replica_check();
	sender_drop(&sender);
	end_clean();
}

/* COMMITTED is lost on the wire: WELCOME tells, and the same cycle sent again is acknowledged
 * again. */
static void test_commit_repeated(void)
{
	struct sender_cut lost;

	begin_clean();
	initial_run();
	model_change(&model, 10);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	sender_send_end(&sender);
	lost = sender.cut;
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, lost.seq, 20000));
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.committed.seq, lost.seq);
	CU_ASSERT_STRING_EQUAL(sender.committed.cut_id, lost.cut_id);
	sender_begin_cut(&sender, &model, DELTA, false, &lost);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	replica_check();
	delta_run(10);
	replica_check();
	CU_ASSERT_EQUAL(rig.status.cycles_ok, 3);
	sender_drop(&sender);
	end_clean();
}

/* Deltas with a kill -9 of the receiver at any moment: whatever WELCOME says afterwards holds. */
static void test_killed_anywhere(void)
{
	begin_clean();
	initial_run();
	for (int round = 0; round < 8; round++) {
		struct sender_cut cut;
		uint64_t stop = rig_random((uint32_t)(model.disks[0].size));

		model_change(&model, 30);
		sender_begin(&sender, &model, DELTA, false);
		cut = sender.cut;
		sender_range(&sender, &model, 0, 0, stop, true);
		if (round % 3 == 0) {
			rig_kill(&rig);
		}
		sender_range(&sender, &model, 0, stop, model.disks[0].size, true);
		sender_range(&sender, &model, 1, 0, model.disks[1].size, true);
		sender_send_end(&sender);
		if (round % 3 != 0) {
			usleep(rig_random(30000));
			rig_kill(&rig);
		}
		sender_drop(&sender);
		rig_start(&rig, "b1");
		CU_ASSERT_EQUAL(rig_open(&rig), 0);
		CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
		CU_ASSERT_EQUAL(sender.mode, DELTA);
		if (strcmp(sender.committed.cut_id, cut.cut_id) != 0) {
			sender_begin(&sender, &model, DELTA, false);
			sender_dirty(&sender, &model);
			CU_ASSERT_TRUE(sender_end(&sender));
		}
		model_clear_dirty(&model);
		replica_check();
	}
	sender_drop(&sender);
	end_clean();
}

/* The replica moves to another node in the middle of a delta: the partial log goes with it, older
 * layers stay as they are, and the old owner's file is not written. */
static void test_moved(void)
{
	struct sender_mark mark;
	struct stat old_before, old_after;
	char old_top[RIG_PATH];

	begin_clean();
	initial_run();
	delta_run(10);
	replica_check();
	strcpy(old_top, rig.status.tops[0]);
	model_change(&model, 40);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	CU_ASSERT_TRUE(sender_mark(&sender, 1, 0));
	mark = sender.mark;
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	CU_ASSERT_EQUAL(sender_answer(&sender, 5000), FRAME_MOVED);
	CU_ASSERT_EQUAL(sender_answer(&sender, 5000), 0);
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_MOVED);
	sender_drop(&sender);
	CU_ASSERT_EQUAL(stat(old_top, &old_before), 0);

	rig_stop(&rig);
	rig_start(&rig, "b2");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	memset(model.disks[0].dirty, 0, model.disks[0].clusters);
	model_change(&model, 5);
	enter_with_mark(DELTA, &mark);
	sender_begin(&sender, &model, DELTA, true);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	replica_check();
	CU_ASSERT_EQUAL(rig.status.generation, 2);
	CU_ASSERT_STRING_NOT_EQUAL(rig.status.tops[0], old_top);
	CU_ASSERT_EQUAL(stat(old_top, &old_after), 0);
	CU_ASSERT_EQUAL(old_before.st_mtim.tv_nsec, old_after.st_mtim.tv_nsec);
	CU_ASSERT_EQUAL(old_before.st_size, old_after.st_size);
	sender_drop(&sender);
	end_clean();
}

/* Initial replication moves as well. */
static void test_initial_moved(void)
{
	struct sender_mark mark;

	begin_clean();
	model_change(&model, 60);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	sender_begin(&sender, &model, INITIAL, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, false);
	CU_ASSERT_TRUE(sender_mark(&sender, 1, 0));
	mark = sender.mark;
	model_clear_dirty(&model);
	rig_kill(&rig);
	sender_drop(&sender);
	rig_start(&rig, "b2");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	model_change(&model, 20);
	enter_with_mark(INITIAL, &mark);
	sender_begin(&sender, &model, INITIAL, true);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	sender_range(&sender, &model, 1, 0, model.disks[1].size, false);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	replica_check();
	delta_run(5);
	replica_check();
	sender_drop(&sender);
	end_clean();
}

/* Runs last: what the receivers of all tests needed at most. */
static void test_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	CU_PASS("sanitizers need memory of their own");
#else
	begin_clean();
	initial_run();
	for (int i = 0; i < 3; i++) {
		delta_run(100);
	}
	replica_check();
	sender_drop(&sender);
	rig_stop(&rig);
	fprintf(stderr, "peak RSS of the receiver: %lu KiB\n", rig.peak_rss_kib);
	CU_ASSERT_TRUE(rig.peak_rss_kib > 0 && rig.peak_rss_kib < 40 * 1024);
	end_clean();
#endif
}

static const struct unit_test tests[] = {
	{"initial and deltas", test_initial_and_deltas},
	{"initial resumed", test_initial_resumed},
	{"delta resumed", test_delta_resumed},
	{"abort and go on", test_abort_and_go_on},
	{"resync", test_resync},
	{"commit repeated", test_commit_repeated},
	{"killed anywhere", test_killed_anywhere},
	{"moved", test_moved},
	{"initial moved", test_initial_moved},
	{"memory", test_memory},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver end to end", tests, sizeof(tests) / sizeof(tests[0]));
}
