/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery points in a real store: whatever happens to it, every point that it lists reads as the
 * disks were at that cut. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/manifest.h"
#include "points_scene.h"
#include "unit.h"

/* Every second cycle becomes a point, four are kept, the rest is merged into the base. */
static void test_made_and_merged(void)
{
	points_begin(4, 10, 5000);
	for (int i = 0; i < 20; i++) {
		points_cycle(10);
		points_applied_wait();
	}
	CU_ASSERT_TRUE(scene_layers_wait(5, 30000));
	CU_ASSERT_EQUAL(points_wait(4), 4);
	scene_check();
	rig_list(&rig, false, 3); /* in pieces */
	CU_ASSERT_EQUAL(rig.list_error, 0);
	CU_ASSERT_EQUAL(rig.list_count, 4);
	for (size_t i = 0; i < rig.list_count; i++) {
		CU_ASSERT_TRUE(rig.list[i].point);
		CU_ASSERT_STRING_EQUAL(rig.list[i].verdict, i == 0 ? "start" : "ok");
		CU_ASSERT_TRUE(rig.list[i].size_bytes > 0);
		CU_ASSERT_TRUE(i == 0 || rig.list[i].time_ms - rig.list[i - 1].time_ms == 10000);
	}
	rig_list(&rig, true, 0);
	CU_ASSERT_EQUAL(rig.list_count, sender.committed.seq - rig.list[0].seq + 1);
	for (size_t i = 1; i < rig.list_count; i++) {
		CU_ASSERT_EQUAL(rig.list[i].seq, rig.list[i - 1].seq + 1);
		CU_ASSERT_STRING_EQUAL(rig.list[i].verdict, "ok");
	}
	points_end();
}

/* 30 cycles with kills in between, at any moment: of the receiver with its daemon, or of the daemon
 * alone. */
static void test_killed_anywhere(void)
{
	points_begin(3, 1, 5000);
	for (int i = 0; i < 30; i++) {
		points_cycle(12);
		if (i % 3 == 2) {
			usleep(rig_random(2500000));
			if (i % 2 == 0) {
				scene_replace_receiver(true);
				sender_drop(&sender);
				CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
			} else {
				kill(rig_daemon_pid(&rig), SIGKILL);
			}
		}
		if (i % 5 == 4) {
			points_check();
		}
	}
	points_applied_wait();
	CU_ASSERT_TRUE(scene_layers_wait(4, 90000));
	CU_ASSERT_EQUAL(points_wait(3), 3);
	scene_check();
	points_end();
}

static void resync_now(void)
{
	scene_resync_whole();
	scene_note();
}

static void disk_grow(struct model_disk *disk, uint64_t bytes)
{
	uint64_t old_size = disk->size;

	disk->size += bytes;
	disk->clusters = (disk->size + MODEL_CLUSTER - 1) / MODEL_CLUSTER;
	disk->data = realloc(disk->data, disk->size);
	disk->dirty = realloc(disk->dirty, disk->clusters);
	memset(disk->data + old_size, 0, bytes);
	memset(disk->data + disk->size - 100000, 0x5a, 100000);
	model_clear_dirty(&model);
}

/* Points stay what they are through a resynchronization, a disk that grows, and a change of owner;
 * merges go on over all of it. */
static void test_resync_growth_move(void)
{
	points_begin(6, 1, 5000);
	for (int i = 0; i < 3; i++) {
		points_cycle(10);
		points_applied_wait();
	}
	disk_grow(&model.disks[1], 5u << 20);
	model_change(&model, 5);
	resync_now();
	CU_ASSERT_EQUAL(points_wait(5), 5);
	points_cycle(10);
	points_applied_wait();
	CU_ASSERT_EQUAL(points_wait(6), 6);
	sender_drop(&sender);
	rig_kill(&rig);
	rig_start(&rig, "b2");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(points_wait(6), 6);
	scene_enter();
	for (int i = 0; i < 8; i++) {
		points_cycle(10);
		points_applied_wait();
	}
	CU_ASSERT_TRUE(scene_layers_wait(7, 60000));
	CU_ASSERT_EQUAL(points_wait(6), 6);
	scene_check();
	rig_list(&rig, true, 0);
	for (size_t i = 1; i < rig.list_count; i++) {
		CU_ASSERT_STRING_EQUAL(rig.list[i].verdict, "ok");
	}
	points_end();
}

/* Somebody writes a layer in the middle: the points on it and above are gone, those below stay, and
 * after a resynchronization nothing is held against the layer any more. */
static void test_changed_behind_our_back(void)
{
	char command[RIG_PATH * 2 + 128];
	struct manifest manifest;

	points_begin(6, 1, 5000);
	for (int i = 0; i < 3; i++) {
		points_cycle(10);
		points_applied_wait();
	}
	CU_ASSERT_EQUAL(points_wait(4), 4);
	rig_stop(&rig);
	sender_drop(&sender);
	manifest = scene_manifest();
	snprintf(command, sizeof(command),
		 "qemu-io -f qcow2 -c 'write -P 0x55 1M 64k' '%s/%s' >/dev/null", rig.store,
		 manifest.points[2].disks[0].file);
	manifest_destroy(&manifest);
	CU_ASSERT_EQUAL(system(command), 0);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(points_wait(2), 2);
	resync_now();
	CU_ASSERT_EQUAL(points_wait(3), 3);
	points_cycle(10);
	points_applied_wait();
	CU_ASSERT_EQUAL(points_wait(4), 4);
	rig_stop(&rig);
	sender_drop(&sender);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	manifest = scene_manifest();
	CU_ASSERT_FALSE(manifest.resync_needed);
	manifest_destroy(&manifest);
	CU_ASSERT_EQUAL(points_wait(4), 4);
	points_end();
}

static uint64_t base_blocks(void)
{
	struct manifest manifest = scene_manifest();
	char path[RIG_PATH * 2];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", rig.store, manifest.current.disks[0].layers[0].file);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	manifest_destroy(&manifest);
	return (uint64_t)st.st_blocks * 512;
}

/* Zeros that are merged take nothing: the base does not grow by them. */
static void test_sparse(void)
{
	uint64_t before;

	points_begin(1, 1, 5000);
	points_applied_wait();
	before = base_blocks();
	for (int i = 0; i < 3; i++) {
		memset(model.disks[0].data, 0, model.disks[0].size);
		memset(model.disks[0].dirty, 1, model.disks[0].clusters);
		scene_delta_of_dirty();
		scene_note();
		points_applied_wait();
	}
	CU_ASSERT_TRUE(scene_layers_wait(2, 30000));
	CU_ASSERT_EQUAL(points_wait(1), 1);
	CU_ASSERT_TRUE(base_blocks() <= before + 65536);
	scene_check();
	points_end();
}

/* Fewer points are wanted, then none: the rest is merged away, and logs go. */
static void test_settings_lowered(void)
{
	points_begin(6, 1, 5000);
	for (int i = 0; i < 8; i++) {
		points_cycle(8);
		points_applied_wait();
	}
	CU_ASSERT_EQUAL(points_wait(6), 6);
	rig.points = 2;
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(scene_layers_wait(3, 30000));
	CU_ASSERT_EQUAL(points_wait(2), 2);
	scene_check();
	rig.points = 0;
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	points_cycle(8);
	scene_check();
	rig_wait(&rig, NULL, 0, 3000);
	CU_ASSERT_EQUAL(points_wait(0), 0);
	points_cycle(8);
	scene_check();
	points_end();
}

static const struct unit_test tests[] = {
	{"resync, growth, move", test_resync_growth_move},
	{"changed behind our back", test_changed_behind_our_back},
	{"sparse", test_sparse},
	{"settings lowered", test_settings_lowered},
	{"made and merged", test_made_and_merged},
	{"killed anywhere", test_killed_anywhere},
};

int main(void)
{
	rig_require_tools();
	return unit_run("recovery points", tests, sizeof(tests) / sizeof(tests[0]));
}
