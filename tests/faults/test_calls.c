/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One call fails, each in turn, of a whole cycle that is received, applied, made a recovery point
 * and merged: the n-th write, fsync, fdatasync, rename, open of the receiver or of QEMU's programs
 * below it, the n-th allocation of the receiver. It says what is wrong, loses nothing that was
 * acknowledged, and goes on by itself; where memory was short, at the latest once it is started
 * again.
 *
 * Environment: FAULT_SEED (printed otherwise); FAULT_SHARE: how many n of each kind are tried, by
 * chance (0: every one until a pass has fewer calls; not given: two n of a kind by chance);
 * FAULT_KIND: only this one of the table below; FAULT_FROM, FAULT_STEP (of malloc): where every one
 * begins, and in which steps it goes.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "tests/faults/faults.h"
#include "tests/unit/unit.h"

#define PASS_MS	 4000
#define HEAL_MS	 40000
#define CHANGES	 6
#define PATIENCE 8 /* one in so many waits for a merge to be tried again by itself */

struct kind {
	const char *name;
	enum shim_kind kind;
	int whom, error;
};

static const struct kind kinds[] = {
	{"write", SHIM_WRITE, SHIM_RECEIVER, ENOSPC},	{"write", SHIM_WRITE, SHIM_RECEIVER, EIO},
	{"fsync", SHIM_FSYNC, SHIM_RECEIVER, EIO},	{"rename", SHIM_RENAME, SHIM_RECEIVER, EIO},
	{"open", SHIM_OPEN, SHIM_RECEIVER, EIO},	{"write", SHIM_WRITE, SHIM_QEMU, EIO},
	{"fdatasync", SHIM_FDATASYNC, SHIM_QEMU, EIO},	{"open", SHIM_OPEN, SHIM_QEMU, EIO},
	{"malloc", SHIM_MALLOC, SHIM_RECEIVER, ENOMEM},
};

static unsigned int seed, passes, restarts, resyncs, told;

/* ---- one pass ---- */

static bool is_over(const struct rig *r, uint64_t unused)
{
	(void)unused;
	return r->gone || atomic_load(&faults->failed) > 0 ||
	       r->status.applied_seq == faults_acknowledged.seq;
}

/* A cycle, until it is applied, a point, and merged, or something has failed. */
static void pass_run(void)
{
	bool fine = faults_cycle(CHANGES);

	if (fine) {
		rig_wait(&rig, is_over, 0, PASS_MS);
	}
	for (int i = 0; i < PASS_MS / 20 && fine && atomic_load(&faults->failed) == 0; i++) {
		if (faults_point() == faults_acknowledged.seq && faults_rest(0)) {
			break;
		}
		rig_wait(&rig, NULL, 0, 20);
	}
	rig_wait(&rig, NULL, 0, atomic_load(&faults->failed) > 0 ? 100 : 0);
}

/* Memory was short: it may have ended, but by its own decision. */
static void receiver_restart(void)
{
	int status = 0;

	faults_disconnect();
	if (rig.gone) {
		waitpid(rig.pid, &status, 0);
		rig_forget(&rig);
		CU_ASSERT_FALSE(WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL);
		fprintf(stderr, "the receiver has ended: %#x\n", (unsigned int)status);
	} else {
		rig_stop(&rig);
	}
	restarts++;
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
}

/* What a failed call has left waits half a minute: open the store anew rather than wait. */
static void rest_reach(void)
{
	if (faults_rest(1500)) {
		return;
	}
	if (rig_random(PATIENCE) == 0) {
		CU_ASSERT_TRUE(faults_rest(HEAL_MS));
		return;
	}
	faults_disconnect();
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(faults_rest(20000));
}

static bool trouble_is_told(const struct rig *r, uint64_t unused)
{
	(void)unused;
	return r->gone || r->status.reason[0] != '\0';
}

/* One failure; true when all held. */
static bool pass(const struct kind *kind, long at)
{
	unsigned int before = CU_get_number_of_failures();
	uint64_t resyncs_before = rig.status.resyncs;
	bool held, well;

	rig_mortal = true;
	faults_arm(kind->kind, kind->whom, at, false, kind->error);
	pass_run();
	if (atomic_load(&faults->failed) > 0 && sender.conn == NULL) {
		told += faults_reason[0] != '\0' || rig_wait(&rig, trouble_is_told, 0, 500);
	}
	faults_disarm();
	well = !rig.gone && faults_heal(kind->kind == SHIM_MALLOC ? 12000 : HEAL_MS);
	if (!well && kind->kind == SHIM_MALLOC) {
		receiver_restart();
		well = faults_heal(HEAL_MS);
	}
	rig_mortal = false;
	CU_ASSERT_TRUE(well);
	CU_ASSERT_EQUAL(atomic_load(&faults->retried), 0);
	resyncs += (unsigned int)(rig.status.resyncs - resyncs_before);
	rest_reach();
	held = well && faults_judge() && CU_get_number_of_failures() == before;
	passes++;
	if (!held) {
		fprintf(stderr, "failed: %s of %s, number %ld: %s (seed %u)\n", kind->name,
			kind->whom == SHIM_QEMU ? "QEMU" : "the receiver", at,
			strerror(kind->error), seed);
	}
	return held;
}

/* How many calls a pass has in which nothing fails. */
static long calls_count(const struct kind *kind)
{
	faults_arm(kind->kind, kind->whom, 0, false, 0);
	pass_run();
	faults_disarm();
	return faults_calls();
}

/* Every n, until two passes one after the other had fewer calls. */
static bool whole_run(const struct kind *kind, long *ret_failed)
{
	long clean = 0, step = kind->kind == SHIM_MALLOC ? faults_number("FAULT_STEP", 1) : 1;
	bool ok = true;

	for (long n = faults_number("FAULT_FROM", 1); ok && clean < 2; n += step) {
		ok = pass(kind, n);
		clean = atomic_load(&faults->failed) == 0 ? clean + 1 : 0;
		*ret_failed += clean == 0;
	}
	return ok;
}

static void kind_run(const struct kind *kind, long share)
{
	long failed = 0, calls = calls_count(kind);
	bool ok = true;

	CU_ASSERT_TRUE_FATAL(calls > 0);
	if (share == 0) {
		ok = whole_run(kind, &failed);
	}
	for (long i = 0; i < share && ok; i++) {
		ok = pass(kind, 1 + (long)rig_random((uint32_t)calls));
		failed += atomic_load(&faults->failed) > 0;
	}
	printf("%s of %s, %s: %ld failed, one a pass (a pass has about %ld): %s\n", kind->name,
	       kind->whom == SHIM_QEMU ? "QEMU" : "the receiver", strerror(kind->error), failed,
	       calls, ok ? "none did harm" : "FAILED");
	fflush(stdout);
}

static void test_calls(void)
{
	const size_t count = sizeof(kinds) / sizeof(kinds[0]);
	long only = faults_number("FAULT_KIND", -1), share = faults_number("FAULT_SHARE", -1);

	faults_store_begin(1);
	CU_ASSERT_TRUE_FATAL(faults_cycle(0));
	for (int i = 0; i < 3; i++) { /* to a store that drops and merges with each cycle */
		CU_ASSERT_TRUE_FATAL(faults_cycle(CHANGES));
		CU_ASSERT_TRUE_FATAL(faults_rest(10000));
	}
	for (size_t i = 0; i < count && share >= 0; i++) {
		if (only < 0 || only == (long)i) {
			kind_run(&kinds[i], share);
		}
	}
	if (share < 0) {
		kind_run(&kinds[rig_random((uint32_t)count)], 2);
	}
	printf("FAULT_SEED=%u: %u passes, %u told the sender why, %u resynchronizations, %u "
	       "receivers started again; %ld times a failed fsync was tried again and succeeded\n",
	       seed, passes, told, resyncs, restarts, atomic_load(&faults->retried));
	faults_store_end();
}

static const struct unit_test tests[] = {{"one call fails", test_calls}};

int main(void)
{
	rig_require_tools();
	seed = faults_seed();
	return unit_run("calls that fail", tests, sizeof(tests) / sizeof(tests[0]));
}
