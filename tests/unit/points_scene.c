/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "points_scene.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

/* Does the manifest still say so? A merge may have renamed a point's layer, or the point may be
 * gone, since it was read. */
static bool point_stands(uint64_t seq, const struct manifest_point_disk *disk)
{
	struct manifest now = scene_manifest();
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
	const struct cut_note *note = scene_cut_find(point->cut.seq);

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
size_t points_check(void)
{
	for (int attempt = 0; attempt < 20; attempt++) {
		struct manifest manifest = scene_manifest();
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

/* The point is recorded a moment after the cycle is applied. */
size_t points_wait(size_t count)
{
	size_t found = 0;

	for (int i = 0; i < 50 && found != count; i++) {
		struct manifest manifest = scene_manifest();

		found = manifest.point_count;
		manifest_destroy(&manifest);
		rig_wait(&rig, NULL, 0, found == count ? 0 : 100);
	}
	return points_check();
}

/* A store that keeps points; cut times advance by step_ms a cycle. */
void points_begin(uint32_t points, uint32_t interval_s, int64_t step_ms)
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
	scene_notes_clear();
	scene_initial();
	scene_note();
}

void points_end(void)
{
	sender.cut_time_ms = sender.cut_step_ms = 0;
	scene_end();
}

void points_cycle(int changes)
{
	scene_delta(changes);
	scene_note();
}

void points_applied_wait(void)
{
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
}
