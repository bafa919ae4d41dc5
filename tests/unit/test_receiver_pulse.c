/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does the primary live? A stream that stands is asked, and what answers is told from what is only
 * not yet known to be dead. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "takeover_scene.h"
#include "unit.h"

#define ANSWER_MS 20000

/* The sender's side of a PING. */
static void pong(void)
{
	Vmreplica__Wire__Pong answer = VMREPLICA__WIRE__PONG__INIT;
	struct frame frame = {.type = FRAME_MOVED};

	CU_ASSERT_EQUAL_FATAL(
		channel_receive(&sender.channel, &sender.arena, &frame, NULL, 0, ANSWER_MS), 0);
	CU_ASSERT_EQUAL_FATAL(frame.type, FRAME_PING);
	answer.value = ((const Vmreplica__Wire__Ping *)frame.message)->value;
	sender_send(&sender, FRAME_PONG, &answer.base, NULL, 0);
}

static bool lives(const char *words)
{
	CU_ASSERT_EQUAL(rig_taken_wait(&rig, ANSWER_MS), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.taken.text, words));
	return rig.taken.primary_lives;
}

static void begin(void)
{
	taking_begin(3);
	taking_cycle_applied(8);
}

/* Parked, and asked again; in a cycle; and the stream goes on as if nothing had been. */
static void test_answers(void)
{
	begin();
	for (int i = 0; i < 3; i++) {
		taking_pulse_send();
		pong();
		CU_ASSERT_TRUE(lives("has just answered"));
	}
	model_change(&model, 8);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	taking_pulse_send();
	pong();
	CU_ASSERT_TRUE(lives("has just answered"));
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
	scene_check();
}

/* The primary that comes back after the store was taken is remembered, the stream that the takeover
 * ended is no sign of it. */
static void test_taken(void)
{
	CU_ASSERT_EQUAL(taking_failover(2, 0), 0);
	CU_ASSERT_EQUAL(sender_answer(&sender, 5000), FRAME_DENIED);
	taking_pulse_send();
	CU_ASSERT_FALSE(lives(""));
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED);
	taking_pulse_send();
	CU_ASSERT_TRUE(lives("after this failover was begun"));
	CU_ASSERT_EQUAL(taking_end_as(CANCEL, 3), 0);
	taking_pulse_send();
	CU_ASSERT_FALSE(lives(""));
	taking_end();
}

/* A site that is dark: its stream stands. And one whose stream has ended. */
static void test_silent(void)
{
	int64_t begin_ms;

	begin();
	clock_sleep_ms(600); /* the last cycle's frames are no sign of life */
	begin_ms = clock_monotonic_ms();
	taking_pulse_send();
	CU_ASSERT_FALSE(lives(""));
	CU_ASSERT(clock_monotonic_ms() - begin_ms < 10000);
	sender_drop(&sender);
	clock_sleep_ms(600);
	begin_ms = clock_monotonic_ms();
	taking_pulse_send();
	CU_ASSERT_FALSE(lives(""));
	CU_ASSERT(clock_monotonic_ms() - begin_ms < 1500); /* nobody is there to be waited for */
}

/* In the middle of a frame nobody sees a PING: whether bytes come is what tells. */
static void test_within_a_frame(void)
{
	static const uint8_t begun[8] = {0x56, 0x4d, 0x52, 0x31}, more[1] = {0};

	scene_enter();
	model_change(&model, 8);
	sender_begin(&sender, &model, DELTA, false);
	CU_ASSERT_EQUAL(tls_write_full(sender.conn, begun, 4, 5000), 0);
	taking_pulse_send();
	for (int i = 0; i < 4; i++) { /* of the header's second half, which may be anything */
		clock_sleep_ms(450);
		CU_ASSERT_EQUAL(tls_write_full(sender.conn, more, sizeof(more), 5000), 0);
	}
	CU_ASSERT_TRUE(lives("is sending"));
	sender_drop(&sender);
	rig_close(&rig, false);
	taking_pulse_send();
	CU_ASSERT_EQUAL(rig_taken_wait(&rig, ANSWER_MS), -ENOENT);
	taking_end();
}

static const struct unit_test tests[] = {
	{"it answers", test_answers},
	{"after the takeover", test_taken},
	{"it is silent", test_silent},
	{"within a frame", test_within_a_frame},
};
UNIT_MAIN("receiver-pulse", tests)
