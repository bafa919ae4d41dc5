/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM keeps beside its disks: each recovery point has what was true at its cut. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "proto/vm_state.h"
#include "receiver/manifest.h"
#include "replica_scene.h"
#include "unit.h"

#define CUTS_MAX 64

/* What was true at each committed cut. */
static const char *truth[CUTS_MAX];
static const char *variables;

static void note(void)
{
	CU_ASSERT_FATAL(sender.committed.seq < CUTS_MAX);
	truth[sender.committed.seq] = variables;
}

static struct manifest store_manifest(void)
{
	cleanup_close int fd = open(rig.store, O_RDONLY | O_DIRECTORY);
	struct manifest manifest = {0};
	char error[MANIFEST_ERROR_LEN] = "";

	CU_ASSERT_EQUAL_FATAL(manifest_load(fd, &manifest, error), 0);
	return manifest;
}

static bool file_holds(const struct manifest_state *state, const char *text)
{
	char path[RIG_PATH * 2];
	uint8_t data[4096];
	const struct vm_state_file *nvram;
	struct vm_state found;
	const char *why;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", rig.store, state->file);
	cleanup_close int fd = open(path, O_RDONLY);

	len = fd >= 0 ? read(fd, data, sizeof(data)) : -1;
	if (len < 0 || vm_state_decode(data, (size_t)len, &found, &why) < 0) {
		return false;
	}
	nvram = vm_state_find(&found, VM_STATE_NVRAM);
	return nvram != NULL && nvram->len == strlen(text) &&
	       memcmp(nvram->data, text, nvram->len) == 0;
}

static size_t state_files(void)
{
	char path[RIG_PATH * 2];
	size_t count = 0;

	for (int generation = 1; generation < 6; generation++) {
		const struct dirent *entry;
		DIR *dir;

		snprintf(path, sizeof(path), "%s/gen-%d", rig.store, generation);
		dir = opendir(path);
		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			count += strstr(entry->d_name, ".state") != NULL;
		}
		if (dir != NULL) {
			closedir(dir);
		}
	}
	return count;
}

static bool has_states(size_t expected)
{
	struct manifest manifest = store_manifest();
	bool has = manifest.state_count == expected && state_files() == expected;

	manifest_destroy(&manifest);
	return has;
}

/* Every cycle that can be recovered has the state of its cut, and no other file is kept: once what
 * is over is merged away. */
static void check(size_t expected)
{
	struct manifest manifest;

	for (int i = 0; i < 150 && !has_states(expected); i++) {
		rig_wait(&rig, NULL, 0, 200);
	}
	manifest = store_manifest();
	CU_ASSERT_EQUAL(manifest.state_count, expected);
	CU_ASSERT_EQUAL(state_files(), expected);
	CU_ASSERT_TRUE(manifest.point_count > 0);
	for (uint64_t seq = manifest.points[0].cut.seq; seq <= manifest.committed.seq; seq++) {
		const struct manifest_state *state = manifest_state_find(&manifest, seq);

		if (truth[seq] == NULL) {
			CU_ASSERT_PTR_NULL(state);
		} else if (truth[seq][0] != '?') { /* '?': was never a cycle */
			CU_ASSERT_PTR_NOT_NULL_FATAL(state);
			CU_ASSERT_TRUE(file_holds(state, truth[seq]));
		}
	}
	manifest_destroy(&manifest);
}

/* A cycle that is a point; with what the VM keeps when send says so. */
static void cycle(bool send)
{
	sender.nvram = send ? variables : NULL;
	scene_delta(4);
	note();
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
	rig_wait(&rig, NULL, 0, 200);
}

static void resync(void)
{
	scene_enter();
	sender.nvram = variables;
	sender_begin(&sender, &model, RESYNC, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_NOT_EQUAL(sender_resync_range(&sender, &model, i, 0, model.disks[i].size),
				    UINT64_MAX);
	}
	CU_ASSERT_TRUE(sender_end(&sender));
	model_clear_dirty(&model);
}

static void begin(void)
{
	rig_init(&rig);
	rig.points = 3;
	rig.point_interval_s = 1;
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	memset(truth, 0, sizeof(truth));
}

static void end(void)
{
	sender.cut_time_ms = sender.cut_step_ms = 0;
	scene_end();
}

static void test_each_point_has_its_own(void)
{
	begin();
	variables = NULL;
	scene_initial(); /* an older sender */
	note();
	check(0);
	variables = "boot 1";
	cycle(true);
	check(1);
	cycle(false);
	variables = "boot 2";
	cycle(true);
	check(2);
	cycle(true); /* a new connection says it again */
	check(2);
	/* what a cycle brings that is never committed is not true */
	sender.nvram = "boot 3";
	sender_begin(&sender, &model, DELTA, false);
	truth[sender.cut.seq] = "?";
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	cycle(false);
	check(1); /* three points, all with the second one */
	scene_replace_receiver(true);
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	variables = "boot 4";
	cycle(true);
	check(2);
	variables = "boot 5";
	resync();
	note();
	check(3);
	for (int i = 0; i < 4; i++) {
		cycle(false);
	}
	check(1);
	scene_check();
	end();
}

/* A flipped byte in one is found by a check of the store. */
static void test_damage_is_found(void)
{
	char command[RIG_PATH * 3], path[RIG_PATH * 2];
	struct manifest manifest;
	int fd;

	begin();
	variables = "boot 1";
	sender.nvram = variables;
	scene_initial();
	note();
	check(1);
	rig_stop(&rig);
	snprintf(command, sizeof(command), "./vmreplica-receiver --check %s >/dev/null", rig.store);
	CU_ASSERT_EQUAL(WEXITSTATUS(system(command)), 0);
	manifest = store_manifest();
	snprintf(path, sizeof(path), "%s/%s", rig.store, manifest.states[0].file);
	manifest_destroy(&manifest);
	fd = open(path, O_WRONLY);
	CU_ASSERT_EQUAL(pwrite(fd, "!", 1, 45), 1);
	close(fd);
	CU_ASSERT_EQUAL(WEXITSTATUS(system(command)), 3);
	unlink(path);
	CU_ASSERT_EQUAL(WEXITSTATUS(system(command)), 3);
	rig_start(&rig, "b1");
	end();
}

static void test_wrong_ones_are_refused(void)
{
	begin();
	variables = "boot 1";
	sender.nvram = variables;
	scene_initial();
	note();
	sender.spoil_state = true;
	sender.nvram = "boot 2";
	sender_begin(&sender, &model, DELTA, false);
	sender.spoil_state = false;
	scene_expect(FRAME_FAILURE, "malformed", "its hash differs");
	scene_recover();
	sender.nvram = "boot 2";
	sender_begin(&sender, &model, DELTA, false);
	sender_state(&sender, "boot 3");
	scene_expect(FRAME_FAILURE, "sequence", "twice");
	scene_recover();
	sender_begin(&sender, &model, DELTA, false);
	sender_zero(&sender, 0, 0, 65536);
	sender_state(&sender, "boot 3");
	scene_expect(FRAME_FAILURE, "sequence", "late");
	scene_recover();
	for (size_t i = 2; i < CUTS_MAX; i++) {
		truth[i] = "boot 1";
	}
	check(1);
	end();
}

/* More changes than are kept: those that points have stay. */
static void test_too_many(void)
{
	struct manifest manifest = {.applied_seq = 2000};
	struct manifest_cut cut = {.cut_id = "0123456789abcdef"};

	for (uint64_t seq = 1; seq <= 2000; seq++) {
		struct manifest_state state = {.seq = seq};

		snprintf(state.file, sizeof(state.file), "gen-1/%lu.state", (unsigned long)seq);
		if (seq % 100 == 1) {
			cut.seq = seq;
			CU_ASSERT_EQUAL(manifest_point_push(&manifest, &cut, false), 0);
		}
		CU_ASSERT_EQUAL_FATAL(manifest_state_push(&manifest, &state), 0);
		manifest_states_trim(&manifest);
	}
	CU_ASSERT_EQUAL(manifest.state_count, MANIFEST_STATES_MAX);
	for (size_t i = 0; i < manifest.point_count; i++) {
		uint64_t seq = manifest.points[i].cut.seq;

		CU_ASSERT_EQUAL(manifest_state_find(&manifest, seq)->seq, seq);
	}
	CU_ASSERT_EQUAL(manifest_state_find(&manifest, UINT64_MAX)->seq, 2000);
	manifest_point_drop(&manifest, manifest.point_count);
	manifest_states_trim(&manifest);
	CU_ASSERT_EQUAL(manifest.state_count, 1);
	manifest_destroy(&manifest);
}

static const struct unit_test tests[] = {
	{"each point has its own", test_each_point_has_its_own},
	{"damage is found", test_damage_is_found},
	{"wrong ones are refused", test_wrong_ones_are_refused},
	{"too many", test_too_many},
};

int main(void)
{
	rig_require_tools();
	return unit_run("VM states", tests, sizeof(tests) / sizeof(tests[0]));
}
