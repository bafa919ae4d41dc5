/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An owner that was not fenced as it should be: stopped at each step of a commit and of applying it
 * (among them between its look at the manifest and its rename), its locks lost, its store taken
 * over by another node that goes on for some cycles, and then continued. It acknowledges nothing of
 * what it had not put in place, and changes nothing any more.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "fault_sync.h"
#include "points_scene.h"
#include "unit.h"

/* The syncs of the receiver itself, from a delta's CYCLE_END on. */
enum step {
	SYNC_LOG,
	SYNC_LOG_DIRECTORY,
	SYNC_MANIFEST,		 /* after the check, before the rename */
	SYNC_MANIFEST_DIRECTORY, /* the rename is made: the cycle counts */
	SYNC_APPLY,		 /* then the same of the batch's begin, and what follows */
	STEPS = SYNC_APPLY + 5,
};

static struct rig stale;
static struct sender stale_sender;

/* As if it were alone on a node that nobody reaches: its daemon dead, its locks worth nothing. */
static void owner_lose(void)
{
	char lock[RIG_PATH + 8];
	pid_t daemon = rig_daemon_pid(&rig);

	kill(rig.pid, SIGSTOP);
	if (daemon != 0) {
		kill(daemon, SIGKILL);
		for (int i = 0; i < 500 && !rig_process_is_dead(daemon); i++) {
			clock_sleep_ms(10);
		}
	}
	snprintf(lock, sizeof(lock), "%s/lock", rig.store);
	CU_ASSERT_EQUAL(unlink(lock), 0);
	stale = rig;
	stale_sender = sender;
	memset(&sender, 0, sizeof(sender));
	sender.cut_time_ms = stale_sender.cut_time_ms;
	sender.cut_step_ms = stale_sender.cut_step_ms;
}

/* Send a delta up to CYCLE_END; its answer may never come. */
static void delta_send(void)
{
	model_change(&model, 12);
	sender_begin(&sender, &model, DELTA, false);
	scene_note_as(sender.cut.seq);
	sender_dirty(&sender, &model);
	sender_send_end(&sender);
}

/* The new owner takes over and replicates on. true: it holds the stale one's last cycle. */
static bool take_over(void)
{
	int64_t time_ms = sender.cut_time_ms, step_ms = sender.cut_step_ms;
	bool has_it;

	rig_fault_sync = false;
	rig_start(&rig, "b2");
	if (rig_open(&rig) != 0) {
		rig_die("the new owner cannot open the store: %s", rig.opened_text);
	}
	CU_ASSERT_TRUE_FATAL(sender_enter(&sender, &rig, &model));
	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = step_ms;
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	has_it = strcmp(sender.committed.cut_id, stale_sender.cut.cut_id) == 0;
	if (has_it) {
		model_clear_dirty(&model);
	}
	for (int i = 0; i < 3; i++) {
		points_cycle(6);
		points_applied_wait();
	}
	return has_it;
}

static void all_is_right(void)
{
	struct manifest manifest;
	char command[RIG_PATH + 64];

	scene_check();
	points_check();
	manifest = scene_manifest();
	CU_ASSERT_EQUAL(manifest.generation, 2);
	CU_ASSERT_STRING_EQUAL(manifest.owner_node, "b2");
	CU_ASSERT_FALSE(manifest.resync_needed);
	manifest_destroy(&manifest);
	snprintf(command, sizeof(command), "./vmreplica-receiver --check '%s' >&2", rig.store);
	CU_ASSERT_EQUAL(system(command), 0);
}

static void continue_stale(bool has_it)
{
	enum frame_type answer;

	fault_sync_release();
	kill(stale.pid, SIGCONT);
	answer = sender_answer(&stale_sender, 30000);
	CU_ASSERT_TRUE(answer != FRAME_COMMITTED || has_it);
	clock_sleep_ms(700); /* its applier, points and merges have their turn */
	points_cycle(6);
	all_is_right();
	sender_drop(&stale_sender);
	rig_stop(&stale);
	points_cycle(6);
	all_is_right();
	points_end();
	rig_fault_sync = true;
}

static void test_each_step(void)
{
	for (int k = 0; k < STEPS; k++) {
		bool has_it;

		points_begin(3, 1, 5000);
		points_cycle(10);
		points_applied_wait();
		rig_wait(&rig, NULL, 0, 500); /* nothing of it is under way any more */
		CU_ASSERT_TRUE(scene_sums_wait(20000));
		fault_sync_hold(FAULT_CHILD, k);
		delta_send();
		/* How many there are after the batch's begin depends on points and merges. */
		CU_ASSERT_TRUE(fault_sync_wait_held(5000) || k > SYNC_APPLY + 2);
		owner_lose();
		has_it = take_over();
		CU_ASSERT_EQUAL(has_it, k >= SYNC_MANIFEST_DIRECTORY);
		continue_stale(has_it);
	}
}

static void test_any_moment(void)
{
	for (int i = 0; i < 4; i++) {
		points_begin(3, 1, 5000);
		points_cycle(10);
		delta_send();
		usleep(rig_random(60000));
		owner_lose();
		continue_stale(take_over());
	}
}

static const struct unit_test tests[] = {
	{"each step", test_each_step},
	{"any moment", test_any_moment},
};

int main(void)
{
	rig_require_tools();
	if (!fault_sync_is_possible()) {
		fprintf(stderr, "seccomp notifications are not allowed here\n");
		return 77;
	}
	rig_fault_sync = true;
	return unit_run("stale owner", tests, sizeof(tests) / sizeof(tests[0]));
}
