/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An old primary's disks become a replica: judged by what they hold. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adopt_scene.h"
#include "proto/vm_state.h"
#include "shell.h"
#include "unit.h"

#define RESYNCHRONIZING VMREPLICA__STATE__STATE_RESYNCHRONIZING
#define REPLICATING	VMREPLICA__STATE__STATE_REPLICATING

static char lineage[40];

static bool adopted_have(const char *words)
{
	char command[2 * RIG_PATH];

	snprintf(command, sizeof(command), "qemu-img info -U '%s' | grep -q '%s'", adopted_paths[0],
		 words);
	return system(command) == 0;
}

static bool wait_for(bool (*condition)(const char *), const char *words, bool wanted)
{
	for (int i = 0; i < 100 && condition(words) != wanted; i++) {
		rig_wait(&rig, NULL, 0, 100);
	}
	return condition(words) == wanted;
}

/* A delta onto the old disk, which from then on is the base of a replica as any other. */
static void test_delta(void)
{
	uint64_t bytes = 0;

	adopted_begin(1);
	rig_start(&rig, "b1");
	adopted_tell(2, false);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, RESYNCHRONIZING, 5000));
	CU_ASSERT_STRING_EQUAL(rig.status.code, "adopting");
	CU_ASSERT_EQUAL(taking_test("web1-test", 0), -ENOENT);
	for (int i = 0; i < 2; i++) { /* also after a crash, and told again */
		adopted_sender();
		CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
		CU_ASSERT_EQUAL(sender.mode, DELTA);
		CU_ASSERT_EQUAL(sender.committed.seq, CUT_SEQ);
		CU_ASSERT_STRING_EQUAL(sender.committed.cut_id, CUT_ID);
		CU_ASSERT_TRUE(sender.extents > 0);
		bytes = sender_extents(&sender, &model);
		CU_ASSERT_TRUE(bytes > 0);
		if (i == 0) {
			rig_kill(&rig);
			rig_start(&rig, "b1");
			adopted_tell(2, false);
			CU_ASSERT_EQUAL(rig_open(&rig), 0);
		}
	}
	CU_ASSERT_TRUE(adopted_have(BITMAP));
	scene_delta_of_dirty();
	scene_note();
	scene_check();
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, REPLICATING, 5000));
	CU_ASSERT_TRUE(wait_for(adopted_have, BITMAP, false));
	CU_ASSERT_TRUE(adopted_have("of-another-tool"));
	adopted_sender();
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.extents, 0);
	for (int i = 0; i < 8; i++) {
		taking_cycle_applied(8);
	}
	CU_ASSERT_TRUE(scene_layers_wait(2, 30000)); /* merged into the old disk itself */
	CU_ASSERT_EQUAL(scene_layers(), 2);
	scene_points_judge();
	scene_check();
	scene_replace_receiver(false);
	scene_check();
	CU_ASSERT_EQUAL(taking_failover(3, 0), 0);
	taking_judge(sender.committed.seq, true);
	CU_ASSERT_EQUAL(taking_end_as(CANCEL, 4), 0);
	CU_ASSERT_EQUAL(rig_close(&rig, true), 0);
	CU_ASSERT_EQUAL(access(adopted_paths[0], F_OK), 0); /* the disk is not the store's */
	taking_end();
}

/* Without a list everything is compared. */
static void test_digest(void)
{
	adopted_begin(2);
	rig_start(&rig, "b1");
	adopted_tell(2, true);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_resync_whole();
	scene_note();
	scene_check();
	taking_cycle_applied(8);
	scene_check();
	taking_end();
}

/* The same when the list is lost, or the disks cannot be had. */
static void test_lost(void)
{
	adopted_begin(2);
	CU_ASSERT_EQUAL(unlink(adopted_extents), 0);
	rig_start(&rig, "b1");
	adopted_tell(2, false);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, RESYNC);
	CU_ASSERT_EQUAL(sender.extents, 0);
	CU_ASSERT_EQUAL(rig_close(&rig, true), 0);
	snprintf(adopted_paths[0], sizeof(adopted_paths[0]), "%.400s/none.img", rig.root);
	CU_ASSERT_EQUAL(mkdir(rig.store, 0750) == 0 || errno == EEXIST, true);
	scene_give(rig.store);
	adopted_tell(2, false);
	CU_ASSERT_TRUE(rig_open(&rig) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.opened_text, "none.img"));
	taking_end();
}

/* The list is of disks that are no longer the sender's: what the old primary wrote alone cannot be
 * told from it. */
static void test_grown(void)
{
	sender_features = PROTOCOL_FEATURE_DISKS; /* from here on */
	adopted_begin(2);
	rig_start(&rig, "b1");
	adopted_tell(2, false);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	model_resize(&model, 0, model.disks[0].size + 4 * MODEL_CLUSTER);
	adopted_sender();
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, RESYNC);
	CU_ASSERT_EQUAL(sender.extents, 0);
	taking_end();
}

/* What a VM of ours wrote over a store becomes that store's own base when it fails back. */
static void test_back(void)
{
	taking_begin(2);
	for (int i = 0; i < 4; i++) {
		taking_cycle_applied(8);
	}
	CU_ASSERT_EQUAL(taking_failover(2, 0), 0);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(adopted_paths[i], rig.taken.paths[i], sizeof(adopted_paths[i]));
	}
	CU_ASSERT_EQUAL(taking_end_as(COMMIT, 1), 0);
	shell_run("qemu-io -f qcow2 -c 'write -P 7 1M 64k' '%s' >/dev/null", adopted_paths[0]);
	memset(model.disks[0].data + (1 << 20), 7, 65536);
	scene_note_as(CUT_SEQ); /* handed over as it is: a point */
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	adopted_extents[0] = '\0';
	adopted_tell(3, false);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender_drop(&sender);
	sender.epoch = 3;
	sender.lineage = taking_lineage(3, lineage);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	taking_cycle_applied(8);
	scene_check();
	for (int i = 0; i < 5; i++) {
		taking_cycle_applied(8);
	}
	scene_check();
	scene_replace_receiver(true);
	scene_check();
	scene_points_judge();
	CU_ASSERT_EQUAL(rig_close(&rig, true), -EPERM); /* the VM's disks are in it */
	CU_ASSERT_EQUAL(access(adopted_paths[0], F_OK), 0);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(taking_failover(4, 0), 0);
	taking_judge(sender.committed.seq, true);
	taking_end();
}

/* What the engine left of the VM's UEFI variables. */
static void state_make(void)
{
	static const uint8_t variables[4096] = {7};
	struct vm_state state = {.count = 1};
	uint8_t *archive = NULL;
	char path[2 * RIG_PATH];
	size_t len = 0;
	int fd;

	state.files[0] = (struct vm_state_file){
		.name = VM_STATE_NVRAM, .data = variables, .len = sizeof(variables)};
	CU_ASSERT_EQUAL_FATAL(vm_state_encode(&state, &archive, &len), 0);
	CU_ASSERT_EQUAL(mkdir(rig.store, 0750) == 0 || errno == EEXIST, true);
	scene_give(rig.store);
	snprintf(path, sizeof(path), "%s/adopted.state", rig.store);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	CU_ASSERT_EQUAL(write(fd, archive, len), (ssize_t)len);
	close(fd);
	scene_give(path);
	free(archive);
}

/* Of the disks as they are: the one point, of the final cycle, with the VM's state. */
static void final_judge(void)
{
	struct manifest manifest = scene_manifest();

	CU_ASSERT_TRUE(manifest.adopted.pending);
	CU_ASSERT_EQUAL(manifest.point_count, 1);
	CU_ASSERT_EQUAL(manifest.points[0].cut.seq, CUT_SEQ);
	CU_ASSERT_EQUAL(manifest.state_count, 1);
	CU_ASSERT_EQUAL(manifest.states[0].seq, CUT_SEQ);
	CU_ASSERT_EQUAL(manifest.states[0].nvram_bytes, 4096);
	manifest_destroy(&manifest);
	rig_list(&rig, false, 100);
	CU_ASSERT_EQUAL(rig.list_count, 1);
	CU_ASSERT_EQUAL(rig.list[0].seq, CUT_SEQ);
}

/* Handed over by a planned failover; nothing has come from there yet. */
static void handed_over(uint32_t points)
{
	taking_init(points);
	model_change(&model, 60);
	adopted_disks_make();
	model_clear_dirty(&model);
	scene_note_as(CUT_SEQ);
	adopted_extents[0] = '\0';
	rig_start(&rig, "b1");
	state_make();
	adopted_tell(2, false);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, RESYNCHRONIZING, 5000));
	adopted_sender();
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
}

/* The new primary is lost before its first cycle: the disks are what a failover begins from,
 * however few points are kept, also after a crash; cancelled, they wait for that cycle as before.
 */
static void test_lost_primary(void)
{
	for (uint32_t points = 0; points <= 24; points += 24) {
		handed_over(points);
		final_judge();
		CU_ASSERT_EQUAL(taking_test("web1-test", 0), 0);
		taking_judge(CUT_SEQ, false);
		CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 0), 0);
		CU_ASSERT_EQUAL(taking_failover(3, 0), 0);
		CU_ASSERT_STRING_EQUAL(rig.taken.cut_id, CUT_ID);
		taking_failover_judge(3, CUT_SEQ);
		rig_kill(&rig);
		rig_start(&rig, "b2");
		CU_ASSERT_EQUAL(rig_open(&rig), 0);
		CU_ASSERT_EQUAL(taking_failover(3, CUT_SEQ), 0);
		taking_failover_judge(3, CUT_SEQ);
		/* it returns, and is refused: its epoch is the lower one */
		CU_ASSERT_FALSE(sender_enter(&sender, &rig, &model));
		CU_ASSERT_EQUAL(taking_end_as(CANCEL, 4), 0);
		final_judge();
		taking_sender_in(4);
		CU_ASSERT_EQUAL(sender.committed.seq, CUT_SEQ);
		for (int i = 0; i < 5; i++) {
			taking_cycle_applied(8);
		}
		scene_check();
		CU_ASSERT_TRUE(points == 0 ? scene_points_judge() == 0 : scene_points_judge() > 0);
		if (points > 0) { /* the first cycle leads on from the point */
			CU_ASSERT_EQUAL(taking_failover(5, sender.committed.seq - 4), 0);
			taking_judge(sender.committed.seq - 4, true);
			CU_ASSERT_EQUAL(taking_end_as(CANCEL, 6), 0);
		}
		CU_ASSERT_EQUAL(taking_failover(7, 0), 0);
		taking_judge(sender.committed.seq, true);
		taking_end();
	}
}

/* The VM ran on the disks from the point, the change was committed: nothing of it is lost. */
static void test_lost_primary_commit(void)
{
	handed_over(2);
	CU_ASSERT_EQUAL(taking_failover(3, CUT_SEQ), 0);
	shell_run("qemu-io -f qcow2 -c 'write -P 9 1M 64k' '%s' >/dev/null", rig.taken.paths[0]);
	memset(model.disks[0].data + (1 << 20), 9, 65536);
	scene_note_as(CUT_SEQ);
	CU_ASSERT_EQUAL(taking_end_as(COMMIT, 1), 0);
	CU_ASSERT_TRUE(scene_reads(rig.taken.paths[0], CUT_SEQ, 0));
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(taking_failover(3, 0), 0);
	taking_judge(CUT_SEQ, true);
	taking_end();
}

static int store_check(const char *more)
{
	char command[2 * RIG_PATH];
	int status;

	snprintf(command, sizeof(command), "./vmreplica-receiver --check '%.500s' %s >&2",
		 rig.store, more);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Raw disks that were wrapped: what comes is merged into the raw disk itself, and a check of the
 * store finds nothing wrong with it. */
static void test_wrapped(void)
{
	char point[40];

	adopted_wrapped = true;
	adopted_begin(1);
	rig_start(&rig, "b1");
	adopted_tell(2, true);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_resync_whole();
	scene_note();
	scene_check();
	for (int i = 0; i < 3; i++) {
		taking_cycle_applied(8);
	}
	CU_ASSERT_TRUE(scene_layers_wait(2, 30000));
	CU_ASSERT_EQUAL(store_check(""), 0);
	snprintf(point, sizeof(point), "--point %" PRIu64, taking_point_seq(0));
	CU_ASSERT_EQUAL(store_check(point), 0);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_TRUE(scene_reads(adopted_paths[i], taking_point_seq(0), i));
	}
	adopted_wrapped = false;
	taking_end();
}

static const struct unit_test tests[] = {
	{"delta onto an old primary's disk", test_delta},
	{"digest", test_digest},
	{"list or disk lost", test_lost},
	{"disks grown since", test_grown},
	{"back and forth", test_back},
	{"the new primary is lost before its first cycle", test_lost_primary},
	{"... and the change is committed", test_lost_primary_commit},
	{"wrapped raw disks", test_wrapped},
};

int main(void)
{
	rig_require_tools();
	return unit_run("adoption", tests, sizeof(tests) / sizeof(tests[0]));
}
