/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strangers flood the receiver: a primary's stream begins, and goes on, about as soon as before. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "flood.h"
#include "replica_scene.h"
#include "unit.h"

/* Generous: the machine has other work, and the flood itself runs on it. The figures are printed.
 */
#define STREAM_P99_US 3000e3
#define IDLE_MS	      260 /* a stream is parked on the loop after 200 */

static struct latencies streams[2], cycles[2]; /* before, during */

/* New streams: dial, handshake, HELLO, WELCOME; and after each, as it has been idle, a PING. */
static void measure(int phase, int seconds)
{
	int64_t end_ms = clock_monotonic_ms() + seconds * 1000;

	for (int i = 0; clock_monotonic_ms() < end_ms; i++) {
		Vmreplica__Wire__Ping ping = VMREPLICA__WIRE__PING__INIT;
		struct frame frame;
		double begin_us = latencies_now_us();

		CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
		latencies_add(&streams[phase], begin_us);
		if (i % 16 != 0) {
			continue;
		}
		clock_sleep_ms(IDLE_MS);
		ping.value = 7;
		begin_us = latencies_now_us();
		sender_send(&sender, FRAME_PING, &ping.base, NULL, 0);
		CU_ASSERT_EQUAL(
			channel_receive(&sender.channel, &sender.arena, &frame, NULL, 0, 10000), 0);
		CU_ASSERT_EQUAL(frame.type, FRAME_PONG);
		latencies_add(&cycles[phase], begin_us);
	}
}

static void test_flood(void)
{
	struct flood_size size = flood_size();
	struct flood_report report;
	struct flood flood;

	scene_begin();
	scene_initial();
	measure(0, size.seconds);
	flood_begin(&flood, rig.port, &size, rig.sender_tls);
	measure(1, size.seconds);
	flood_end(&flood, &report);
	printf("\n    %u silent connections and %u half-open handshakes: %llu opened, %llu ended "
	       "by "
	       "the receiver",
	       size.silent, size.half_open, (unsigned long long)report.opened,
	       (unsigned long long)report.closed);
	latencies_compare("a new stream, to its WELCOME", &streams[0], &streams[1]);
	latencies_compare("PING on a parked stream", &cycles[0], &cycles[1]);
	printf("\n  ");
	CU_ASSERT_TRUE(report.opened >= size.silent + size.half_open);
	CU_ASSERT_TRUE(report.closed > 0);
	CU_ASSERT_TRUE(latencies_percentile(&streams[1], 99) < STREAM_P99_US);
	CU_ASSERT_TRUE(latencies_percentile(&cycles[1], 99) < STREAM_P99_US);
	rig_wait(&rig, NULL, 0, 500);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.last_event, "to let others in"));
	scene_delta(5);
	scene_check();
	scene_end();
}

static const struct unit_test tests[] = {{"strangers flood the receiver", test_flood}};

int main(void)
{
	rig_require_tools();
	signal(SIGPIPE, SIG_IGN);
	return unit_run("flood of the receiver", tests, 1);
}
