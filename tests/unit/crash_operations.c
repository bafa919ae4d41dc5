/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crash_operations.h"

#include <unistd.h>

#include "takeover_scene.h"
#include "unit.h"

struct sender_cut crash_sent_cut, crash_acknowledged_cut;
uint64_t crash_epoch;

void crash_sent(void)
{
	points_note_as(sender.cut.seq);
	crash_sent_cut = sender.cut;
}

void crash_acknowledged(void)
{
	crash_acknowledged_cut = sender.cut;
	model_clear_dirty(&model);
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

/* ---- takeovers ---- */

/* A request whose answer nobody waits for; the receiver may be dying. */
static void request_send(enum frame_type type, const ProtobufCMessage *message)
{
	channel_send(&rig.channel, type, message, NULL, 0, 1000);
}

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
	request_send(FRAME_STORE_TAKEOVER, &request.base);
}

/* The answer's disks read as the cut that it names. */
static void taken_judge(void)
{
	const struct cut_note *note = points_cut_find(rig.taken.seq);

	CU_ASSERT_PTR_NOT_NULL_FATAL(note);
	CU_ASSERT_TRUE(rig.taken.seq >= crash_acknowledged_cut.seq ||
		       rig.taken.seq == crash_sent_cut.seq);
	CU_ASSERT_EQUAL(rig.taken.disk_count, MODEL_DISKS);
	for (size_t i = 0; i < rig.taken.disk_count; i++) {
		CU_ASSERT_EQUAL(image_digest(rig.taken.backings[i]), note->digest[i]);
	}
}

/* A receiver that lives on may first give the answer that nobody waited for, or say that its daemon
 * died under the request: as the engine does, ask again. */
static bool is_refused(int error)
{
	static int times;

	times = error == 0 || times == 10 ? 0 : times + 1;
	if (times > 0) {
		rig_wait(&rig, NULL, 0, 300);
	}
	return times > 0;
}

/* A test failover of the newest cycle begins, and cycles go on. */
static bool step_test(void)
{
	if (!crash_cycle(8)) {
		return false;
	}
	takeover_send(VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST, 0);
	return true;
}

static void settle_test(void)
{
	if (crash_acknowledged_cut.seq == 0) {
		return;
	}
	while (is_refused(taking_test("web1", 0))) {
	}
	CU_ASSERT_EQUAL(rig.taken.error, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(points_cut_find(rig.taken.seq));
	for (size_t i = 0; i < rig.taken.disk_count; i++) {
		CU_ASSERT_EQUAL(image_digest(rig.taken.backings[i]),
				points_cut_find(rig.taken.seq)->digest[i]);
	}
	while (is_refused(taking_end_as(CLEANUP, 1))) {
	}
	CU_ASSERT_EQUAL(rig.taken.error, 0);
}

/* A failover comes over running cycles. */
static bool step_failover(void)
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
static void settle_failover(void)
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

const struct crash_operation crash_operations[] = {
	{"receive", 3, 500, 500, step_receive, false, NULL},
	{"apply", 3, 500, 700, step_apply, false, NULL},
	{"marks", 3, 2500, 700, step_marks, false, NULL},
	{"point", 6, 5000, 900, step_point, false, NULL},
	{"merge", 1, 5000, 1500, step_point, false, NULL},
	{"resync", 3, 5000, 900, step_resync, true, NULL},
	{"test failover", 3, 2500, 900, step_test, false, settle_test},
	{"failover", 3, 2500, 1200, step_failover, false, settle_failover},
};
const size_t crash_operation_count = sizeof(crash_operations) / sizeof(crash_operations[0]);
