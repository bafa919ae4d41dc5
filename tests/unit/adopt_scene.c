/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "adopt_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/extent_file.h"
#include "shell.h"
#include "unit.h"

char adopted_paths[MODEL_DISKS][RIG_PATH], adopted_extents[RIG_PATH];
bool adopted_wrapped;

static char lineage[40];

/* ---- the disks ---- */

/* As `vmreplica wrap` does it: the header is made against another file, then turned to the disk. */
static void disk_wrap(unsigned int disk, const char *raw)
{
	const char *path = adopted_paths[disk];

	shell_run("truncate -s %llu '%s.tmp' && "
		  "qemu-img create -q -f qcow2 -o data_file='%s.tmp',data_file_raw=on,"
		  "preallocation=metadata '%s' %llu && "
		  "qemu-img amend -f qcow2 -o data_file='%s' '%s' && rm '%s.tmp'",
		  (unsigned long long)model.disks[disk].size, path, path, path,
		  (unsigned long long)model.disks[disk].size, raw, path, path);
	scene_give(raw);
}

void adopted_disks_make(void)
{
	char directory[RIG_PATH];

	snprintf(directory, sizeof(directory), "%.400s/disks", rig.root);
	CU_ASSERT_EQUAL(mkdir(directory, 0755), 0);
	scene_give(directory);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		const char *path = adopted_paths[i];
		char raw[2 * RIG_PATH];
		int fd;

		snprintf(adopted_paths[i], sizeof(adopted_paths[i]), "%.430s/%s.img", directory,
			 model.disks[i].name);
		snprintf(raw, sizeof(raw), "%.510s.raw", path);
		fd = open(raw, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		CU_ASSERT_EQUAL(write(fd, model.disks[i].data, model.disks[i].size),
				(ssize_t)model.disks[i].size);
		close(fd);
		if (adopted_wrapped) {
			disk_wrap(i, raw);
		} else {
			shell_run("qemu-img convert -f raw -O qcow2 '%s' '%s' && rm '%s'", raw,
				  path, raw);
		}
		shell_run("qemu-img bitmap --add -f qcow2 '%s' " BITMAP " && "
			  "qemu-img bitmap --add -f qcow2 '%s' of-another-tool",
			  path, path);
		scene_give(path);
	}
}

static void extents_make(void)
{
	struct extent_file_disk disks[MODEL_DISKS] = {0};
	int dir = open(rig.root, O_RDONLY | O_DIRECTORY);

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		strcpy(disks[i].name, model.disks[i].name);
		disks[i].size_bytes = model.disks[i].size;
		disks[i].map = dirty_map_new(model.disks[i].size);
		for (uint64_t c = 0; c < model.disks[i].clusters; c++) {
			if (model.disks[i].dirty[c] != 0) {
				dirty_map_set(disks[i].map, c * MODEL_CLUSTER, 1);
			}
		}
	}
	CU_ASSERT_EQUAL(extent_file_write(dir, "adopted.extents", disks, MODEL_DISKS), 0);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		dirty_map_free(disks[i].map);
	}
	close(dir);
	snprintf(adopted_extents, sizeof(adopted_extents), "%.400s/adopted.extents", rig.root);
	scene_give(adopted_extents);
}

/* ---- what is told ---- */

void adopted_tell(uint64_t number, bool digest)
{
	Vmreplica__Ipc__StoreAdopt request = VMREPLICA__IPC__STORE_ADOPT__INIT;
	Vmreplica__Ipc__TakenDisk disks[MODEL_DISKS], *list[MODEL_DISKS];
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		vmreplica__ipc__taken_disk__init(&disks[i]);
		disks[i].name = (char *)(uintptr_t)model.disks[i].name;
		disks[i].path = adopted_paths[i];
		list[i] = &disks[i];
	}
	epoch.number = number;
	epoch.lineage = (char *)(uintptr_t)taking_lineage(number, lineage);
	epoch.site = (char *)(uintptr_t)RIG_SITE;
	cut.seq = CUT_SEQ;
	cut.cut_id = (char *)(uintptr_t)CUT_ID;
	request.relationship = (char *)(uintptr_t)RIG_RELATIONSHIP;
	request.disks = list;
	request.n_disks = MODEL_DISKS;
	request.epoch = &epoch;
	request.cut = &cut;
	request.extents = digest ? NULL : adopted_extents;
	request.extents = request.extents == NULL ? (char *)(uintptr_t) "" : request.extents;
	request.digest = digest;
	rig_ask(&rig, FRAME_STORE_ADOPT, &request.base);
}

void adopted_sender(void)
{
	sender_drop(&sender);
	sender.epoch = 2;
	sender.lineage = taking_lineage(2, lineage);
}

void adopted_begin(uint32_t points)
{
	struct model common;

	taking_init(points);
	model_change(&model, 60);
	model_clear_dirty(&model);
	model_init(&common);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(common.disks[i].data, model.disks[i].data, model.disks[i].size);
	}
	model_change(&model, 6); /* of the old primary, in isolation */
	adopted_disks_make();
	extents_make();
	model_clear_dirty(&model);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(model.disks[i].data, common.disks[i].data, model.disks[i].size);
	}
	model_destroy(&common);
	model_change(&model, 6); /* of the new one */
	adopted_sender();
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
}
