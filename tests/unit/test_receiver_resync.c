/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digest resynchronizations from the wire to the image: what stands between two cuts goes into
 * pending layers, through interruptions and moves of the replica, and the points from before stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "points_scene.h"
#include "proto/limits.h"
#include "unit.h"

#define MARK_1 (12u << 20) /* what is sent before each interruption */
#define MARK_2 (14u << 20)

static uint64_t resync_all(uint64_t from_disk0)
{
	uint64_t sent = sender_resync_range(&sender, &model, 0, from_disk0, model.disks[0].size);

	return sent + sender_resync_range(&sender, &model, 1, 0, model.disks[1].size);
}

/* The replica's image stays the old cut until the commit. */
static void current_judge(const struct model *before)
{
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 5000));
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_TRUE(model_matches(before, i, rig.status.tops[i]));
	}
}

/* Send from offset to a mark on the first disk, and some of what comes behind it; the receiver is
 * then replaced by one of node. */
static struct sender_mark part_send(uint64_t from, uint64_t to, const char *node)
{
	struct sender_mark mark;

	CU_ASSERT_NOT_EQUAL(sender_resync_range(&sender, &model, 0, from, to), UINT64_MAX);
	CU_ASSERT_TRUE(sender_mark(&sender, 0, to));
	mark = sender.mark;
	CU_ASSERT_NOT_EQUAL(sender_resync_range(&sender, &model, 0, to, to + (1u << 20)),
			    UINT64_MAX);
	rig_kill(&rig);
	sender_drop(&sender);
	rig_start(&rig, node);
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	return mark;
}

/* Whose the uppermost layer of the pending image is. */
static uint64_t pending_owner(void)
{
	struct manifest manifest = scene_manifest();
	uint64_t generation = 0;

	CU_ASSERT_EQUAL_FATAL(manifest.pending.disk_count, MODEL_DISKS);
	generation = manifest_disk_top(&manifest.pending.disks[0])->generation;
	manifest_destroy(&manifest);
	return generation;
}

/* That layer's file into path, and when it was written last. */
static struct timespec pending_top(char path[RIG_PATH * 2])
{
	struct manifest manifest = scene_manifest();
	struct stat status = {0};

	snprintf(path, RIG_PATH * 2, "%s/%s", rig.store,
		 manifest_disk_top(&manifest.pending.disks[0])->file);
	CU_ASSERT_EQUAL(stat(path, &status), 0);
	manifest_destroy(&manifest);
	return status.st_mtim;
}

/* The sender asks for it (it lost its bitmaps); it is interrupted twice by a receiver's crash, the
 * replica being opened by those nodes afterwards. What was sent before a mark is not sent again, an
 * earlier owner's layer is not written any more, and all points are what they were. */
static void resync_by(const char *second, const char *third)
{
	uint64_t owners = 1 + (strcmp(second, "b1") != 0), sent;
	char first_top[RIG_PATH * 2], same_top[RIG_PATH * 2];
	struct sender_mark mark;
	struct timespec written;
	struct model before;
	struct stat status;

	points_begin(10, 10, 5000);
	for (int i = 0; i < 4; i++) {
		points_cycle(15);
	}
	points_applied_wait();
	CU_ASSERT_EQUAL(points_wait(3), 3);
	model_init(&before);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(before.disks[i].data, model.disks[i].data, model.disks[i].size);
	}
	model_change(&model, 12);
	model_clear_dirty(&model); /* lost */
	sender_begin(&sender, &model, RESYNC, false);
	mark = part_send(0, MARK_1, second);
	current_judge(&before);
	written = pending_top(first_top);

	model_change(&model, 3);
	scene_enter_with_mark(RESYNC, &mark);
	sender_begin(&sender, &model, RESYNC, true);
	sender_range(&sender, &model, 0, 0, MARK_1, true);
	mark = part_send(MARK_1, MARK_2, third);
	CU_ASSERT_EQUAL(pending_owner(), owners);
	CU_ASSERT_EQUAL(stat(first_top, &status), 0);
	CU_ASSERT_EQUAL(status.st_mtim.tv_sec == written.tv_sec &&
				status.st_mtim.tv_nsec == written.tv_nsec,
			owners > 1);
	current_judge(&before);
	model_destroy(&before);

	scene_enter_with_mark(RESYNC, &mark);
	sender_begin(&sender, &model, RESYNC, true);
	owners += strcmp(third, second) != 0;
	CU_ASSERT_TRUE(sender_mark(&sender, 0, MARK_2));
	CU_ASSERT_EQUAL(pending_owner(), owners);
	pending_top(same_top);
	CU_ASSERT_EQUAL(strcmp(same_top, first_top) == 0, owners == 1);
	sent = resync_all(MARK_2);
	CU_ASSERT_TRUE(sent < (model.disks[0].size + model.disks[1].size) / 2);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	scene_note();
	scene_check();
	CU_ASSERT_EQUAL(rig.status.resyncs, 1);
	CU_ASSERT_EQUAL(rig.status.generation, owners);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, VMREPLICA__STATE__STATE_REPLICATING, 5000));
	CU_ASSERT_EQUAL(points_wait(4), 4);
	points_cycle(10);
	scene_check();
	sender_drop(&sender);
	points_end();
}

static void test_interrupted(void)
{
	resync_by("b1", "b1");
}

/* The replica moves in its middle, and back again. */
static void test_moved(void)
{
	resync_by("b2", "b1");
}

/* A disk that grew is compared as a whole, and the replica has its new size. */
static void test_disk_grown(void)
{
	struct model_disk *disk;
	uint64_t old_size;

	scene_begin();
	scene_initial();
	disk = &model.disks[1];
	old_size = disk->size;
	disk->size += 5u << 20;
	disk->clusters = (disk->size + MODEL_CLUSTER - 1) / MODEL_CLUSTER;
	disk->data = realloc(disk->data, disk->size);
	disk->dirty = realloc(disk->dirty, disk->clusters);
	memset(disk->data + old_size, 0, disk->size - old_size);
	memset(disk->data + disk->size - 100000, 0x5a, 100000);
	model_clear_dirty(&model);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, RESYNC);
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.welcome_reason, "disk vdb has"));
	sender_begin(&sender, &model, RESYNC, false);
	CU_ASSERT_EQUAL(resync_all(0),
			3 * MODEL_CLUSTER - (MODEL_CLUSTER - disk->size % MODEL_CLUSTER));
	CU_ASSERT_TRUE(sender_end(&sender));
	scene_check();
	scene_delta(10);
	scene_check();
	scene_end();
}

static const struct unit_test tests[] = {
	{"interrupted", test_interrupted},
	{"moved", test_moved},
	{"disk grown", test_disk_grown},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver, resynchronization", tests, sizeof(tests) / sizeof(tests[0]));
}
