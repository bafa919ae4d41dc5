/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the receiver says to the rig. */
#include <stdio.h>
#include <string.h>

#include "receiver_rig.h"

static void status_take(struct rig *rig, const Vmreplica__VmStatus *vm)
{
	struct rig_status *status = &rig->status;

	status->count++;
	status->state = vm->state;
	status->health = vm->health;
	snprintf(status->reason, sizeof(status->reason), "%s", vm->reason);
	snprintf(status->code, sizeof(status->code), "%s", vm->reason_code);
	status->seq = vm->seq;
	status->applied_seq = vm->applied_seq;
	status->batch_seq = vm->batch_seq;
	status->spool_bytes = vm->spool_bytes;
	status->generation = vm->generation;
	status->resyncs = vm->resyncs;
	status->bytes_wire = vm->bytes_wire;
	status->cycles_ok = vm->cycles->ok;
	status->cycles_failed = vm->cycles->failed;
	vmreplica__takeover__init(&rig->takeover);
	if (vm->takeover != NULL) {
		rig->takeover = *vm->takeover;
		rig->takeover.holder = rig->takeover.cut_id = rig->takeover.test_holder = NULL;
	}
	status->epoch = vm->epoch->number;
	status->disk_count = vm->n_disks < 4 ? vm->n_disks : 4;
	for (size_t i = 0; i < status->disk_count; i++) {
		snprintf(status->names[i], sizeof(status->names[i]), "%s", vm->disks[i]->name);
		snprintf(status->tops[i], sizeof(status->tops[i]), "%s", vm->disks[i]->top);
	}
}

static void points_take(struct rig *rig, const Vmreplica__Ipc__ReplicaPoints *answer)
{
	rig->listed = true;
	rig->list_error = answer->error;
	rig->list_more = answer->more;
	for (size_t i = 0; i < answer->n_points && rig->list_count < RIG_POINTS; i++) {
		const Vmreplica__Point *from = answer->points[i];
		struct rig_point *to = &rig->list[rig->list_count++];

		to->seq = from->seq;
		to->size_bytes = from->size_bytes;
		to->time_ms = from->time_ms;
		to->point = from->point;
		to->application = strcmp(from->consistency, "application") == 0;
		snprintf(to->verdict, sizeof(to->verdict), "%s", from->verdict);
	}
}

static void taken_take(struct rig *rig, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct rig_taken *taken = &rig->taken;

	if (taken->wanted != 0 && answer->id != taken->wanted) {
		return;
	}
	if (answer->working) {
		taken->workings++;
		taken->working_bytes = answer->bytes;
		return;
	}
	taken->answers++;
	taken->error = answer->error;
	taken->bytes = answer->bytes;
	taken->seq = answer->seq;
	taken->last_seq = answer->last_seq;
	taken->primary_lives = answer->primary_lives;
	snprintf(taken->text, sizeof(taken->text), "%s", answer->text);
	snprintf(taken->cut_id, sizeof(taken->cut_id), "%s", answer->cut_id);
	snprintf(taken->consistency, sizeof(taken->consistency), "%s", answer->consistency);
	snprintf(taken->path, sizeof(taken->path), "%s", answer->path);
	taken->disk_count = answer->n_disks < 4 ? answer->n_disks : 4;
	for (size_t i = 0; i < taken->disk_count; i++) {
		const Vmreplica__Ipc__TakenDisk *disk = answer->disks[i];

		snprintf(taken->names[i], sizeof(taken->names[i]), "%s", disk->name);
		snprintf(taken->paths[i], sizeof(taken->paths[i]), "%s", disk->path);
		snprintf(taken->backings[i], sizeof(taken->backings[i]), "%s", disk->backing);
		taken->sizes[i] = disk->size_bytes;
		taken->chain_count[i] = disk->n_chain;
	}
}

static void lent_take(struct rig *rig, const Vmreplica__Ipc__StoreLent *answer)
{
	memset(&rig->lent, 0, sizeof(rig->lent));
	rig->lent.answered = true;
	rig->lent.error = answer->error;
	snprintf(rig->lent.text, sizeof(rig->lent.text), "%s", answer->text);
	if (answer->cut != NULL) {
		rig->lent.seq = answer->cut->seq;
		snprintf(rig->lent.cut_id, sizeof(rig->lent.cut_id), "%s", answer->cut->cut_id);
	}
	rig->lent.disk_count = answer->n_disks < 4 ? answer->n_disks : 4;
	for (size_t i = 0; i < rig->lent.disk_count; i++) {
		snprintf(rig->lent.names[i], sizeof(rig->lent.names[i]), "%s",
			 answer->disks[i]->name);
		snprintf(rig->lent.layers[i], sizeof(rig->lent.layers[i]), "%s",
			 answer->disks[i]->backing);
	}
	snprintf(rig->lent.extents, sizeof(rig->lent.extents), "%s", answer->extents);
	rig->lent.known_count = answer->n_known;
	rig->lent.application = strcmp(answer->consistency, "application") == 0;
}

static void imported_take(struct rig *rig, const Vmreplica__Ipc__StoreImported *answer)
{
	rig->imported.answered = true;
	rig->imported.error = answer->error;
	snprintf(rig->imported.text, sizeof(rig->imported.text), "%s", answer->text);
}

void rig_take(struct rig *rig, const struct frame *frame)
{
	switch (frame->type) {
	case FRAME_RECEIVER_READY:
		rig->port = (uint16_t)((Vmreplica__Ipc__ReceiverReady *)frame->message)->port;
		break;
	case FRAME_STORE_OPENED: {
		const Vmreplica__Ipc__StoreOpened *opened = (void *)frame->message;

		rig->opened = true;
		rig->opened_error = opened->error;
		snprintf(rig->opened_text, sizeof(rig->opened_text), "%s", opened->text);
		break;
	}
	case FRAME_STORE_CLOSED:
		rig->closed = true;
		rig->closed_error = ((Vmreplica__Ipc__StoreClosed *)frame->message)->error;
		break;
	case FRAME_REPLICA_STATUS:
		status_take(rig, ((Vmreplica__Ipc__ReplicaStatus *)frame->message)->vm);
		break;
	case FRAME_RECEIVER_EVENT:
		snprintf(rig->last_event, sizeof(rig->last_event), "%s",
			 ((Vmreplica__Ipc__ReceiverEvent *)frame->message)->event->text);
		break;
	case FRAME_STORE_TAKEN:
		taken_take(rig, (const Vmreplica__Ipc__StoreTaken *)frame->message);
		break;
	case FRAME_REPLICA_POINTS:
		points_take(rig, (const Vmreplica__Ipc__ReplicaPoints *)frame->message);
		break;
	case FRAME_STORE_LENT:
		lent_take(rig, (const Vmreplica__Ipc__StoreLent *)frame->message);
		break;
	case FRAME_STORE_IMPORTED:
		imported_take(rig, (const Vmreplica__Ipc__StoreImported *)frame->message);
		break;
	default:
		rig_die("the receiver sent %s", frame_type_to_string(frame->type));
	}
}
