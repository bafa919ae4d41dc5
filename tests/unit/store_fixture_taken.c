/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes what tests/fixtures/store/make packs as takeovers: a store that has failed over, one with a
 * test failover, and one that adopted the disks of its own VM, each as this version leaves it after
 * a crash, with what the disks held at each cut. Usage: store_fixture_taken DIRECTORY
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store_fixture.h"

static char directory[RIG_PATH];

static char *text(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

static void epoch_fill(Vmreplica__Epoch *epoch, uint64_t number)
{
	static char lineage[] = "00000000-0000-4000-8000-000000000002";

	vmreplica__epoch__init(epoch);
	epoch->number = number;
	epoch->lineage = lineage;
	epoch->site = text(RIG_SITE);
}

static void take(Vmreplica__TakeoverKind kind, const char *holder)
{
	Vmreplica__Ipc__StoreTakeover request = VMREPLICA__IPC__STORE_TAKEOVER__INIT;
	Vmreplica__Epoch epoch;

	epoch_fill(&epoch, 2);
	request.id = 1;
	request.relationship = text(RIG_RELATIONSHIP);
	request.kind = kind;
	request.holder = text(holder);
	request.latest = true;
	request.cut_id = text("");
	request.epoch = &epoch;
	rig_ask(&rig, FRAME_STORE_TAKEOVER, &request.base);
	if (rig_taken_wait(&rig, 60000) != 0) {
		rig_die("no takeover: %s", rig.taken.text);
	}
}

static void adopt(void)
{
	Vmreplica__Ipc__StoreAdopt request = VMREPLICA__IPC__STORE_ADOPT__INIT;
	Vmreplica__Ipc__TakenDisk disks[MODEL_DISKS], *list[MODEL_DISKS];
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	Vmreplica__Epoch epoch;

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		vmreplica__ipc__taken_disk__init(&disks[i]);
		disks[i].name = rig.taken.names[i];
		disks[i].path = rig.taken.paths[i];
		list[i] = &disks[i];
	}
	epoch_fill(&epoch, 3);
	cut.seq = sender.committed.seq;
	cut.cut_id = text("00000000deadbeef");
	request.relationship = text(RIG_RELATIONSHIP);
	request.disks = list;
	request.n_disks = MODEL_DISKS;
	request.epoch = &epoch;
	request.cut = &cut;
	request.extents = text("");
	sender_drop(&sender);
	sender.epoch = 3;
	sender.lineage = epoch.lineage;
	if (rig_close(&rig, false) != 0) {
		rig_die("the store does not close");
	}
	rig_ask(&rig, FRAME_STORE_ADOPT, &request.base);
	if (rig_open(&rig) != 0 || !sender_enter(&sender, &rig, &model)) {
		rig_die("nothing is adopted: %s", rig.opened_text);
	}
	sender.cut_time_ms = 1795327900000;
	sender.cut_step_ms = FIXTURE_STEP_MS;
	fixture_cycle(20, true);
	fixture_cycle(21, true);
}

static void failed_over(void)
{
	take(VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER, "web1");
}

static void tested(void)
{
	take(VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST, "web1-test");
	fixture_cycle(20, true);
}

static void adopted(void)
{
	failed_over();
	adopt();
}

static void scene(const char *name, void (*run)(void))
{
	char command[RIG_PATH * 3], to[RIG_PATH];

	snprintf(to, sizeof(to), "%.400s/%s", directory, name);
	if (mkdir(to, 0755) != 0) {
		rig_die("cannot make %s", to);
	}
	fixture_expected = fixture_file(to, "expected");
	fixture_store();
	for (unsigned int round = 1; round < 8; round++) {
		fixture_cycle(round, true);
	}
	run();
	sender_drop(&sender);
	rig_kill(&rig);
	snprintf(command, sizeof(command),
		 "cp -a '%.400s' '%.400s/store' && rm '%.400s/store/lock'", rig.store, to, to);
	if (system(command) != 0) {
		rig_die("cannot copy the store");
	}
	fclose(fixture_expected);
	rig_destroy(&rig);
	model_destroy(&model);
	sender.epoch = 0;
	sender.lineage = NULL;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		rig_die("usage: store_fixture_taken DIRECTORY");
	}
	rig_require_tools();
	snprintf(directory, sizeof(directory), "%.400s", argv[1]);
	scene("failed-over", failed_over);
	scene("tested", tested);
	scene("adopted", adopted);
	return 0;
}
