/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replica's file system gets full at any write of a cycle that is received, applied, made a
 * recovery point and merged: from the n-th write on each one of the receiver and of QEMU's fails
 * with ENOSPC, and the file system says that nothing is free. Replication pauses with a reason, and
 * goes on by itself once there is room. (With a resynchronization where the write was part of a
 * flush of the image: what it holds is not known after a failed one.)
 *
 * Environment: FAULT_SEED (printed otherwise); FAULT_SHARE: how many n are tried, by chance
 * (default 1; 0: every one until a pass has fewer writes, and each waits until merges have come to
 * rest by themselves, which try again after half a minute).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/faults/faults.h"
#include "tests/unit/unit.h"

#define CHANGES 6
#define PASS_MS 4000
#define FULL_MS 300
#define HEAL_MS 40000

static unsigned int seed, pauses, resynchronized;
static bool patient;

/* A cycle, until it is merged, or nothing can be written any more. */
static void pass_run(void)
{
	bool fine = faults_cycle(CHANGES);

	for (int i = 0; i < PASS_MS / 20 && fine && atomic_load(&faults->failed) == 0; i++) {
		if (faults_point() == faults_acknowledged.seq && faults_rest(0)) {
			break;
		}
		rig_wait(&rig, NULL, 0, 20);
	}
}

/* While it is full no cycle is taken, and both sides hear why. */
static void pause_judge(void)
{
	bool taken = false;

	rig_wait(&rig, NULL, 0, FULL_MS);
	if (sender.conn == NULL || sender.code[0] == '\0') {
		taken = faults_cycle(1);
	}
	CU_ASSERT_FALSE(taken);
	CU_ASSERT_STRING_EQUAL(faults_code, "storage-full");
	CU_ASSERT_PTR_NOT_NULL(strstr(faults_reason, "make room there"));
	CU_ASSERT_TRUE(scene_wait_code("storage-full", 3000));
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_CRITICAL);
	pauses++;
}

/* true when all held. */
static bool pass(long at)
{
	unsigned int before = CU_get_number_of_failures();
	uint64_t resyncs = rig.status.resyncs;
	bool hit, held;

	faults_arm(SHIM_WRITE, SHIM_RECEIVER | SHIM_QEMU, at, true, ENOSPC);
	pass_run();
	hit = atomic_load(&faults->failed) > 0;
	if (hit) {
		pause_judge();
	}
	faults_disarm();
	CU_ASSERT_TRUE(faults_heal(HEAL_MS));
	resynchronized += (unsigned int)(rig.status.resyncs - resyncs);
	CU_ASSERT_TRUE(!patient || faults_rest(HEAL_MS));
	held = faults_judge() && CU_get_number_of_failures() == before;
	if (!held) {
		fprintf(stderr, "failed: full from write %ld on (seed %u); %s: %s; sender %s: %s\n",
			at, seed, rig.status.code, rig.status.reason, faults_code, faults_reason);
	}
	return held;
}

static void test_full(void)
{
	long share = faults_number("FAULT_SHARE", 1), tried = 0, clean = 0, writes;
	bool ok = true;

	patient = share == 0;
	faults_store_begin(1);
	CU_ASSERT_TRUE_FATAL(faults_cycle(0));
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE_FATAL(faults_cycle(CHANGES));
		CU_ASSERT_TRUE_FATAL(faults_rest(10000));
	}
	faults_arm(SHIM_WRITE, SHIM_RECEIVER | SHIM_QEMU, 0, false, 0);
	pass_run();
	faults_disarm();
	writes = faults_calls();
	for (long n = 1; share == 0 && ok && clean < 2; n++, tried++) {
		ok = pass(n);
		clean = atomic_load(&faults->failed) == 0 ? clean + 1 : 0;
	}
	for (; tried < share && ok; tried++) {
		ok = pass(1 + (long)rig_random((uint32_t)writes));
	}
	printf("FAULT_SEED=%u: %ld passes (one has about %ld writes), in %u the disk got full: %s, "
	       "%u with a resynchronization\n",
	       seed, tried, writes, pauses,
	       ok ? "each paused with a reason and went on by itself" : "FAILED", resynchronized);
	faults_store_end();
}

static const struct unit_test tests[] = {{"a full disk", test_full}};

int main(void)
{
	rig_require_tools();
	seed = faults_seed();
	return unit_run("full disk", tests, sizeof(tests) / sizeof(tests[0]));
}
