/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiver from the wire to the image: what was acknowledged is in the replica, byte for byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replica_scene.h"
#include "proto/limits.h"
#include "unit.h"

static void test_initial_and_deltas(void)
{
	scene_begin();
	scene_initial();
	scene_check();
	for (int i = 0; i < 5; i++) {
		scene_delta(25);
	}
	scene_check();
	CU_ASSERT_EQUAL(rig.status.state, VMREPLICA__STATE__STATE_REPLICATING);
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_OK);
	CU_ASSERT_EQUAL(rig.status.cycles_ok, 6);
	CU_ASSERT_EQUAL(rig.status.cycles_failed, 0);
	CU_ASSERT_EQUAL(rig.status.spool_bytes, 0);
	CU_ASSERT_TRUE(rig.status.bytes_wire > 0);
	sender_drop(&sender);
	scene_end();
}

/* domain.xml of the store is the definition that came last. */
static void check_definition(const char *expected)
{
	size_t len = strlen(expected), got;
	char path[RIG_PATH + 16], *found = calloc(1, len + 2);
	FILE *file;

	snprintf(path, sizeof(path), "%s/domain.xml", rig.store);
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	got = fread(found, 1, len + 2, file);
	fclose(file);
	CU_ASSERT_EQUAL(got, len);
	CU_ASSERT_EQUAL(memcmp(found, expected, len), 0);
	free(found);
}

/* In the message, unchanged, and as long as it may be, behind the message. */
static void test_definition(void)
{
	char *longest = malloc(DOMAIN_XML_MAX + 1);

	memset(longest, 'x', DOMAIN_XML_MAX);
	longest[DOMAIN_XML_MAX] = '\0';
	scene_begin();
	sender.definition = "<domain/>";
	scene_initial();
	check_definition("<domain/>");
	scene_delta(5);
	check_definition("<domain/>");
	sender.definition = longest;
	scene_delta(5);
	check_definition(longest);
	scene_check();
	sender_drop(&sender);
	scene_end();
	free(longest);
}

/* Initial replication, cut off twice: once the network, once the receiver. What is before the mark
 * is not sent again unless it changed. */
static void test_initial_resumed(void)
{
	struct sender_mark mark;

	scene_begin();
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

	scene_enter_with_mark(INITIAL, &mark);
	sender_begin(&sender, &model, INITIAL, true);
	sender_range(&sender, &model, 0, 0, 10u << 20, true);
	sender_range(&sender, &model, 0, 10u << 20, model.disks[0].size, false);
	CU_ASSERT_TRUE(sender_mark(&sender, 1, 0));
	mark = sender.mark;
	model_clear_dirty(&model);
	sender_range(&sender, &model, 1, 0, 2u << 20, false);
	scene_replace_receiver(true);
	sender_drop(&sender);
	model_change(&model, 20);

	scene_enter_with_mark(INITIAL, &mark);
	sender_begin(&sender, &model, INITIAL, true);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	sender_range(&sender, &model, 1, 0, model.disks[1].size, false);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	scene_check();
	scene_delta(10);
	scene_check();
	sender_drop(&sender);
	scene_end();
}

static void test_delta_resumed(void)
{
	struct sender_mark mark;

	scene_begin();
	scene_initial();
	model_change(&model, 60);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, 12u << 20, true);
	CU_ASSERT_TRUE(sender_mark(&sender, 0, 12u << 20));
	mark = sender.mark;
	sender_range(&sender, &model, 0, 12u << 20, 16u << 20, true);
	scene_replace_receiver(true);
	sender_drop(&sender);
	/* Not yet received: keep beyond the mark what was dirty; within it only what changes from
	 * now on. */
	memset(model.disks[0].dirty, 0, (12u << 20) / MODEL_CLUSTER);
	model_change(&model, 20);
	scene_enter_with_mark(DELTA, &mark);
	sender_begin(&sender, &model, DELTA, true);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	scene_check();
	scene_delta(10);
	scene_check();
	sender_drop(&sender);
	scene_end();
}

/* A cycle given up for another cut on the same connection goes on from the mark without a new
 * HELLO. */
static void test_abort_and_go_on(void)
{
	Vmreplica__Wire__CycleAbort abort_message = VMREPLICA__WIRE__CYCLE_ABORT__INIT;

	scene_begin();
	scene_initial();
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
	scene_check();
	sender_drop(&sender);
	scene_end();
}

/* COMMITTED is lost on the wire: WELCOME tells, and the same cycle sent again is acknowledged
 * again. */
static void test_commit_repeated(void)
{
	struct sender_cut lost;

	scene_begin();
	scene_initial();
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
	scene_check();
	scene_delta(10);
	scene_check();
	CU_ASSERT_EQUAL(rig.status.cycles_ok, 3);
	sender_drop(&sender);
	scene_end();
}

/* Deltas with a kill -9 of the receiver at any moment: whatever WELCOME says afterwards holds. */
static void test_killed_anywhere(void)
{
	scene_begin();
	scene_initial();
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
		scene_check();
	}
	sender_drop(&sender);
	scene_end();
}

/* The replica moves to another node in the middle of a delta: the partial log goes with it, older
 * layers stay as they are, and the old owner's file is not written. */
static void test_moved(void)
{
	struct sender_mark mark;
	struct stat old_before, old_after;
	char old_top[RIG_PATH];

	scene_begin();
	scene_initial();
	scene_delta(10);
	scene_check();
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
	scene_enter_with_mark(DELTA, &mark);
	sender_begin(&sender, &model, DELTA, true);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	scene_check();
	CU_ASSERT_EQUAL(rig.status.generation, 2);
	CU_ASSERT_STRING_NOT_EQUAL(rig.status.tops[0], old_top);
	CU_ASSERT_EQUAL(stat(old_top, &old_after), 0);
	CU_ASSERT_EQUAL(old_before.st_mtim.tv_nsec, old_after.st_mtim.tv_nsec);
	CU_ASSERT_EQUAL(old_before.st_size, old_after.st_size);
	sender_drop(&sender);
	scene_end();
}

/* Initial replication moves as well. */
static void test_initial_moved(void)
{
	struct sender_mark mark;

	scene_begin();
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
	scene_enter_with_mark(INITIAL, &mark);
	sender_begin(&sender, &model, INITIAL, true);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	sender_range(&sender, &model, 1, 0, model.disks[1].size, false);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	scene_check();
	scene_delta(5);
	scene_check();
	sender_drop(&sender);
	scene_end();
}

/* A sender that cannot go on from a mark (it lost the cut) begins anew: the mark is not offered
 * again. */
static void test_mark_not_used(void)
{
	scene_begin();
	scene_initial();
	model_change(&model, 30);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	CU_ASSERT_TRUE(sender_mark(&sender, 1, 0));
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mark.mode, DELTA);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, 1u << 20, true);
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mark.mode, VMREPLICA__WIRE__MODE__MODE_NONE);
	scene_delta_of_dirty();
	scene_check();
	scene_end();
}

/* Runs last: what the receivers of all tests needed at most. */
static void test_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	CU_PASS("sanitizers need memory of their own");
#else
	scene_begin();
	scene_initial();
	for (int i = 0; i < 3; i++) {
		scene_delta(100);
	}
	scene_check();
	sender_drop(&sender);
	rig_stop(&rig);
	fprintf(stderr, "peak RSS of the receiver: %lu KiB\n", rig.peak_rss_kib);
	CU_ASSERT_TRUE(rig.peak_rss_kib > 0 && rig.peak_rss_kib < 40 * 1024);
	scene_end();
#endif
}

static const struct unit_test tests[] = {
	{"initial and deltas", test_initial_and_deltas},
	{"the domain's definition", test_definition},
	{"initial resumed", test_initial_resumed},
	{"delta resumed", test_delta_resumed},
	{"abort and go on", test_abort_and_go_on},
	{"commit repeated", test_commit_repeated},
	{"killed anywhere", test_killed_anywhere},
	{"moved", test_moved},
	{"initial moved", test_initial_moved},
	{"mark not used", test_mark_not_used},
	{"memory", test_memory},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver end to end", tests, sizeof(tests) / sizeof(tests[0]));
}
