/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/health.h"
#include "golden.h"
#include "proto/names.h"
#include "unit.h"

#define STATE(name) VMREPLICA__STATE__STATE_##name

static struct health_input healthy(void)
{
	return (struct health_input){.state = STATE(REPLICATING),
				     .frequency_s = 300,
				     .counts = {.ok = 100},
				     .since_success_ms = 10000,
				     .obstacle = "",
				     .obstacle_code = ""};
}

static void judge(struct golden *golden, const char *what, const struct health_input *input)
{
	struct health_verdict verdict;

	health_judge(input, &verdict);
	fprintf(golden->file, "%-46s %s [%s] %s\n", what, health_to_string(verdict.health),
		verdict.code, verdict.reason);
}

static void test_states(struct golden *golden)
{
	struct health_input input = healthy();

	judge(golden, "replicating", &input);
	input.state = STATE(WAITING_FOR_INITIAL_REPLICATION);
	judge(golden, "waiting for initial replication", &input);
	input.state = STATE(INITIAL_REPLICATION);
	judge(golden, "initial replication", &input);
	input.state = STATE(RESYNCHRONIZING);
	judge(golden, "resynchronizing", &input);
	input.resync = "1.0 GiB are hashed";
	judge(golden, "resynchronizing, with an estimate", &input);
	input.resync = NULL;
	input.state = STATE(WAITING_FOR_RESYNCHRONIZE);
	judge(golden, "waiting for resynchronization", &input);
	input.obstacle = "a change bitmap is missing";
	judge(golden, "... with the reason", &input);
	input = healthy();
	input.suspended = true;
	input.state = STATE(SUSPENDED);
	judge(golden, "suspended", &input);
	input.denied = true;
	judge(golden, "suspended and denied", &input);
	input.denied = false;
	input.resync_ordered = true;
	input.state = STATE(RESYNCHRONIZE_SUSPENDED);
	judge(golden, "... to be resynchronized", &input);
	input.releasing = true;
	judge(golden, "... bitmaps not removed yet", &input);
	input.obstacle = "libvirt does not answer";
	judge(golden, "... and why", &input);
	input.suspended = input.releasing = false;
	input.obstacle = "";
	input.state = STATE(WAITING_FOR_RESYNCHRONIZE);
	judge(golden, "resumed, not begun yet", &input);
	input.resync_ordered = false;
	input.suspended = true;
	input.state = STATE(RESYNCHRONIZE_SUSPENDED);
	judge(golden, "suspended, found to need a resynchronization", &input);
	input = healthy();
	input.state = STATE(DISABLED);
	judge(golden, "disabled", &input);
}

static void test_troubles(struct golden *golden)
{
	struct health_input input = healthy();

	input.obstacle = "the broker b port 8650 cannot be reached: no route to host";
	input.obstacle_code = "broker-unreachable";
	judge(golden, "one failure", &input);
	input.exhausted = true;
	judge(golden, "retries used up", &input);
	input.denied = true;
	input.obstacle = "b refuses this VM: not authorized";
	input.obstacle_code = "not-authorized";
	judge(golden, "denied", &input);
	input = healthy();
	input.replica_suspended = true;
	input.obstacle = "b1 cannot receive now: the replica is paused by the administrator";
	input.obstacle_code = "suspended";
	judge(golden, "replica suspended", &input);
}

static void test_counts(struct golden *golden)
{
	struct health_input input = healthy();

	input.counts = (struct health_counts){.ok = 80, .missed = 15, .failed = 5};
	judge(golden, "20 of 100 cycles missed", &input);
	input.counts = (struct health_counts){.ok = 79, .missed = 16, .failed = 5};
	judge(golden, "21 of 100 cycles missed", &input);
	input.counts = (struct health_counts){.ok = 3, .missed = 16};
	judge(golden, "16 of 19: too few to say", &input);
	input = healthy();
	input.since_success_ms = 3599999;
	judge(golden, "last success just under an hour ago", &input);
	input.since_success_ms = 3600000;
	judge(golden, "last success an hour ago", &input);
	input.frequency_s = 86400;
	judge(golden, "... with a frequency of a day", &input);
	input.since_success_ms = (86400 + 3600) * 1000ll;
	judge(golden, "... a day and an hour ago", &input);
	input.since_success_ms = -1;
	judge(golden, "never yet", &input);
}

static void test_rules(void)
{
	struct golden golden;

	golden_begin(&golden);
	test_states(&golden);
	test_troubles(&golden);
	test_counts(&golden);
	CU_ASSERT(golden_end(&golden, "engine/health.golden"));
}

static void test_window(void)
{
	static struct health_window window;
	struct health_counts one = {.ok = 1, .missed = 2, .failed = 3}, sum;
	const int64_t bucket = HEALTH_INTERVAL_MS / HEALTH_BUCKETS;

	health_window_add(&window, &one, bucket);
	health_window_add(&window, &one, bucket * 2);
	sum = health_window_sum(&window, bucket * 2);
	CU_ASSERT(sum.ok == 2 && sum.missed == 4 && sum.failed == 6);
	sum = health_window_sum(&window, bucket * (HEALTH_BUCKETS + 1));
	CU_ASSERT(sum.ok == 1); /* the first one fell out */
	sum = health_window_sum(&window, bucket * 1000);
	CU_ASSERT(sum.ok == 0 && sum.missed == 0);
}

static const struct unit_test tests[] = {
	{"rules", test_rules},
	{"monitoring interval", test_window},
};
UNIT_MAIN("health", tests)
