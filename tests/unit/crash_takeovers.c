/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takeovers of a store that is killed in their middle. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash_operations.h"
#include "takeover_scene.h"
#include "unit.h"

#define ATTEMPTS 10

/* ---- requests that nobody waits for ---- */

/* The receiver may be dying. */
static void takeover_send(Vmreplica__TakeoverKind kind, uint64_t number)
{
	Vmreplica__Ipc__StoreTakeover request = VMREPLICA__IPC__STORE_TAKEOVER__INIT;
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	char relationship[] = RIG_RELATIONSHIP, holder[] = "web1", site[] = "b.example";
	char lineage[40];

	taking_lineage(number, lineage);
	epoch.number = number;
	epoch.lineage = lineage;
	epoch.site = site;
	request.id = 1000000 + number;
	request.relationship = relationship;
	request.kind = kind;
	request.holder = holder;
	request.latest = true;
	request.epoch = number == 0 ? NULL : &epoch;
	channel_send(&rig.channel, FRAME_STORE_TAKEOVER, &request.base, NULL, 0, 1000);
}

/* The answer's disks read as the cut that it names. */
static void taken_judge(void)
{
	const struct cut_note *note = scene_cut_find(rig.taken.seq);

	CU_ASSERT_PTR_NOT_NULL_FATAL(note);
	CU_ASSERT_TRUE(rig.taken.seq >= crash_acknowledged_cut.seq ||
		       rig.taken.seq == crash_sent_cut.seq);
	CU_ASSERT_EQUAL(rig.taken.disk_count, MODEL_DISKS);
	for (size_t i = 0; i < rig.taken.disk_count; i++) {
		CU_ASSERT_EQUAL(image_digest(rig.taken.backings[i]), note->digest[i]);
	}
}

/* A receiver that lives on may say that its daemon died under the request: as the engine does, ask
 * again. */
static bool is_refused(int error)
{
	static int times;

	times = error == 0 || times == ATTEMPTS ? 0 : times + 1;
	if (times > 0) {
		rig_wait(&rig, NULL, 0, 300);
	}
	return times > 0;
}

/* A test failover of the newest cycle begins, and cycles go on. */
bool crash_step_test(void)
{
	if (!crash_cycle(8)) {
		return false;
	}
	takeover_send(VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST, 0);
	return true;
}

void crash_settle_test(void)
{
	if (crash_acknowledged_cut.seq == 0) {
		return;
	}
	while (is_refused(taking_test("web1", 0))) {
	}
	CU_ASSERT_EQUAL(rig.taken.error, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene_cut_find(rig.taken.seq));
	for (size_t i = 0; i < rig.taken.disk_count; i++) {
		CU_ASSERT_EQUAL(image_digest(rig.taken.backings[i]),
				scene_cut_find(rig.taken.seq)->digest[i]);
	}
	while (is_refused(taking_end_as(CLEANUP, 1))) {
	}
	CU_ASSERT_EQUAL(rig.taken.error, 0);
}

/* A failover comes over running cycles. */
bool crash_step_failover(void)
{
	for (int i = 0; i < 3; i++) {
		if (!crash_cycle(10)) {
			return false;
		}
	}
	takeover_send(VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER, crash_epoch + 2);
	return false; /* no more cycles */
}

/* Asked again it comes to its end, with what was acknowledged last; and is cancelled. */
void crash_settle_failover(void)
{
	if (crash_acknowledged_cut.seq == 0) {
		return;
	}
	while (is_refused(taking_failover(crash_epoch + 2, 0))) {
	}
	CU_ASSERT_EQUAL(rig.taken.error, 0);
	taken_judge();
	while (is_refused(taking_end_as(CANCEL, crash_epoch + 3))) {
	}
	CU_ASSERT_EQUAL(rig.taken.error, 0);
	crash_epoch += 3;
}

/* ---- paths ---- */

/* One stage: true when it is done. It may be done again whatever came of it before. */
typedef bool (*crash_stage)(void);

static const crash_stage *path; /* NULL: none is under way */
static size_t path_at;
static char images[MODEL_DISKS][RIG_PATH];

static bool stage_cycles(void)
{
	for (int i = 0; i < 2; i++) {
		if (!crash_cycle(10)) {
			return false;
		}
	}
	return true;
}

/* Judged when the receiver is there to stay: before that, time is for the stages to come. */
static bool stage_failover(void)
{
	if (taking_failover(crash_epoch + 2, 0) != 0) {
		return false;
	}
	for (size_t i = 0; i < rig.taken.disk_count; i++) {
		memcpy(images[i], rig.taken.paths[i], sizeof(images[i]));
	}
	if (!rig_mortal) {
		taken_judge();
	}
	return true;
}

static bool stage_cancel(void)
{
	if (taking_end_as(CANCEL, crash_epoch + 3) != 0) {
		return false;
	}
	crash_epoch += 3;
	return true;
}

static bool stage_commit(void)
{
	if (taking_end_as(COMMIT, 1) != 0) {
		return false;
	}
	if (!rig_mortal) {
		taken_judge();
	}
	return true;
}

/* As the engine has qemu-img do it for a VM that is off. kill: it dies in the middle, perhaps. */
static void chain_merge(const struct manifest *manifest, unsigned int disk, bool kill)
{
	const struct manifest_disk *chain = &manifest->current.disks[disk];
	char command[6 * RIG_PATH];

	if (chain->layer_count < 2) {
		return;
	}
	snprintf(command, sizeof(command),
		 "cd '%.300s' && %s%.1u qemu-img commit -q -f qcow2 -b \"$PWD/%.200s\" "
		 "\"$PWD/%.200s\"",
		 rig.store, kill ? "timeout --foreground -s KILL 0.0" : "timeout ",
		 kill ? rig_random(9) + 1 : 60, chain->layers[0].file,
		 chain->layers[chain->layer_count - 1].file);
	if (kill) {
		snprintf(command + strlen(command), 32, " 2>/dev/null; true");
	} else {
		snprintf(command + strlen(command), sizeof(command) - strlen(command),
			 " && qemu-img rebase -q -u -f qcow2 -F qcow2 -b \"$PWD/%.200s\" '%.300s'",
			 chain->layers[0].file, images[disk]);
	}
	CU_ASSERT_EQUAL(system(command), 0);
}

static bool stage_merge(void)
{
	struct manifest manifest = scene_manifest();

	CU_ASSERT_EQUAL(manifest.current.disk_count, MODEL_DISKS);
	for (unsigned int i = 0; i < manifest.current.disk_count; i++) {
		chain_merge(&manifest, i, true);
		chain_merge(&manifest, i, false);
	}
	manifest_destroy(&manifest);
	return true;
}

static bool stage_merged(void)
{
	if (taking_end_as(VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_MERGED, 1) != 0) {
		return false;
	}
	if (!rig_mortal) {
		taken_judge();
		CU_ASSERT_EQUAL(scene_layers(), 1);
	}
	return true;
}

/* Nobody asks the receiver; the images are the VM's. */
static bool stage_leave(void)
{
	crash_home_leave(images);
	return true;
}

static bool stage_adopt(void)
{
	if (!crash_home_adopt(images, crash_epoch + 3)) {
		return false;
	}
	crash_epoch += 3;
	return true;
}

static const crash_stage cancel_path[] = {stage_cycles, stage_failover, stage_cancel, NULL};
static const crash_stage commit_path[] = {stage_cycles, stage_failover,	  stage_commit,
					  stage_merge,	stage_merged,	  stage_leave,
					  stage_adopt,	crash_home_first, NULL};
static const crash_stage reverse_path[] = {stage_cycles, stage_failover,   stage_leave,
					   stage_adopt,	 crash_home_first, NULL};

static bool path_step(const crash_stage *wanted)
{
	if (path == NULL) {
		path = wanted;
		path_at = 0;
	}
	if (path[path_at] == NULL) {
		return crash_connect() && crash_cycle(5);
	}
	if (!path[path_at]()) {
		return false;
	}
	path_at++;
	return true;
}

bool crash_step_cancel(void)
{
	return path_step(cancel_path);
}

bool crash_step_commit(void)
{
	return path_step(commit_path);
}

bool crash_step_reverse(void)
{
	return path_step(reverse_path);
}

/* What stands is asked for again, which gives the same answer. */
static bool stage_stands(crash_stage stage)
{
	return stage == stage_commit || stage == stage_merge || stage == stage_merged;
}

void crash_settle_path(void)
{
	if (path == NULL || path_at == 0) {
		path = NULL;
		return;
	}
	path_at = stage_stands(path[path_at]) ? 1 : path_at;
	while (path[path_at] != NULL) {
		bool done = false;

		for (int i = 0; i < ATTEMPTS && !done; i++) {
			rig_wait(&rig, NULL, 0, i == 0 ? 0 : 300);
			done = path[path_at]();
		}
		CU_ASSERT_TRUE_FATAL(done);
		path_at++;
	}
	path = NULL;
}
