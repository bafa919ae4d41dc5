/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/announcer.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/relationship.h"
#include "engine/replica.h"
#include "engine/storage_probe.h"

#define ANNOUNCE_PART_MAX     (CPG_MESSAGE_MAX - 2048u) /* bytes of one message */
#define ANNOUNCE_DETACHED_MAX 64u

struct announcer {
	struct engine *engine;				      /* borrowed */
	Vmreplica__VmStatus *detached[ANNOUNCE_DETACHED_MAX]; /* owned */
	size_t detached_count;
	uint64_t seq;
	int64_t last_ms, touched_ms; /* monotonic; touched 0 = no change waits */
};

/* The list under way: statuses with the frames that they live in. */
struct announcement {
	Vmreplica__VmStatus **statuses;
	struct vm_status_frame **frames;
	size_t count;
};

struct announcer *announcer_new(struct engine *engine)
{
	struct announcer *announcer = calloc(1, sizeof(*announcer));

	if (announcer != NULL) {
		announcer->engine = engine;
		announcer->touched_ms = 1;
	}
	return announcer;
}

static void announcer_drop_detached(struct announcer *announcer)
{
	for (size_t i = 0; i < announcer->detached_count; i++) {
		vm_status_free(announcer->detached[i]);
	}
	announcer->detached_count = 0;
}

void announcer_free(struct announcer *announcer)
{
	if (announcer != NULL) {
		announcer_drop_detached(announcer);
		free(announcer);
	}
}

void announcer_add_detached(struct announcer *announcer, const Vmreplica__VmStatus *status)
{
	Vmreplica__VmStatus *copy;

	if (announcer->detached_count == ANNOUNCE_DETACHED_MAX) {
		return; /* the next owner then starts its counters from what it heard before */
	}
	copy = vm_status_copy(status);
	if (copy != NULL) {
		announcer->detached[announcer->detached_count++] = copy;
	}
	announcer->touched_ms = 1; /* at once: the broker answers "moving" from it */
}

void announcer_touch(struct announcer *announcer)
{
	if (announcer->touched_ms == 0) {
		announcer->touched_ms = clock_monotonic_ms();
	}
}

static void announcement_free(struct announcement *list)
{
	for (size_t i = 0; list->frames != NULL && i < list->count; i++) {
		free(list->frames[i]);
	}
	free(list->frames);
	free(list->statuses);
}

static struct vm_status_frame *announcement_add_frame(struct announcement *list, size_t index)
{
	list->frames[index] = malloc(sizeof(struct vm_status_frame));
	return list->frames[index];
}

static size_t announcer_count(const struct announcer *announcer)
{
	size_t count = announcer->detached_count;

	for (struct relationship *rel = announcer->engine->relationships; rel != NULL;
	     rel = rel->next) {
		count++;
	}
	for (struct replica *replica = announcer->engine->replicas; replica != NULL;
	     replica = replica->next) {
		count++;
	}
	return count;
}

/* All that this node owns, and what it has just let go. False when out of memory. */
static bool announcement_collect(const struct announcer *announcer, struct announcement *list)
{
	size_t count = announcer_count(announcer);

	list->frames = calloc(count + 1, sizeof(struct vm_status_frame *));
	list->statuses = calloc(count + 1, sizeof(*list->statuses));
	if (list->frames == NULL || list->statuses == NULL) {
		return false;
	}
	for (size_t i = 0; i < announcer->detached_count; i++) {
		list->statuses[list->count++] = announcer->detached[i];
	}
	for (struct relationship *rel = announcer->engine->relationships; rel != NULL;
	     rel = rel->next) {
		struct vm_status_frame *frame =
			rel->gone ? NULL : announcement_add_frame(list, list->count);

		if (frame != NULL) {
			relationship_fill_status(rel, frame);
			list->statuses[list->count++] = &frame->status;
		}
	}
	for (struct replica *replica = announcer->engine->replicas; replica != NULL;
	     replica = replica->next) {
		struct vm_status_frame *frame =
			replica_is_open(replica) ? announcement_add_frame(list, list->count) : NULL;

		if (frame != NULL) {
			replica_fill_status(replica, frame);
			list->statuses[list->count++] = &frame->status;
		}
	}
	return true;
}

/* How many of the statuses from first on fit into one message. At least one. */
static size_t announcement_part_count(const struct announcement *list, size_t first, size_t room)
{
	size_t used = 0, count = 0;

	while (first + count < list->count) {
		size_t len =
			vmreplica__vm_status__get_packed_size(list->statuses[first + count]) + 8;

		if (count > 0 && used + len > room) {
			break;
		}
		used += len;
		count++;
	}
	return count;
}

static void announcer_fill_head(const struct announcer *announcer,
				Vmreplica__Cluster__Announcement *message)
{
	struct engine *engine = announcer->engine;
	const char *address = engine->cluster.ops->node_address(&engine->cluster);
	static char name[NODE_NAME_MAX + SITE_NAME_MAX + 2];

	snprintf(name, sizeof(name), "%.253s.%.253s", engine->config->node, engine->config->site);
	message->node = engine->config->node;
	message->boot = engine->boot;
	message->host = vm_status_borrow(address != NULL ? address : "");
	message->port = engine->config->port;
	message->name = name;
	message->site = engine->config->site;
	message->seq = announcer->seq;
	message->certificate = engine->certificates.text;
	storage_probe_fill(engine->storages, message);
}

static void announcer_send_part(struct announcer *announcer,
				Vmreplica__Cluster__Announcement *announcement)
{
	struct engine *engine = announcer->engine;
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	int result;

	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_ANNOUNCEMENT;
	message.announcement = announcement;
	result = engine->cluster.ops->multicast(&engine->cluster, &message);
	if (result < 0) {
		log_debug("announcement not sent: %s", strerror(-result));
	}
}

static void announcer_send(struct announcer *announcer)
{
	Vmreplica__Cluster__Announcement head = VMREPLICA__CLUSTER__ANNOUNCEMENT__INIT;
	struct announcement list = {0};
	size_t room, parts = 0;

	announcer->seq++;
	announcer_fill_head(announcer, &head);
	room = vmreplica__cluster__announcement__get_packed_size(&head);
	room = room < ANNOUNCE_PART_MAX ? ANNOUNCE_PART_MAX - room : 0;
	if (!announcement_collect(announcer, &list)) {
		announcement_free(&list);
		return;
	}
	for (size_t first = 0; first < list.count; parts++) {
		first += announcement_part_count(&list, first, room);
	}
	head.parts = (uint32_t)(parts > 0 ? parts : 1);
	for (size_t first = 0; head.part < head.parts; head.part++) {
		head.n_vms = announcement_part_count(&list, first, room);
		head.vms = list.statuses + first;
		announcer_send_part(announcer, &head);
		first += head.n_vms;
	}
	storage_probe_release(&head);
	announcement_free(&list);
}

static bool announcer_is_moving(const struct announcer *announcer)
{
	for (struct relationship *rel = announcer->engine->relationships; rel != NULL;
	     rel = rel->next) {
		if (rel->running || rel->stopping || !rel->ready) {
			return true;
		}
	}
	return false;
}

int64_t announcer_tick(struct announcer *announcer, int64_t now_ms)
{
	int64_t period = announcer_is_moving(announcer) ? ANNOUNCE_MOVING_MS : ANNOUNCE_IDLE_MS;
	bool due =
		now_ms - announcer->last_ms >= period ||
		(announcer->touched_ms != 0 && now_ms - announcer->touched_ms >= ANNOUNCE_GAP_MS);

	if (due && announcer->engine->joined) {
		bool had_detached = announcer->detached_count > 0;

		announcer_send(announcer);
		announcer_drop_detached(announcer);
		announcer->last_ms = now_ms;
		/* the list without the detached ones follows */
		announcer->touched_ms = had_detached ? now_ms : 0;
	}
	if (announcer->touched_ms != 0) {
		return now_ms + ANNOUNCE_GAP_MS;
	}
	return announcer->last_ms + period;
}
