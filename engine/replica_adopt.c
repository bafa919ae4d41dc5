/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_adopt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "engine/adopted_disks.h"
#include "engine/epoch.h"
#include "engine/own_definition.h"
#include "engine/receiver_child.h"
#include "engine/replica.h"
#include "engine/standing.h"

#define RETRY_MS 30000

void replica_adopt_note(struct replica *replica)
{
	struct replica_adopt *adopt = &replica->adopt;
	const char *id = replica->settings.relationship;
	const char *defined = standing_get(replica->engine, STANDING_DEFINED, id);

	adopt->wanted = adopt_order_read(replica->engine, id, &adopt->order);
	engine_epoch_known(replica->engine, id, replica->settings.peer, &adopt->epoch);
	if (defined != NULL) {
		snprintf(adopt->definition, sizeof(adopt->definition), "%s", defined);
	} else { /* a host without a cluster; an engine that did not say so */
		own_definition_find(replica->engine, id, replica->settings.vm_resource,
				    adopt->definition);
	}
}

int replica_adopt_lend(struct replica *replica, const struct adopted_users *users, char *error,
		       size_t size)
{
	struct replica_adopt *adopt = &replica->adopt;
	cleanup_free const char **exclude = NULL;
	char why[SOURCE_ERROR_LEN] = "out of memory";
	int result = -ENOMEM;

	replica_adopt_destroy(replica);
	if (!adopt->wanted) {
		adopted_disks_lend_again(replica->directory, users);
		return 0;
	}
	exclude = vm_settings_exclude_list(&replica->settings);
	if (exclude != NULL) {
		result = adopted_disks_note(replica->directory, adopt->definition, exclude, users,
					    why);
	}
	if (result == 0) {
		result = adopted_disks_lend(adopt->definition, exclude, users, &adopt->disks,
					    &adopt->count, why);
	}
	if (result < 0) {
		snprintf(error, size, "%s", why);
	} else { /* what images of a store stand on */
		adopted_disks_lend_again(replica->directory, users);
	}
	return result;
}

void replica_adopt_send(struct replica *replica)
{
	const struct replica_adopt *adopt = &replica->adopt;
	Vmreplica__Ipc__StoreAdopt message = VMREPLICA__IPC__STORE_ADOPT__INIT;
	Vmreplica__Ipc__TakenDisk disks[DISKS_MAX], *list[DISKS_MAX];
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	Vmreplica__Epoch epoch;

	if (adopt->count == 0) {
		return;
	}
	for (size_t i = 0; i < adopt->count && i < DISKS_MAX; i++) {
		vmreplica__ipc__taken_disk__init(&disks[i]);
		disks[i].name = adopt->disks[i].name;
		disks[i].path = adopt->disks[i].path;
		disks[i].size_bytes = adopt->disks[i].size_bytes;
		list[message.n_disks++] = &disks[i];
	}
	epoch_to_message(&adopt->epoch, &epoch);
	cut.seq = adopt->order.seq;
	cut.cut_id = (char *)(uintptr_t)adopt->order.cut_id;
	message.relationship = replica->settings.relationship;
	message.disks = list;
	message.epoch = &epoch;
	message.cut = &cut;
	message.extents = (char *)(uintptr_t)adopt->order.extents;
	message.digest = adopt->order.digest;
	receiver_child_send(replica->engine->receiver, FRAME_STORE_ADOPT, &message.base);
}

static void ended_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0 && error != -ENOENT) {
		log_warning("that disks were adopted stays in the cluster's settings for now: %s",
			    text);
	}
}

void replica_adopt_tick(struct replica *replica, int64_t now_ms)
{
	struct replica_adopt *adopt = &replica->adopt;
	const char *id = replica->settings.relationship;
	static const char *const orders[] = {STANDING_ADOPT, STANDING_DEFINED, STANDING_BROKER};
	bool stands = false;

	if (!adopt->wanted || replica->status == NULL || now_ms < adopt->retry_ms ||
	    replica->status->applied_seq <= adopt->order.seq) {
		return;
	}
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (standing_get(replica->engine, orders[i], id) != NULL) {
			stands = true;
			standing_set(replica->engine, orders[i], id, NULL, ended_cb, NULL);
		}
	}
	adopt->wanted = stands;
	adopt->retry_ms = now_ms + RETRY_MS;
}

void replica_adopt_destroy(struct replica *replica)
{
	source_defined_disks_free(replica->adopt.disks, replica->adopt.count);
	replica->adopt.disks = NULL;
	replica->adopt.count = 0;
}
