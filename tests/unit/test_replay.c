/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layer + replay = image: after random cycles, points, merges, resynchronizations, moves and kills,
 * every cycle of the retention window is listed, and each reads as the disks were at its cut,
 * rebuilt from the layer below and the logs behind it. RIG_SEED is printed and can be given. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "takeover_scene.h"
#include "unit.h"

#define SERIES 3
#define STEPS  14

/* Cycles that were committed, to compare the list with. */
static uint64_t committed[STEPS + 2];
static size_t committed_count;

static void committed_note(void)
{
	scene_note();
	committed[committed_count++] = sender.committed.seq;
}

/* Connect again; cut times go on from where they were. */
static void sender_renew(void)
{
	int64_t time_ms = sender.cut_time_ms;

	sender_drop(&sender);
	CU_ASSERT_TRUE_FATAL(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = 5000;
}

static void step_delta(void)
{
	scene_delta(1 + (int)rig_random(25));
	committed_note();
	if (rig_random(3) > 0) {
		taking_applied();
	}
}

static void step_resync(void)
{
	model_change(&model, 10);
	sender_begin(&sender, &model, RESYNC, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_NOT_EQUAL(sender_resync_range(&sender, &model, i, 0, model.disks[i].size),
				    UINT64_MAX);
	}
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	committed_note();
	rig_wait(&rig, NULL, 0, 300); /* it is a point */
}

/* Another node takes the store over, or the same one again, after a kill. */
static void step_replace(void)
{
	const char *node = rig_random(2) == 0 ? "b1" : "b2";

	rig_kill(&rig);
	rig_start(&rig, node);
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	sender_renew();
}

/* Fewer points: merges have work; or more. */
static void step_settings(void)
{
	rig.points = 2 + rig_random(4);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
}

static void random_step(void)
{
	uint32_t dice = rig_random(20);

	if (dice < 14) {
		step_delta();
	} else if (dice < 16) {
		step_resync();
	} else if (dice < 18) {
		step_replace();
	} else {
		step_settings();
	}
}

static bool is_listed(uint64_t seq)
{
	for (size_t i = 0; i < rig.list_count; i++) {
		if (rig.list[i].seq == seq) {
			return true;
		}
	}
	return false;
}

static void window_judge(void)
{
	taking_applied();
	rig_wait(&rig, NULL, 0, 1000); /* the last point is made, logs are trimmed */
	rig_list(&rig, true, 0);
	CU_ASSERT_TRUE(rig.list_count > 0);
	for (size_t i = 0; i < committed_count; i++) {
		CU_ASSERT_TRUE(committed[i] < rig.list[0].seq || is_listed(committed[i]));
	}
	for (size_t i = 0; i < rig.list_count; i++) {
		uint64_t seq = rig.list[i].seq;
		int error = taking_test("web1-test", seq);

		CU_ASSERT_EQUAL(error, 0);
		if (error != 0) {
			fprintf(stderr, "cycle %lu: %s\n", seq, rig.taken.text);
			continue;
		}
		taking_judge(seq, false);
		CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	}
	printf("  %zu of them read right\n", rig.list_count);
}

static void test_window(void)
{
	for (int series = 0; series < SERIES; series++) {
		committed_count = 0;
		taking_begin(2 + rig_random(3));
		committed[committed_count++] = sender.committed.seq;
		for (int i = 0; i < STEPS; i++) {
			random_step();
		}
		window_judge();
		scene_check();
		taking_end();
	}
}

static const struct unit_test tests[] = {{"window", test_window}};

int main(void)
{
	rig_require_tools();
	return unit_run("layer + replay = image", tests, sizeof(tests) / sizeof(tests[0]));
}
