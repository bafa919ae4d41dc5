/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cycle's way to the replica's owner: locate, enroll where the other side knows nothing of the VM
 * yet, connect. */
#include "engine/cycle.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/order_client.h"

#define EPOCH_GRANTED_RETRY_MS 500
#define CHANGING_RETRY_MS      1000
#define ENROLL_WAIT_MS	       15000 /* the other side's cluster starts the new resource meanwhile */

struct disk_list {
	Vmreplica__Wire__Disk disks[DISKS_MAX];
	Vmreplica__Wire__Disk *pointers[DISKS_MAX];
};

static void disk_list_fill(struct disk_list *list, struct cycle *cycle)
{
	for (uint32_t i = 0; i < cycle->disk_count; i++) {
		vmreplica__wire__disk__init(&list->disks[i]);
		list->disks[i].name = cycle->disks[i].name;
		list->disks[i].size_bytes = cycle->disks[i].size_bytes;
		list->pointers[i] = &list->disks[i];
	}
}

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)
		text; /* protobuf-c's fields are not const; packing does not write */
}

static int cycle_enroll(struct cycle *cycle)
{
	Vmreplica__Wire__Enroll enroll = VMREPLICA__WIRE__ENROLL__INIT;
	Vmreplica__PointSettings points = VMREPLICA__POINT_SETTINGS__INIT;
	struct locate_enrolled enrolled;
	struct disk_list list;
	int result;

	disk_list_fill(&list, cycle);
	enroll.relationship = borrow(cycle->settings->relationship);
	enroll.vm = borrow(cycle->settings->vm);
	enroll.site = borrow(cycle->site);
	enroll.frequency_s = cycle->settings->frequency_s;
	points.points = cycle->settings->points;
	points.interval_s = cycle->settings->point_interval_s;
	points.app_interval_s = cycle->settings->app_interval_s;
	enroll.points = &points;
	enroll.disks = list.pointers;
	enroll.n_disks = cycle->disk_count;
	result = locate_client_enroll(&cycle->peer->locate, &enroll, &enrolled, &cycle->trouble);
	if (result == 0) {
		log_notice("%s: replica %s enrolled at %s", cycle->settings->vm, enrolled.resource,
			   enrolled.site);
	}
	return result;
}

/* The other side knows nothing of the VM. One that was made by hand (protect --dry-run) is enrolled
 * by its first cycle. But what has been there was taken away by an admin there, and must not come
 * back by itself. */
static int cycle_enroll_first(struct cycle *cycle)
{
	const char *vm = cycle->settings->vm;
	int result;

	if (!cycle->enrolled && cycle->checkpoint_count + cycle->broken == 0) {
		return cycle_enroll(cycle);
	}
	result = cycle_ask_epoch(cycle); /* it may be the primary now */
	if (result < 0 &&
	    (strcmp(cycle->trouble.code, CYCLE_TROUBLE_EPOCH) == 0 || cycle->heard.number > 0)) {
		return result;
	}
	if (result == 0 && cycle->peer_knows_vm) { /* the primary until a moment ago */
		trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_MISSED, "changing-sides",
			    "%s is only becoming the replica of this VM", cycle->peer->locate.host);
		cycle->trouble.retry_ms = CHANGING_RETRY_MS;
		return -EAGAIN;
	}
	return trouble_set(&cycle->trouble, -ENOENT, SCHEDULE_DENIED, "replica-removed",
			   "%s has no replica of this VM any more, it was removed there: make it "
			   "again with vmreplica protect %s --to %s, or end it here with vmreplica "
			   "unprotect %s",
			   cycle->peer->locate.host, vm, cycle->settings->peer, vm);
}

/* Wait until the replica's resource, just made, has started. */
static int cycle_locate_enrolled(struct cycle *cycle, struct locate_answer *ret_answer)
{
	int64_t deadline = clock_monotonic_ms() + ENROLL_WAIT_MS;

	for (;;) {
		int result = peer_locate(cycle->peer, cycle->settings->relationship, ret_answer,
					 &cycle->trouble);
		bool is_starting =
			result == -EAGAIN || (result == 0 && ret_answer->kind == LOCATE_ABSENT);

		if (!is_starting) {
			return result;
		}
		if (clock_monotonic_ms() > deadline ||
		    canceller_is_cancelled(&cycle->peer->canceller)) {
			trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_MISSED, "replica-starting",
				    "the replica's resource on the other side has not started yet");
			cycle->trouble.retry_ms = 2000;
			return -EAGAIN;
		}
		clock_sleep_ms(500);
	}
}

static int cycle_say_hello(struct cycle *cycle, const struct locate_answer *answer)
{
	Vmreplica__Wire__Hello hello = VMREPLICA__WIRE__HELLO__INIT;
	Vmreplica__Epoch epoch;
	struct disk_list list;

	disk_list_fill(&list, cycle);
	epoch_to_message(&cycle->epoch, &epoch);
	hello.relationship = borrow(cycle->settings->relationship);
	hello.epoch = &epoch;
	hello.vm = borrow(cycle->settings->vm);
	hello.site = borrow(cycle->site);
	hello.node = borrow(cycle->node);
	hello.disks = list.pointers;
	hello.n_disks = cycle->disk_count;
	hello.frequency_s = cycle->settings->frequency_s;
	hello.peer_address = borrow(cycle->peer_address);
	return peer_connect(cycle->peer, answer, &hello, &cycle->trouble);
}

/* An epoch that no failover on the other side can have made: it is neither believed nor recorded.
 */
static int cycle_refuse_epoch(struct cycle *cycle, const struct order_answer *answer)
{
	return trouble_set(&cycle->trouble, -ESTALE, SCHEDULE_DENIED, CYCLE_TROUBLE_EPOCH,
			   "%s tells of epoch %" PRIu64
			   " of %s, held by %s, this side knows %" PRIu64
			   ": that is not believed, and nothing is sent. If the replica there is "
			   "wrong, make it anew: vmreplica unprotect %s, then protect it again",
			   answer->site, answer->epoch.number, cycle->settings->vm,
			   answer->epoch.site, cycle->epoch.number, cycle->settings->vm);
}

int cycle_ask_epoch(struct cycle *cycle)
{
	const struct vm_settings *settings = cycle->settings;
	struct order_answer answer;
	enum epoch_verdict verdict;
	int result = order_client_query(&cycle->peer->locate, settings->relationship, cycle->site,
					&cycle->epoch, &answer, &cycle->trouble);

	if (result < 0) {
		return result;
	}
	verdict = epoch_judge(&cycle->epoch, &answer.epoch, cycle->site);
	if (verdict == EPOCH_FAR ||
	    (verdict == EPOCH_LOST && !epoch_is_held_by(&answer.epoch, answer.site))) {
		return cycle_refuse_epoch(cycle, &answer);
	}
	switch (verdict) {
	case EPOCH_KEEP:
		cycle->peer_knows_vm = answer.known;
		return 0;
	case EPOCH_GRANTED:
		cycle->heard = answer.epoch;
		trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_MISSED, "epoch-granted",
			    "the failover on the other side was cancelled: this side goes on in "
			    "epoch %" PRIu64,
			    answer.epoch.number);
		cycle->trouble.retry_ms = EPOCH_GRANTED_RETRY_MS;
		return -EAGAIN;
	case EPOCH_LOST:
		cycle->heard = answer.epoch;
		return trouble_set(
			&cycle->trouble, -ESTALE, SCHEDULE_DENIED, CYCLE_TROUBLE_EPOCH,
			"%s was failed over: %s is the primary in epoch %" PRIu64
			", this side knew %" PRIu64 "; nothing is sent from here. Make this side "
			"the replica: vmreplica reverse %s at %s (or give up what ran there: "
			"vmreplica failover %s --cancel)",
			settings->vm, answer.epoch.site, answer.epoch.number, cycle->epoch.number,
			settings->vm, answer.epoch.site, settings->vm);
	case EPOCH_CONFLICT:
	case EPOCH_FAR:
		break;
	}
	return trouble_set(&cycle->trouble, -ESTALE, SCHEDULE_DENIED, CYCLE_TROUBLE_EPOCH,
			   "both sides were failed over to an epoch %" PRIu64
			   " of their own: decide which data is right and fail over there once "
			   "more: vmreplica failover %s --unplanned --force",
			   answer.epoch.number, settings->vm);
}

/* What this side knows by itself. */
static int cycle_check_epoch(struct cycle *cycle)
{
	if (cycle->disk_epoch > cycle->epoch.number) {
		return trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_MISSED, "epoch-unknown",
				   "the disks' change bitmaps are of epoch %" PRIu64
				   ", the cluster's setting %s%s is older: it is waited for",
				   cycle->disk_epoch, EPOCH_SETTING, cycle->settings->relationship);
	}
	if (epoch_is_held_by(&cycle->epoch, cycle->site)) {
		return 0;
	}
	if (cycle_ask_epoch(cycle) == 0 || strcmp(cycle->trouble.code, CYCLE_TROUBLE_EPOCH) != 0) {
		if (cycle->heard.number > 0) {
			return -EAGAIN;
		}
		return trouble_set(&cycle->trouble, -ESTALE, SCHEDULE_DENIED, CYCLE_TROUBLE_EPOCH,
				   "%s is the primary of %s in epoch %" PRIu64
				   "; nothing is sent from here. Make this side the replica: "
				   "vmreplica reverse %s there",
				   cycle->epoch.site, cycle->settings->vm, cycle->epoch.number,
				   cycle->settings->vm);
	}
	return -ESTALE;
}

int cycle_connect(struct cycle *cycle)
{
	struct locate_answer answer = {0};
	bool connected;
	int result = 0;

	peer_check_idle(cycle->peer);
	connected = peer_is_connected(cycle->peer);
	if (!connected) {
		/* asked first: a denied VM is not touched at all */
		result = peer_locate(cycle->peer, cycle->settings->relationship, &answer,
				     &cycle->trouble);
	}
	if (result == 0) {
		result = cycle_open_source(cycle);
	}
	if (result < 0 || connected) {
		return result;
	}
	result = cycle_check_epoch(cycle);
	if (result == 0 && answer.kind == LOCATE_ABSENT) {
		result = cycle_enroll_first(cycle);
		if (result == 0) {
			result = cycle_locate_enrolled(cycle, &answer);
		}
	}
	if (result < 0) {
		return result;
	}
	result = cycle_say_hello(cycle, &answer);
	if (result < 0 && strcmp(cycle->trouble.code, CYCLE_TROUBLE_EPOCH) == 0) {
		struct trouble denied = cycle->trouble;

		/* why, and whether this side shall go on with another */
		if (cycle_ask_epoch(cycle) == 0) {
			cycle->trouble = denied;
		}
	}
	return result;
}
