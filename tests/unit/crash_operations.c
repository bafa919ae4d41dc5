/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crash_operations.h"

#include <string.h>
#include <unistd.h>

#include "takeover_scene.h"
#include "unit.h"

#define MODEL_CLUSTERS_MAX 1024u

struct sender_cut crash_sent_cut, crash_acknowledged_cut;
uint64_t crash_epoch;

void crash_sent(void)
{
	scene_note_as(sender.cut.seq);
	crash_sent_cut = sender.cut;
}

void crash_acknowledged(void)
{
	crash_acknowledged_cut = sender.cut;
	model_clear_dirty(&model);
}

bool crash_connect(void)
{
	static char lineage[40];
	int64_t time_ms = sender.cut_time_ms, step_ms = sender.cut_step_ms;
	bool entered;

	sender_drop(&sender);
	sender.epoch = crash_epoch;
	sender.lineage = crash_epoch == 0 ? NULL : taking_lineage(crash_epoch, lineage);
	entered = sender_enter(&sender, &rig, &model);
	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = step_ms;
	if (entered && crash_sent_cut.seq > crash_acknowledged_cut.seq &&
	    sender.committed.seq == crash_sent_cut.seq &&
	    strcmp(sender.committed.cut_id, crash_sent_cut.cut_id) == 0) {
		crash_acknowledged_cut = crash_sent_cut;
		model_clear_dirty(&model);
	}
	return entered;
}

static bool cycle_end(void)
{
	crash_sent();
	if (!sender_end(&sender)) {
		return false;
	}
	crash_acknowledged();
	return true;
}

static bool step_initial(void)
{
	sender_begin(&sender, &model, INITIAL, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(&sender, &model, i, 0, model.disks[i].size, false);
		if (i + 1 < MODEL_DISKS && !sender_mark(&sender, i + 1, 0)) {
			return false;
		}
	}
	if (!cycle_end()) {
		return false;
	}
	sender.mode = DELTA;
	return true;
}

static bool step_resync(void)
{
	model_change(&model, 6);
	sender_begin(&sender, &model, RESYNC, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		if (sender_resync_range(&sender, &model, i, 0, model.disks[i].size) == UINT64_MAX) {
			return false;
		}
	}
	if (!cycle_end()) {
		return false;
	}
	sender.mode = DELTA;
	return true;
}

static bool delta(int changes)
{
	model_change(&model, changes);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	return cycle_end();
}

bool crash_cycle(int changes)
{
	return sender.mode == INITIAL  ? step_initial()
	       : sender.mode == RESYNC ? step_resync()
				       : delta(changes);
}

/* Many small cycles: logs are taken while others are being applied. */
static bool step_receive(void)
{
	return crash_cycle(3);
}

/* Every cycle ends a point; not so many of them that merges fall behind for long. */
static bool step_point(void)
{
	usleep(1000 * rig_random(150));
	return crash_cycle(3);
}

/* Big ones: the kill finds the applier in the middle of a batch. */
static bool step_apply(void)
{
	return crash_cycle(40);
}

/* With marks on the way, which a cycle after the crash may go on from. */
static bool step_marks(void)
{
	const uint64_t part = 8u << 20;
	struct model_disk *disk = &model.disks[0];

	if (sender.mode != DELTA) {
		return crash_cycle(0);
	}
	if (sender.mark.mode == DELTA) { /* nothing has changed since: the rest is enough */
		uint64_t from = sender.mark.offset;

		sender_begin(&sender, &model, DELTA, true);
		sender.mark.mode = VMREPLICA__WIRE__MODE__MODE_NONE;
		sender_range(&sender, &model, 0, from, disk->size, true);
	} else {
		model_change(&model, 20);
		sender_begin(&sender, &model, DELTA, false);
		for (uint64_t at = 0; at < disk->size; at += part) {
			sender_range(&sender, &model, 0, at, at + part, true);
			if (at + part < disk->size && !sender_mark(&sender, 0, at + part)) {
				return false;
			}
		}
		sender.mark.mode = VMREPLICA__WIRE__MODE__MODE_NONE;
	}
	sender_range(&sender, &model, 1, 0, model.disks[1].size, true);
	return cycle_end();
}

/* Both sides compare all their blocks. */
static bool step_verify(void)
{
	static uint8_t map[MODEL_CLUSTERS_MAX / 8];

	if (!crash_cycle(10)) {
		return false;
	}
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		const char *code;

		memset(map, 0, sizeof(map));
		CU_ASSERT_FATAL(model.disks[i].clusters <= MODEL_CLUSTERS_MAX);
		code = sender_verify(&sender, &model, i, 0, (uint32_t)model.disks[i].clusters, map);
		if (code == NULL) {
			return false;
		}
		for (size_t k = 0; code[0] == '\0' && k < sizeof(map); k++) {
			CU_ASSERT_EQUAL(map[k], 0);
		}
	}
	return true;
}

const struct crash_operation crash_operations[] = {
	{"receive", 3, 500, 500, step_receive, false, NULL},
	{"apply", 3, 500, 700, step_apply, false, NULL},
	{"marks", 3, 2500, 700, step_marks, false, NULL},
	{"point", 6, 5000, 900, step_point, false, NULL},
	{"merge", 1, 5000, 1500, step_point, false, NULL},
	{"resync", 3, 5000, 900, step_resync, true, NULL},
	{"verify", 3, 2500, 900, step_verify, false, NULL},
	{"test failover", 3, 2500, 900, crash_step_test, false, crash_settle_test},
	{"failover", 3, 2500, 1200, crash_step_failover, false, crash_settle_failover},
	{"cancel", 3, 2500, 1600, crash_step_cancel, false, crash_settle_path},
	{"commit", 3, 2500, 3500, crash_step_commit, false, crash_settle_path},
	{"reverse", 3, 2500, 3500, crash_step_reverse, false, crash_settle_path},
};
const size_t crash_operation_count = sizeof(crash_operations) / sizeof(crash_operations[0]);
