/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wall clock jumps by an hour and by ten years, ahead and back, on the receiver's side and on
 * the sender's, between cycles, in the middle of one, and while the receiver is away: each cycle is
 * acknowledged, applied and made a point, and the points are those that were made, each once and in
 * the order of their cycles, with the times that their cuts were given. A connection that stands
 * goes on; a new one is refused while a clock makes certificates invalid, and taken after it.
 *
 * Environment: FAULT_SEED (printed otherwise); FAULT_SHARE (0: all jumps, otherwise a few).
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/faults/faults.h"
#include "tests/unit/unit.h"

#define POINTS	 64
#define HOUR_S	 ((int64_t)3600)
#define DECADE_S ((int64_t)10 * 365 * 86400)

static const int64_t jumps_s[] = {DECADE_S, -DECADE_S, 0, HOUR_S, -HOUR_S, 0,	    DECADE_S,
				  0,	    -DECADE_S, 0, HOUR_S, 0,	   -HOUR_S, 0};
static size_t jumps = sizeof(jumps_s) / sizeof(jumps_s[0]); /* of these */

static unsigned int seed;
static struct {
	uint64_t seq;
	int64_t time_ms;
} made[POINTS];
static size_t made_count;

static bool is_point(const struct rig *r, uint64_t seq)
{
	return r->status.applied_seq >= seq;
}

/* One cycle, until it is a point. */
static void cycle(void)
{
	CU_ASSERT_TRUE_FATAL(faults_cycle(3));
	CU_ASSERT_TRUE(rig_wait(&rig, is_point, faults_acknowledged.seq, 15000));
	for (int i = 0; i < 250 && faults_point() != faults_acknowledged.seq; i++) {
		rig_wait(&rig, NULL, 0, 20);
	}
	CU_ASSERT_EQUAL(faults_point(), faults_acknowledged.seq);
	made[made_count].seq = faults_acknowledged.seq;
	made[made_count++].time_ms = sender.cut_time_ms;
}

static void points_compare(void)
{
	struct manifest manifest = scene_manifest();

	CU_ASSERT_EQUAL(manifest.point_count, made_count);
	for (size_t i = 0; i < manifest.point_count && i < made_count; i++) {
		CU_ASSERT_EQUAL(manifest.points[i].cut.seq, made[i].seq);
		CU_ASSERT_EQUAL(manifest.points[i].cut.time_ms, made[i].time_ms);
	}
	manifest_destroy(&manifest);
	rig_list(&rig, false, 0);
	CU_ASSERT_EQUAL(rig.list_count, made_count);
	for (size_t i = 0; i < rig.list_count && i < made_count; i++) {
		CU_ASSERT_EQUAL(rig.list[i].seq, made[i].seq);
		CU_ASSERT_EQUAL(rig.list[i].time_ms, made[i].time_ms);
	}
}

static void receiver_clock(int64_t offset_s)
{
	atomic_store(&faults->clock_offset_s, offset_s);
}

/* The connection stands. */
static void receiver_jumps(void)
{
	for (size_t i = 0; i < jumps; i++) {
		receiver_clock(jumps_s[i]);
		cycle();
	}
}

static void sender_jumps(void)
{
	int64_t base_ms = sender.cut_time_ms;

	for (size_t i = 0; i < jumps; i++) {
		sender.cut_time_ms = base_ms + 5000 * (int64_t)i + 1000 * jumps_s[i];
		cycle();
	}
	sender.cut_time_ms = base_ms + 5000 * (int64_t)jumps;
}

/* In the middle of a cycle, from between its chunks. */
static void jump_inside(int64_t offset_s)
{
	model_change(&model, 3);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	receiver_clock(offset_s);
	sender_range(&sender, &model, 1, 0, model.disks[1].size, true);
	scene_note_as(sender.cut.seq);
	CU_ASSERT_TRUE(sender_end(&sender));
	faults_sent = faults_acknowledged = sender.cut;
	model_clear_dirty(&model);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, faults_acknowledged.seq, 15000));
	for (int i = 0; i < 250 && faults_point() != faults_acknowledged.seq; i++) {
		rig_wait(&rig, NULL, 0, 20);
	}
	made[made_count].seq = faults_acknowledged.seq;
	made[made_count++].time_ms = sender.cut_time_ms;
}

/* Away, and back by another clock. */
static void jump_away(int64_t offset_s, bool certificates_hold)
{
	faults_disconnect();
	rig_stop(&rig);
	receiver_clock(offset_s);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(faults_cycle(3), certificates_hold);
	if (certificates_hold) {
		CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, faults_acknowledged.seq, 15000));
		for (int i = 0; i < 250 && faults_point() != faults_acknowledged.seq; i++) {
			rig_wait(&rig, NULL, 0, 20);
		}
		made[made_count].seq = faults_acknowledged.seq;
		made[made_count++].time_ms = sender.cut_time_ms;
	}
	points_compare();
}

static void test_jumps(void)
{
	bool whole = faults_number("FAULT_SHARE", 1) == 0;
	unsigned int others = 3;

	jumps = whole ? jumps : 3;
	faults_store_begin(POINTS);
	cycle();
	receiver_jumps();
	sender_jumps();
	points_compare();
	jump_inside(whole ? DECADE_S : HOUR_S);
	jump_inside(-DECADE_S);
	jump_inside(0);
	for (; whole && others < 9; others += 3) {
		jump_away(HOUR_S, true);
		jump_away(DECADE_S, false);
		jump_away(-DECADE_S, false);
	}
	jump_away(0, true);
	CU_ASSERT_TRUE(faults_judge());
	printf("FAULT_SEED=%u: %zu jumps of the receiver's clock, %zu of the sender's: %zu points, "
	       "%s\n",
	       seed, jumps + others + 1, jumps, made_count,
	       CU_get_number_of_failures() == 0 ? "none lost, doubled or misordered" : "FAILED");
	faults_store_end();
}

static const struct unit_test tests[] = {{"jumps", test_jumps}};

int main(void)
{
	rig_require_tools();
	seed = faults_seed();
	return unit_run("clock jumps", tests, sizeof(tests) / sizeof(tests[0]));
}
