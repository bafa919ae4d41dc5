/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power fails: all that a receiver and its daemon do to a store's files is recorded, from its first
 * open over an initial replication, cycles, points, merges and a resynchronization to its close.
 * What the disk may hold is put together for a cut of power at each flush (with all that was not
 * flushed, and with nothing of it), and at random moments with any part of it. Each opens to an
 * acknowledged cycle, not older than the last one acknowledged then, or to the one that was being
 * acknowledged, without a resynchronization, and its points read as they were.
 *
 * Environment: FAULT_SEED (printed otherwise); FAULT_SHARE: how many cuts at flushes and how many
 * at random (default 2; 0: at every flush both ways, and 1,000 at random).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "tests/faults/faults.h"
#include "tests/faults/replay.h"
#include "tests/unit/unit.h"

#define CYCLES	      6
#define SUBSETS_WHOLE 1000

static unsigned int seed;
static char replica[RIG_PATH]; /* where the recorded store is */

static uint64_t inode_of(const char *path)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	return st.st_ino;
}

/* ---- the recording ---- */

static void cycle_recorded(int changes)
{
	CU_ASSERT_TRUE_FATAL(faults_cycle(changes));
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, faults_acknowledged.seq, 20000));
}

static void life_record(void)
{
	faults_prepare(1);
	faults_record(rig.store);
	faults_open();
	cycle_recorded(0);
	for (int i = 0; i < CYCLES; i++) {
		if (i % 2 == 0) {
			cycle_recorded(4);
			CU_ASSERT_TRUE(faults_rest(20000));
		} else { /* merges and cycles at once */
			CU_ASSERT_TRUE_FATAL(faults_cycle(4));
		}
	}
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, faults_acknowledged.seq, 20000));
	sender.mode = RESYNC;
	cycle_recorded(4);
	CU_ASSERT_TRUE(faults_rest(20000));
	faults_disconnect();
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	atomic_store(&faults->recording, 0);
}

/* ---- the judgement ---- */

static bool is_whole(const struct rig *r, uint64_t unused)
{
	(void)unused;
	return r->status.count > 0 && r->status.applied_seq == r->status.seq &&
	       r->status.batch_seq == 0;
}

static bool content_holds(void)
{
	const struct cut_note *note = scene_cut_find(rig.status.seq);
	bool holds = note != NULL && rig.status.disk_count == MODEL_DISKS;

	for (unsigned int i = 0; i < MODEL_DISKS && holds; i++) {
		holds = image_digest(rig.status.tops[i]) == note->digest[i];
	}
	points_check();
	return holds;
}

static bool store_holds(uint64_t acknowledged)
{
	unsigned int before = CU_get_number_of_failures();
	bool holds = true;

	memset(&rig.status, 0, sizeof(rig.status));
	if (rig_open(&rig) != 0) {
		fprintf(stderr, "it does not open: %s\n", rig.opened_text);
		return false;
	}
	holds = rig_wait(&rig, is_whole, 0, 20000) && rig.status.seq >= acknowledged &&
		rig.status.seq <= acknowledged + 1 &&
		(rig.status.state != VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE ||
		 strstr(rig.status.reason, "the primary asked") != NULL);
	for (int attempt = 0; rig.status.seq > 0 && holds && attempt < 5; attempt++) {
		rig_wait(&rig, NULL, 0, attempt * 100); /* a merge may have been under way */
		if (content_holds()) {
			break;
		}
		holds = attempt < 4;
	}
	if (!holds) {
		fprintf(stderr, "cycle %" PRIu64 ", applied %" PRIu64 ", %s: %s\n", rig.status.seq,
			rig.status.applied_seq, rig.status.code, rig.status.reason);
	}
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	return holds && CU_get_number_of_failures() == before;
}

/* One cut of power before deed index; true when the store holds. */
static bool cut_judge(const struct replay *replay, size_t index, enum replay_rest rest)
{
	static const char *const rests[] = {"all", "nothing", "some"};
	uint64_t acknowledged = replay_acknowledged(replay, index);
	char command[RIG_PATH * 2];
	bool holds;

	snprintf(rig.store, sizeof(rig.store), "%.400s/cut", rig.root);
	replay_make(replay, index, rest, rig.store);
	holds = store_holds(acknowledged);
	CU_ASSERT_TRUE(holds);
	if (!holds) {
		fprintf(stderr,
			"power cut before %zu of %zu with %s of what was not flushed, %" PRIu64
			" acknowledged, seed %u\n",
			index, replay_count(replay), rests[rest], acknowledged, seed);
	}
	snprintf(command, sizeof(command), holds ? "rm -rf '%s'" : "mv '%s' /tmp/vmreplica-cut-%d",
		 rig.store, rand());
	CU_ASSERT_EQUAL(system(command), 0);
	snprintf(rig.store, sizeof(rig.store), "%s", replica);
	return holds;
}

static size_t flush_random(const struct replay *replay)
{
	size_t index;

	do {
		index = rig_random((uint32_t)replay_count(replay));
	} while (!replay_is_flush(replay, index));
	return index;
}

static size_t flushes_whole(const struct replay *replay, size_t *ret_bad)
{
	size_t done = 0;

	for (size_t i = 0; i < replay_count(replay); i++) {
		if (replay_is_flush(replay, i)) {
			*ret_bad += !cut_judge(replay, i, REPLAY_ALL);
			*ret_bad += !cut_judge(replay, i + 1, REPLAY_NONE);
			done += 2;
		}
	}
	return done;
}

static void test_power_loss(void)
{
	long share = faults_number("FAULT_SHARE", 2), subsets = share == 0 ? SUBSETS_WHOLE : share;
	size_t flushes = 0, bad = 0, bad_subsets = 0;
	struct replay *replay;

	life_record();
	snprintf(replica, sizeof(replica), "%s", rig.store);
	replay = replay_new(faults, inode_of(rig.store));
	if (share == 0) {
		flushes = flushes_whole(replay, &bad);
	}
	for (; flushes < (size_t)share; flushes++) {
		size_t index = flush_random(replay);

		bad += flushes % 2 == 0 ? !cut_judge(replay, index, REPLAY_ALL)
					: !cut_judge(replay, index + 1, REPLAY_NONE);
	}
	for (long i = 0; i < subsets; i++) {
		size_t index = 1 + rig_random((uint32_t)replay_count(replay));

		bad_subsets += !cut_judge(replay, index, REPLAY_CHANCE);
	}
	printf("FAULT_SEED=%u: %zu things done to the store; power cut at %zu flushes: %zu wrong; "
	       "with %ld random parts of what was not flushed: %zu wrong\n",
	       seed, replay_count(replay), flushes, bad, subsets, bad_subsets);
	replay_free(replay);
	faults_store_end();
}

static const struct unit_test tests[] = {{"power loss", test_power_loss}};

int main(void)
{
	rig_require_tools();
	seed = faults_seed();
	return unit_run("power loss", tests, sizeof(tests) / sizeof(tests[0]));
}
