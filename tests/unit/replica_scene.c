/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replica_scene.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* A merge may have taken the layer away that the last status named. */
static void top_wait(unsigned int disk)
{
	for (int i = 0; i < 50 && access(rig.status.tops[disk], F_OK) < 0; i++) {
		rig_wait(&rig, NULL, 0, 100);
	}
}

void scene_check(void)
{
	if (!rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000)) {
		CU_FAIL("not applied");
		fprintf(stderr, "%s: %s\n", rig.status.code, rig.status.reason);
	}
	CU_ASSERT_EQUAL(rig.status.disk_count, MODEL_DISKS);
	for (unsigned int i = 0; i < rig.status.disk_count; i++) {
		top_wait(i);
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

static bool has_code(const struct rig *r, uint64_t code)
{
	return strcmp(r->status.code, (const char *)(uintptr_t)code) == 0;
}

bool scene_wait_code(const char *code, int timeout_ms)
{
	return rig_wait(&rig, has_code, (uint64_t)(uintptr_t)code, timeout_ms);
}

/* The receiver ends the stream with this answer. */
void scene_expect(enum frame_type type, const char *code, const char *words)
{
	enum frame_type answer = sender_answer(&sender, 40000);

	CU_ASSERT_EQUAL(answer, type);
	CU_ASSERT_STRING_EQUAL(sender.code, code);
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.reason, words));
	if (answer != type || strcmp(sender.code, code) != 0 ||
	    strstr(sender.reason, words) == NULL) {
		fprintf(stderr, "got %s %s: %s\n", frame_type_to_string(answer), sender.code,
			sender.reason);
	}
	CU_ASSERT_EQUAL(sender_answer(&sender, 10000), 0);
	sender_drop(&sender);
}

void scene_enter(void)
{
	CU_ASSERT_TRUE_FATAL(sender_enter(&sender, &rig, &model));
}

/* After every refusal the same data goes through when it is sent right. */
void scene_recover(void)
{
	scene_enter();
	scene_delta_of_dirty();
	scene_check();
	CU_ASSERT_TRUE(scene_wait_code("", 5000));
}

void scene_resync_whole(void)
{
	scene_enter();
	sender_begin(&sender, &model, RESYNC, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_NOT_EQUAL(sender_resync_range(&sender, &model, i, 0, model.disks[i].size),
				    UINT64_MAX);
	}
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
}

void scene_resync_now(const char *why)
{
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 20000));
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.status.reason, why));
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_CRITICAL);
	scene_enter();
	CU_ASSERT_EQUAL(sender.mode, RESYNC);
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.welcome_reason, why));
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_FAILURE, "sequence", why);
	scene_resync_whole();
	scene_check();
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, VMREPLICA__STATE__STATE_REPLICATING, 5000));
	scene_delta(5);
	scene_check();
	sender_drop(&sender);
}
