/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM that fails over and home again, and again: neither layers nor files become more, and all
 * reads as it should, whether the store has its own base or the VM's disk for one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "takeover_scene.h"
#include "shell.h"
#include "unit.h"

#define LAYERS 6 /* base, two points, the VM's last, what is being written; one that merges */
#define TRIPS  4
#define MERGED VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_MERGED

static char lineage[40];
static char paths[MODEL_DISKS][RIG_PATH];

/* The VM's disks as they are now, at the cut of cycle seq of epoch number. */
static void adopt(uint64_t number, uint64_t seq)
{
	Vmreplica__Ipc__StoreAdopt request = VMREPLICA__IPC__STORE_ADOPT__INIT;
	Vmreplica__Ipc__TakenDisk disks[MODEL_DISKS], *list[MODEL_DISKS];
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		vmreplica__ipc__taken_disk__init(&disks[i]);
		disks[i].name = (char *)(uintptr_t)model.disks[i].name;
		disks[i].path = paths[i];
		list[i] = &disks[i];
	}
	epoch.number = number;
	epoch.lineage = (char *)(uintptr_t)taking_lineage(number, lineage);
	epoch.site = (char *)(uintptr_t)RIG_SITE;
	cut.seq = seq;
	cut.cut_id = (char *)(uintptr_t) "00000000deadbeef";
	request.relationship = (char *)(uintptr_t)RIG_RELATIONSHIP;
	request.disks = list;
	request.n_disks = MODEL_DISKS;
	request.epoch = &epoch;
	request.cut = &cut;
	request.extents = (char *)(uintptr_t) "";
	scene_note_as(seq); /* handed over as they are: a point */
	rig_ask(&rig, FRAME_STORE_ADOPT, &request.base);
}

static void receive(uint64_t epoch)
{
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender_drop(&sender);
	sender.epoch = epoch;
	sender.lineage = taking_lineage(epoch, lineage);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	for (int i = 0; i < 6; i++) {
		taking_cycle_applied(6);
	}
}

/* As the engine has it done under the new primary (engine/chain_keeper.h). */
static void consolidate(void)
{
	struct manifest manifest;

	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(taking_end_as(ADVANCE, 1), 0);
	CU_ASSERT_EQUAL(taking_end_as(COMMIT, 1), 0);
	CU_ASSERT_EQUAL(taking_end_as(MERGED, 1), -EBUSY); /* it looks for itself */
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	manifest = scene_manifest();
	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		const struct manifest_disk *disk = &manifest.current.disks[i];

		CU_ASSERT_EQUAL(rig.taken.chain_count[i], disk->layer_count);
		shell_run("cd '%.300s' && qemu-img commit -q -f qcow2 -b \"$PWD/%.150s\" "
			  "\"$PWD/%.150s\" && qemu-img rebase -q -u -f qcow2 -F qcow2 -b "
			  "\"$(realpath '%.150s')\" '%.400s'",
			  rig.store, disk->layers[0].file, manifest_disk_top(disk)->file,
			  disk->layers[0].file, paths[i]);
	}
	manifest_destroy(&manifest);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(taking_end_as(MERGED, 1), 0);
	CU_ASSERT_EQUAL(scene_layers(), 1);
	CU_ASSERT_TRUE(taking_files("vda*.qcow2") <= 2);
}

/* The VM runs on the store for a while, which then becomes a replica again. */
static void trip(uint64_t epoch, unsigned int pattern, bool merges)
{
	uint64_t at = (uint64_t)pattern << 20;

	CU_ASSERT_EQUAL(taking_failover(epoch, 0), 0);
	taking_judge(sender.committed.seq, true);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(paths[i], rig.taken.paths[i], sizeof(paths[i]));
	}
	shell_run("qemu-io -f qcow2 -c 'write -P %u %" PRIu64 " 64k' '%s' >/dev/null", pattern, at,
		  paths[0]);
	memset(model.disks[0].data + at, (int)pattern, 65536);
	if (merges) {
		consolidate();
	}
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	adopt(epoch + 1, sender.committed.seq + 3); /* cycles of the other direction */
	receive(epoch + 1);
}

/* A quiet second: nothing is being merged any more. */
static void merges_end(void)
{
	size_t before = 0, now = scene_layers();

	for (int i = 0; i < 60 && before != now; i++) {
		before = now;
		rig_wait(&rig, NULL, 0, 1000);
		now = scene_layers();
	}
}

/* Points of the store before it was adopted, and of after; two of them are kept. */
static void trips(uint64_t epoch)
{
	for (unsigned int i = 0; i < TRIPS; i++) {
		trip(epoch + 2 * i, i + 1, i == 2);
		CU_ASSERT_TRUE(scene_layers_wait(LAYERS, 30000));
		merges_end();
		CU_ASSERT_TRUE(scene_points_judge() > 0);
		scene_check();
		CU_ASSERT_EQUAL(access(paths[0], F_OK), 0); /* the VM's definition names it */
	}
	/* The directories stay: names that libvirt wrote into headers lead through them. */
	CU_ASSERT_EQUAL(taking_files("vm-*"), TRIPS);
	CU_ASSERT_TRUE(taking_files("vda*.qcow2") <= LAYERS);
	shell_run("test -z \"$(find '%s' -xtype l)\"", rig.store); /* each link leads somewhere */
	scene_replace_receiver(false);
	scene_check();
	CU_ASSERT_EQUAL(taking_failover(epoch + 2 * TRIPS, 0), 0);
	taking_judge(sender.committed.seq, true);
}

static void test_store(void)
{
	taking_begin(2);
	taking_cycle_applied(8);
	trips(2);
	taking_end();
}

/* The model's disks as the old primary has them. */
static void disks_make(void)
{
	char directory[RIG_PATH];
	bool drops;
	uid_t uid;
	gid_t gid;

	rig_user(&uid, &gid, &drops);
	snprintf(directory, sizeof(directory), "%.400s/disks", rig.root);
	CU_ASSERT_EQUAL(mkdir(directory, 0755), 0);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		int fd;

		snprintf(paths[i], sizeof(paths[i]), "%.430s/%s.img", directory,
			 model.disks[i].name);
		fd = open(paths[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);
		CU_ASSERT_EQUAL(write(fd, model.disks[i].data, model.disks[i].size),
				(ssize_t)model.disks[i].size);
		close(fd);
		shell_run("cd '%s' && qemu-img convert -f raw -O qcow2 '%s' new && mv new '%s' && "
			  "chown %u:%u '%s'",
			  directory, paths[i], paths[i], (unsigned int)uid, (unsigned int)gid,
			  paths[i]);
	}
}

static void test_disk(void)
{
	char disk[RIG_PATH];

	taking_init(2);
	model_change(&model, 60);
	model_clear_dirty(&model);
	disks_make();
	memcpy(disk, paths[0], sizeof(disk));
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	rig_start(&rig, "b1");
	adopt(2, 7);
	receive(2);
	trips(3);
	CU_ASSERT_EQUAL(access(disk, F_OK), 0);
	taking_end();
}

static const struct unit_test tests[] = {
	{"of a store", test_store},
	{"of a disk", test_disk},
};

int main(void)
{
	rig_require_tools();
	return unit_run("round trips", tests, sizeof(tests) / sizeof(tests[0]));
}
