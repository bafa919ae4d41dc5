/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "takeover_scene.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define ASK_MS 90000

static uint64_t ask_id;
static char sender_lineage[40];

void taking_begin(uint32_t points)
{
	taking_init(points);
	taking_start();
}

void taking_init(uint32_t points)
{
	rig_init(&rig);
	rig.points = points;
	rig.point_interval_s = 10;
	scene_notes_clear();
	model_init(&model);
}

void taking_start(void)
{
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	sender.epoch = 0;
	sender.lineage = NULL;
	scene_initial();
	scene_note();
}

void taking_end(void)
{
	sender.cut_time_ms = sender.cut_step_ms = 0;
	sender.epoch = 0;
	sender.lineage = NULL;
	scene_end();
}

void taking_cycle(int changes)
{
	scene_delta(changes);
	scene_note();
}

void taking_applied(void)
{
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
}

void taking_cycle_applied(int changes)
{
	taking_cycle(changes);
	taking_applied();
}

void taking_judge(uint64_t seq, bool paths)
{
	CU_ASSERT_EQUAL(rig.taken.seq, seq);
	CU_ASSERT_EQUAL_FATAL(rig.taken.disk_count, MODEL_DISKS);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_STRING_EQUAL(rig.taken.names[i], model.disks[i].name);
		CU_ASSERT_EQUAL(rig.taken.sizes[i], model.disks[i].size);
		CU_ASSERT_TRUE(
			scene_reads(paths ? rig.taken.paths[i] : rig.taken.backings[i], seq, i));
	}
}

/* ---- requests ---- */

static char *text(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

const char *taking_lineage(uint64_t epoch, char buf[40])
{
	snprintf(buf, 40, "00000000-0000-4000-8000-%012" PRIu64, epoch);
	return buf;
}

void taking_test_send(const char *holder, uint64_t seq)
{
	Vmreplica__Ipc__StoreTakeover request = VMREPLICA__IPC__STORE_TAKEOVER__INIT;

	request.id = rig.taken.wanted = ++ask_id;
	request.relationship = text(RIG_RELATIONSHIP);
	request.kind = VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST;
	request.holder = text(holder);
	request.latest = seq == 0;
	request.seq = seq;
	rig_ask(&rig, FRAME_STORE_TAKEOVER, &request.base);
}

int taking_test(const char *holder, uint64_t seq)
{
	taking_test_send(holder, seq);
	return rig_taken_wait(&rig, ASK_MS);
}

void taking_failover_send(uint64_t number, uint64_t seq, const char *cut_id, bool planned,
			  bool estimate)
{
	Vmreplica__Ipc__StoreTakeover request = VMREPLICA__IPC__STORE_TAKEOVER__INIT;
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	char lineage[40];

	epoch.number = number;
	epoch.lineage = text(taking_lineage(number, lineage));
	epoch.site = text("b.example");
	request.id = rig.taken.wanted = ++ask_id;
	request.relationship = text(RIG_RELATIONSHIP);
	request.kind = VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
	request.holder = text("web1");
	request.latest = seq == 0;
	request.seq = seq;
	request.cut_id = text(cut_id);
	request.epoch = &epoch;
	request.planned = planned;
	request.estimate = estimate;
	rig_ask(&rig, FRAME_STORE_TAKEOVER, &request.base);
}

int taking_failover(uint64_t epoch, uint64_t seq)
{
	taking_failover_send(epoch, seq, "", false, false);
	return rig_taken_wait(&rig, ASK_MS);
}

int taking_planned(uint64_t epoch, uint64_t seq, const char *cut_id)
{
	taking_failover_send(epoch, seq, cut_id, true, false);
	return rig_taken_wait(&rig, ASK_MS);
}

static void end_send(Vmreplica__Ipc__TakeoverEnd end, uint64_t number, bool undo)
{
	Vmreplica__Ipc__StoreTakeoverEnd request = VMREPLICA__IPC__STORE_TAKEOVER_END__INIT;
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	char lineage[40];

	epoch.number = number;
	epoch.lineage = text(taking_lineage(number, lineage));
	epoch.site = text("b.example");
	request.id = rig.taken.wanted = ++ask_id;
	request.relationship = text(RIG_RELATIONSHIP);
	request.end = end;
	request.epoch = &epoch;
	request.undo = undo;
	rig_ask(&rig, FRAME_STORE_TAKEOVER_END, &request.base);
}

void taking_end_send(Vmreplica__Ipc__TakeoverEnd end, uint64_t number)
{
	end_send(end, number, false);
}

int taking_undo(uint64_t number)
{
	end_send(CANCEL, number, true);
	return rig_taken_wait(&rig, ASK_MS);
}

int taking_end_as(Vmreplica__Ipc__TakeoverEnd end, uint64_t number)
{
	taking_end_send(end, number);
	return rig_taken_wait(&rig, ASK_MS);
}

int taking_extents(uint64_t after_seq)
{
	Vmreplica__Ipc__StoreExtents request = VMREPLICA__IPC__STORE_EXTENTS__INIT;

	request.id = rig.taken.wanted = ++ask_id;
	request.relationship = text(RIG_RELATIONSHIP);
	request.after_seq = after_seq;
	rig_ask(&rig, FRAME_STORE_EXTENTS, &request.base);
	return rig_taken_wait(&rig, ASK_MS);
}

void taking_pulse_send(void)
{
	Vmreplica__Ipc__StorePulse request = VMREPLICA__IPC__STORE_PULSE__INIT;

	request.id = rig.taken.wanted = ++ask_id;
	request.relationship = text(RIG_RELATIONSHIP);
	request.wait_ms = 2000;
	rig_ask(&rig, FRAME_STORE_PULSE, &request.base);
}

/* ---- what there is ---- */

uint64_t taking_point_seq(size_t index)
{
	struct manifest manifest = scene_manifest();
	uint64_t seq = index < manifest.point_count ? manifest.points[index].cut.seq : 0;

	manifest_destroy(&manifest);
	return seq;
}

size_t taking_files(const char *pattern)
{
	char command[RIG_PATH + 100];
	FILE *pipe;
	size_t count = 0;

	snprintf(command, sizeof(command), "find '%s' -name '%s' | wc -l", rig.store, pattern);
	pipe = popen(command, "re");
	if (pipe == NULL || fscanf(pipe, "%zu", &count) != 1) {
		CU_FAIL("find");
	}
	pclose(pipe);
	return count;
}

static bool has_bitmap(const char *path, uint64_t epoch, uint64_t seq, const char *cut_id)
{
	char command[RIG_PATH + 300];

	snprintf(command, sizeof(command),
		 "qemu-img info -U '%s' | grep -q 'name: vmreplica-" RIG_RELATIONSHIP "-%" PRIu64
		 "-%" PRIu64 "-%s'",
		 path, epoch, seq, cut_id);
	return system(command) == 0;
}

void taking_failover_judge(uint64_t epoch, uint64_t seq)
{
	taking_judge(seq, true);
	taking_judge(seq, false);
	for (size_t i = 0; i < rig.taken.disk_count; i++) {
		CU_ASSERT_TRUE(has_bitmap(rig.taken.paths[i], epoch, seq, rig.taken.cut_id));
	}
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, VMREPLICA__STATE__STATE_RECOVERED, 5000));
	CU_ASSERT_EQUAL(rig.status.epoch, epoch);
	CU_ASSERT_EQUAL(rig.takeover.seq, seq);
	CU_ASSERT_EQUAL(rig_daemon_pid(&rig), 0);
}

/* The sender goes on in another epoch. */
void taking_sender_in(uint64_t epoch)
{
	sender_drop(&sender);
	sender.epoch = epoch;
	sender.lineage = taking_lineage(epoch, sender_lineage);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, DELTA);
}
