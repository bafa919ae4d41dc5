/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replica_scene.h"

#include <stdio.h>

#include "unit.h"

struct rig rig;
struct model model;
struct sender sender;

void scene_begin(void)
{
	rig_init(&rig);
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
}

void scene_end(void)
{
	sender_drop(&sender);
	rig_destroy(&rig);
	model_destroy(&model);
}

void scene_check(void)
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

void scene_initial(void)
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

void scene_delta_of_dirty(void)
{
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
}

void scene_delta(int changes)
{
	model_change(&model, changes);
	scene_delta_of_dirty();
}

/* The next connection after an interruption: the mark is as it was asked for. */
void scene_enter_with_mark(Vmreplica__Wire__Mode mode, const struct sender_mark *expected)
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

void scene_replace_receiver(bool cruelly)
{
	if (cruelly) {
		rig_kill(&rig);
	} else {
		rig_stop(&rig);
	}
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
}
