/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM that ran on the store changes sides again: its images become the store's own base. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash_operations.h"
#include "proto/extent_file.h"
#include "proto/names.h"
#include "takeover_scene.h"
#include "unit.h"

#define WRITES 6

static struct sender_cut known; /* by both sides */
static char extents[RIG_PATH];

/* One write of the VM's, a cluster long; with the model, too, it is from before the cut. */
static void vm_write(const char *image, unsigned int disk, struct dirty_map *map)
{
	struct model_disk *to = &model.disks[disk];
	uint64_t offset =
		MODEL_CLUSTER * (uint64_t)rig_random((uint32_t)(to->size / MODEL_CLUSTER));
	uint8_t pattern = (uint8_t)(1 + rig_random(255));
	char command[2 * RIG_PATH];

	snprintf(command, sizeof(command),
		 "qemu-io -f qcow2 -c 'write -q -P %u %" PRIu64 " %u' '%.400s'", pattern, offset,
		 MODEL_CLUSTER, image);
	CU_ASSERT_EQUAL(system(command), 0);
	if (map != NULL) {
		dirty_map_set(map, offset, MODEL_CLUSTER);
	} else {
		memset(to->data + offset, pattern, MODEL_CLUSTER);
	}
}

static void list_write(const struct extent_file_disk *disks)
{
	int dir = open(rig.root, O_RDONLY | O_DIRECTORY);
	uid_t uid;
	gid_t gid;
	bool drops;

	CU_ASSERT_EQUAL(extent_file_write(dir, "adopted.extents", disks, MODEL_DISKS), 0);
	close(dir);
	snprintf(extents, sizeof(extents), "%.400s/adopted.extents", rig.root);
	rig_user(&uid, &gid, &drops);
	CU_ASSERT_EQUAL(chown(extents, uid, gid), 0);
}

void crash_home_leave(char images[MODEL_DISKS][RIG_PATH])
{
	struct extent_file_disk disks[MODEL_DISKS] = {0};

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		strcpy(disks[i].name, model.disks[i].name);
		disks[i].size_bytes = model.disks[i].size;
		disks[i].map = dirty_map_new(model.disks[i].size);
		vm_write(images[i], i, NULL);
	}
	known = (struct sender_cut){.seq = crash_acknowledged_cut.seq + 1 + rig_random(4)};
	CU_ASSERT_EQUAL(name_make_cut_id(known.cut_id), 0);
	scene_note_as(known.seq);
	for (unsigned int i = 0; i < WRITES; i++) {
		unsigned int disk = rig_random(MODEL_DISKS);

		vm_write(images[disk], disk, disks[disk].map);
	}
	list_write(disks);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		dirty_map_free(disks[i].map);
	}
}

static void adopt_ask(char images[MODEL_DISKS][RIG_PATH], uint64_t number)
{
	Vmreplica__Ipc__StoreAdopt request = VMREPLICA__IPC__STORE_ADOPT__INIT;
	Vmreplica__Ipc__TakenDisk disks[MODEL_DISKS], *list[MODEL_DISKS];
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	char relationship[] = RIG_RELATIONSHIP, site[] = RIG_SITE, lineage[40];

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		vmreplica__ipc__taken_disk__init(&disks[i]);
		disks[i].name = (char *)(uintptr_t)model.disks[i].name;
		disks[i].path = images[i];
		list[i] = &disks[i];
	}
	taking_lineage(number, lineage);
	epoch.number = number;
	epoch.lineage = lineage;
	epoch.site = site;
	cut.seq = known.seq;
	cut.cut_id = known.cut_id;
	request.relationship = relationship;
	request.disks = list;
	request.n_disks = MODEL_DISKS;
	request.epoch = &epoch;
	request.cut = &cut;
	request.extents = extents;
	rig_ask(&rig, FRAME_STORE_ADOPT, &request.base);
}

bool crash_home_adopt(char images[MODEL_DISKS][RIG_PATH], uint64_t epoch)
{
	rig_close(&rig, false); /* it may be closed already */
	adopt_ask(images, epoch);
	if (rig_open(&rig) != 0) {
		if (!rig_mortal) {
			fprintf(stderr, "not adopted: %s\n", rig.opened_text);
		}
		return false;
	}
	crash_acknowledged_cut = known;
	memset(&crash_sent_cut, 0, sizeof(crash_sent_cut));
	return true;
}

bool crash_home_first(void)
{
	if (!crash_connect()) {
		return false;
	}
	if (crash_acknowledged_cut.seq != known.seq) {
		return true; /* the crash swallowed its answer */
	}
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	CU_ASSERT_EQUAL(sender.committed.seq, known.seq);
	CU_ASSERT_TRUE(sender.extents > 0);
	return sender_extents(&sender, &model) != UINT64_MAX && crash_cycle(6);
}
