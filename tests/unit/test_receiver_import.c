/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images that were copied into a store become a replica: what the manifest names is there after a
 * power cut, and what cannot be made durable is not taken. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adopt_scene.h"
#include "fault_sync.h"
#include "shell.h"
#include "unit.h"

/* <store>/import/<disk>.qcow2, as the engine leaves them; vdb as an image that is not ours. */
static void media_make(void)
{
	char directory[RIG_PATH + 16];

	snprintf(directory, sizeof(directory), "%s/import", rig.store);
	CU_ASSERT_TRUE(mkdir(directory, 0750) == 0 || errno == EEXIST);
	scene_give(directory);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		char path[RIG_PATH + 64], raw[RIG_PATH + 80];
		int fd;

		snprintf(path, sizeof(path), "%s/%s.qcow2", directory, model.disks[i].name);
		snprintf(raw, sizeof(raw), "%s.raw", path);
		fd = open(raw, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		CU_ASSERT_EQUAL(write(fd, model.disks[i].data, model.disks[i].size),
				(ssize_t)model.disks[i].size);
		close(fd);
		shell_run("qemu-img convert -f raw -O qcow2 -o cluster_size=%s '%s' '%s' && "
			  "rm '%s'",
			  i == 0 ? "65536" : "4096", raw, path, raw);
		scene_give(path);
	}
}

static bool is_imported(const struct rig *r, uint64_t unused)
{
	(void)unused;
	return r->imported.answered;
}

/* With the cut of an export. 0 or the error. */
static int import_run(void)
{
	Vmreplica__Ipc__StoreImport request = VMREPLICA__IPC__STORE_IMPORT__INIT;
	Vmreplica__Ipc__ImportDisk disks[MODEL_DISKS], *list[MODEL_DISKS];
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	uint8_t hash[LOG_HASH_LEN] = {0};
	char files[MODEL_DISKS][64];

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		vmreplica__ipc__import_disk__init(&disks[i]);
		snprintf(files[i], sizeof(files[i]), "%s.qcow2", model.disks[i].name);
		disks[i].name = (char *)(uintptr_t)model.disks[i].name;
		disks[i].file = files[i];
		list[i] = &disks[i];
	}
	cut.seq = CUT_SEQ;
	cut.cut_id = (char *)(uintptr_t)CUT_ID;
	cut.time_ms = 1795326900000;
	cut.log_hash.data = hash;
	cut.log_hash.len = sizeof(hash);
	request.relationship = (char *)(uintptr_t)RIG_RELATIONSHIP;
	request.disks = list;
	request.n_disks = MODEL_DISKS;
	request.cut = &cut;
	rig.imported.answered = false;
	rig_ask(&rig, FRAME_STORE_IMPORT, &request.base);
	CU_ASSERT_TRUE_FATAL(rig_wait(&rig, is_imported, 0, 30000));
	return rig.imported.error;
}

static void world_begin(void)
{
	scene_begin();
	model_change(&model, 60);
	model_clear_dirty(&model);
	media_make();
}

/* The replica is the copy, and goes on from its cut, after a crash as well. */
static void taken_judge(void)
{
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	CU_ASSERT_EQUAL(sender.committed.seq, CUT_SEQ);
	scene_check();
	scene_replace_receiver(true);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_STRING_EQUAL(sender.committed.cut_id, CUT_ID);
	scene_delta(8);
	scene_check();
}

/* The place where what ends so was made durable; SIZE_MAX = nowhere. */
static size_t noted_at(const char *end, size_t from)
{
	for (size_t i = from; fault_sync_noted(i) != NULL; i++) {
		const char *note = fault_sync_noted(i);

		if (strlen(note) >= strlen(end) &&
		    strcmp(note + strlen(note) - strlen(end), end) == 0) {
			return i;
		}
	}
	return SIZE_MAX;
}

/* The names that the manifest gives to the images are durable before the manifest is. */
static void test_order(void)
{
	size_t names, manifest;

	world_begin();
	fault_sync_note();
	CU_ASSERT_EQUAL(import_run(), 0);
	names = noted_at("/gen-1", 0);
	manifest = noted_at("/manifest.json", 0);
	CU_ASSERT_NOT_EQUAL(manifest, SIZE_MAX);
	CU_ASSERT_NOT_EQUAL(names, SIZE_MAX);
	CU_ASSERT_TRUE(names < manifest);
	for (size_t i = 0; names >= manifest && fault_sync_noted(i) != NULL; i++) {
		fprintf(stderr, "%zu: %s\n", i, fault_sync_noted(i));
	}
	taken_judge();
	scene_end();
}

/* Whichever fsync fails: nothing is taken over it, and the same import does it afterwards. */
static void test_failing(void)
{
	for (int k = 0; k < 4; k++) { /* each image; their names; the manifest */
		world_begin();
		fault_sync_arm(FAULT_CHILD, k, 1);
		CU_ASSERT_TRUE(import_run() < 0);
		CU_ASSERT_EQUAL(fault_sync_disarm(), 1);
		CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
		CU_ASSERT_EQUAL(rig_open(&rig), 0);
		media_make();
		CU_ASSERT_EQUAL(import_run(), 0);
		taken_judge();
		scene_end();
	}
}

static const struct unit_test tests[] = {
	{"names before the manifest", test_order},
	{"any fsync fails", test_failing},
};

int main(void)
{
	rig_require_tools();
	if (!fault_sync_is_possible()) {
		fprintf(stderr, "seccomp notifications are not allowed here\n");
		return 77;
	}
	rig_fault_sync = true;
	return unit_run("receiver's import", tests, sizeof(tests) / sizeof(tests[0]));
}
