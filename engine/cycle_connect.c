/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cycle's way to the replica's owner: locate, enroll where the other side knows nothing of the VM
 * yet, connect. */
#include "engine/cycle.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"

#define ENROLL_WAIT_MS 15000 /* the other side's cluster starts the new resource meanwhile */

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

	if (!cycle->enrolled && cycle->checkpoint_count + cycle->broken == 0) {
		return cycle_enroll(cycle);
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
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	struct disk_list list;

	disk_list_fill(&list, cycle);
	epoch.number = cycle->epoch;
	/* the first epoch's lineage is the relationship's own random id */
	epoch.lineage = borrow(cycle->settings->relationship);
	epoch.site = borrow(cycle->site);
	hello.relationship = borrow(cycle->settings->relationship);
	hello.epoch = &epoch;
	hello.vm = borrow(cycle->settings->vm);
	hello.site = borrow(cycle->site);
	hello.node = borrow(cycle->node);
	hello.disks = list.pointers;
	hello.n_disks = cycle->disk_count;
	hello.frequency_s = cycle->settings->frequency_s;
	return peer_connect(cycle->peer, answer, &hello, &cycle->trouble);
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
	if (answer.kind == LOCATE_ABSENT) {
		result = cycle_enroll_first(cycle);
		if (result == 0) {
			result = cycle_locate_enrolled(cycle, &answer);
		}
	}
	return result == 0 ? cycle_say_hello(cycle, &answer) : result;
}
