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

#include "common/clock.h"
#include "receiver/manifest.h"
#include "replica_scene.h"
#include "unit.h"

#define CUTS_MAX 256

/* What the disks held at each committed cut. */
static struct cut_note {
	uint64_t seq;
	uint64_t digest[MODEL_DISKS];
} cuts[CUTS_MAX];
static size_t cut_count;

static void cut_note(void)
{
	struct cut_note *note = &cuts[cut_count++ % CUTS_MAX];

	note->seq = sender.committed.seq;
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		note->digest[i] = model_digest(&model, i);
	}
}

static const struct cut_note *cut_find(uint64_t seq)
{
	for (size_t i = 0; i < CUTS_MAX; i++) {
		if (cuts[i].seq == seq) {
			return &cuts[i];
		}
	}
	return NULL;
}

static struct manifest store_manifest(void)
{
	int fd = open(rig.store, O_RDONLY | O_DIRECTORY);
	struct manifest manifest = {0};
	char error[MANIFEST_ERROR_LEN] = "";

	CU_ASSERT_EQUAL_FATAL(manifest_load(fd, &manifest, error), 0);
	close(fd);
	return manifest;
}

/* Does the manifest still say so? A merge may have renamed a point's layer, or the point may be
 * gone, since it was read. */
static bool point_stands(uint64_t seq, const struct manifest_point_disk *disk)
{
	struct manifest now = store_manifest();
	bool stands = false;

	for (size_t i = 0; i < now.point_count; i++) {
		for (size_t k = 0; now.points[i].cut.seq == seq && k < now.points[i].disk_count;
		     k++) {
			stands |= strcmp(now.points[i].disks[k].file, disk->file) == 0;
		}
	}
	manifest_destroy(&now);
	return stands;
}

/* 1: the point reads as its cut, 0: it does not, -1: the manifest has changed meanwhile. */
static int point_judge(const struct manifest_point *point)
{
	const struct cut_note *note = cut_find(point->cut.seq);

	CU_ASSERT_PTR_NOT_NULL_FATAL(note);
	CU_ASSERT_EQUAL(point->disk_count, MODEL_DISKS);
	for (size_t k = 0; k < point->disk_count; k++) {
		char path[RIG_PATH * 2];

		snprintf(path, sizeof(path), "%s/%s", rig.store, point->disks[k].file);
		if (image_digest(path) != note->digest[k]) {
			fprintf(stderr, "point %lu, %s: not what it was\n", point->cut.seq,
				point->disks[k].file);
			return point_stands(point->cut.seq, &point->disks[k]) ? 0 : -1;
		}
	}
	return 1;
}

/* Every point of the manifest reads as its cut; how many there are. */
static size_t points_check(void)
{
	for (int attempt = 0; attempt < 20; attempt++) {
		struct manifest manifest = store_manifest();
		size_t count = manifest.point_count;
		int verdict = 1;

		for (size_t i = 0; i < count && verdict > 0; i++) {
			verdict = point_judge(&manifest.points[i]);
			CU_ASSERT_NOT_EQUAL(verdict, 0);
		}
		manifest_destroy(&manifest);
		if (verdict >= 0) {
			return count;
		}
	}
	CU_FAIL("the manifest never stands still");
	return 0;
}

/* The longest chain of the current image. */
static size_t layers_count(void)
{
	struct manifest manifest = store_manifest();
	size_t most = 0;

	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		size_t count = manifest.current.disks[i].layer_count;

		most = count > most ? count : most;
	}
	manifest_destroy(&manifest);
	return most;
}

/* The point is recorded a moment after the cycle is applied. */
static size_t points_wait(size_t count)
{
	size_t found = 0;

	for (int i = 0; i < 50 && found != count; i++) {
		struct manifest manifest = store_manifest();

		found = manifest.point_count;
		manifest_destroy(&manifest);
		rig_wait(&rig, NULL, 0, found == count ? 0 : 100);
	}
	return points_check();
}

static bool merges_wait(size_t layers, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (layers_count() > layers) {
		if (clock_monotonic_ms() > deadline_ms) {
			return false;
		}
		rig_wait(&rig, NULL, 0, 200);
	}
	return true;
}

/* A store that keeps points; cut times advance by step_ms a cycle. */
static void points_begin(uint32_t points, uint32_t interval_s, int64_t step_ms)
{
	rig_init(&rig);
	rig.points = points;
	rig.point_interval_s = interval_s;
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = step_ms;
	sender.application = false;
	memset(cuts, 0, sizeof(cuts));
	cut_count = 0;
	scene_initial();
	cut_note();
}

static void points_end(void)
{
	sender.cut_time_ms = sender.cut_step_ms = 0;
	scene_end();
}

static void cycle(int changes)
{
	scene_delta(changes);
	cut_note();
}

static void applied_wait(void)
{
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
}

/* Every second cycle becomes a point, four are kept, the rest is merged into the base. */
static void test_made_and_merged(void)
{
	points_begin(4, 10, 5000);
	for (int i = 0; i < 20; i++) {
		cycle(10);
		applied_wait();
	}
	CU_ASSERT_TRUE(merges_wait(5, 30000));
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
		cycle(12);
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
	applied_wait();
	CU_ASSERT_TRUE(merges_wait(4, 90000));
	CU_ASSERT_EQUAL(points_wait(3), 3);
	scene_check();
	points_end();
}

static void resync_now(void)
{
	scene_resync_whole();
	cut_note();
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
		cycle(10);
		applied_wait();
	}
	disk_grow(&model.disks[1], 5u << 20);
	model_change(&model, 5);
	resync_now();
	CU_ASSERT_EQUAL(points_wait(5), 5);
	cycle(10);
	applied_wait();
	CU_ASSERT_EQUAL(points_wait(6), 6);
	sender_drop(&sender);
	rig_kill(&rig);
	rig_start(&rig, "b2");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(points_wait(6), 6);
	scene_enter();
	for (int i = 0; i < 8; i++) {
		cycle(10);
		applied_wait();
	}
	CU_ASSERT_TRUE(merges_wait(7, 60000));
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
		cycle(10);
		applied_wait();
	}
	CU_ASSERT_EQUAL(points_wait(4), 4);
	rig_stop(&rig);
	sender_drop(&sender);
	manifest = store_manifest();
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
	cycle(10);
	applied_wait();
	CU_ASSERT_EQUAL(points_wait(4), 4);
	rig_stop(&rig);
	sender_drop(&sender);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	manifest = store_manifest();
	CU_ASSERT_FALSE(manifest.resync_needed);
	manifest_destroy(&manifest);
	CU_ASSERT_EQUAL(points_wait(4), 4);
	points_end();
}

static uint64_t base_blocks(void)
{
	struct manifest manifest = store_manifest();
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
	applied_wait();
	before = base_blocks();
	for (int i = 0; i < 3; i++) {
		memset(model.disks[0].data, 0, model.disks[0].size);
		memset(model.disks[0].dirty, 1, model.disks[0].clusters);
		scene_delta_of_dirty();
		cut_note();
		applied_wait();
	}
	CU_ASSERT_TRUE(merges_wait(2, 30000));
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
		cycle(8);
		applied_wait();
	}
	CU_ASSERT_EQUAL(points_wait(6), 6);
	rig.points = 2;
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(merges_wait(3, 30000));
	CU_ASSERT_EQUAL(points_wait(2), 2);
	scene_check();
	rig.points = 0;
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	cycle(8);
	scene_check();
	rig_wait(&rig, NULL, 0, 3000);
	CU_ASSERT_EQUAL(points_wait(0), 0);
	cycle(8);
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
