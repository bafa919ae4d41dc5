/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/status.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "proto/link.h"
#include "receiver/borrow.h"

#define NOT_TAKEN VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE

static Vmreplica__State state_of(const struct view *view)
{
	bool resyncing = view->cycle == VMREPLICA__WIRE__MODE__MODE_RESYNC;

	if (view->failover.kind != NOT_TAKEN) {
		return view->failover.committed ? VMREPLICA__STATE__STATE_COMMITTED
						: VMREPLICA__STATE__STATE_RECOVERED;
	}

	if (!view->has_image) {
		if (view->suspended) {
			return VMREPLICA__STATE__STATE_SUSPENDED;
		}
		return view->cycle == VMREPLICA__WIRE__MODE__MODE_INITIAL
			       ? VMREPLICA__STATE__STATE_INITIAL_REPLICATION
			       : VMREPLICA__STATE__STATE_WAITING_FOR_INITIAL_REPLICATION;
	}
	if (view->suspended) {
		return view->resync_needed ? VMREPLICA__STATE__STATE_RESYNCHRONIZE_SUSPENDED
					   : VMREPLICA__STATE__STATE_SUSPENDED;
	}
	if (resyncing || (view->adopting && !view->resync_needed)) {
		return VMREPLICA__STATE__STATE_RESYNCHRONIZING;
	}
	return view->resync_needed ? VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE
				   : VMREPLICA__STATE__STATE_REPLICATING;
}

/* Nothing of what streams and storage do to a replica matters then. */
static bool takeover_judge(const struct view *view, Vmreplica__Health *ret_health,
			   const char **ret_code, const char **ret_reason)
{
	if (view->failover.kind == NOT_TAKEN) {
		return false;
	}
	*ret_health = VMREPLICA__HEALTH__HEALTH_WARNING;
	if (!view->failover.ready) {
		*ret_code = "failing-over";
		*ret_reason = "a failover has begun and is not ready: vmreplica jobs shows it";
	} else if (view->failover.committed) {
		*ret_code = "committed";
		*ret_reason = "the failover is committed and the VM runs without a replica: "
			      "vmreplica reverse";
	} else {
		*ret_code = "failed-over";
		*ret_reason = "the VM has failed over to here and nothing of the old primary is "
			      "taken: cancel or commit the failover, then vmreplica reverse";
	}
	return true;
}

void status_judge(const struct view *view, Vmreplica__State *ret_state,
		  Vmreplica__Health *ret_health, const char **ret_code, const char **ret_reason)
{
	*ret_state = state_of(view);
	*ret_health = VMREPLICA__HEALTH__HEALTH_CRITICAL;
	if (takeover_judge(view, ret_health, ret_code, ret_reason)) {
		return;
	}
	if (view->storage.code[0] != '\0') {
		*ret_code = view->storage.code;
		*ret_reason = view->storage.reason;
	} else if (view->suspended) {
		*ret_code = "suspended";
		*ret_reason = "the replica is paused by the administrator: vmreplica resume";
	} else if (view->resync_needed) {
		*ret_code = "resync-needed";
		*ret_reason = view->resync_reason;
	} else if (view->trust.code[0] != '\0') {
		*ret_health = VMREPLICA__HEALTH__HEALTH_WARNING;
		*ret_code = view->trust.code;
		*ret_reason = view->trust.reason;
	} else if (view->stream.code[0] != '\0') {
		*ret_health = VMREPLICA__HEALTH__HEALTH_WARNING;
		*ret_code = view->stream.code;
		*ret_reason = view->stream.reason;
	} else if (view->peer_known && view->peer_health >= VMREPLICA__HEALTH__HEALTH_WARNING) {
		*ret_health = view->peer_health;
		*ret_code = "peer";
		*ret_reason = view->peer_reason;
	} else if (!view->has_image) {
		*ret_health = VMREPLICA__HEALTH__HEALTH_WARNING;
		*ret_code = "initial-pending";
		*ret_reason = "initial replication is not complete";
	} else if (view->adopting) {
		*ret_health = VMREPLICA__HEALTH__HEALTH_WARNING;
		*ret_code = "adopting";
		*ret_reason =
			view->adopted_point
				? "the disks are the old primary's, as it handed them over, until "
				  "the first cycle from the new one is complete"
				: "the disks are an old primary's until the first cycle from the "
				  "new one is complete: they are no point in time";
	} else if (view->merge.code[0] != '\0') {
		*ret_health = VMREPLICA__HEALTH__HEALTH_WARNING;
		*ret_code = view->merge.code;
		*ret_reason = view->merge.reason;
	} else if (view->overdue) {
		*ret_health = VMREPLICA__HEALTH__HEALTH_WARNING;
		*ret_code = "overdue";
		*ret_reason = "no cycle has come from the primary in time: is its site up, and "
			      "the line to it?";
	} else {
		*ret_health = VMREPLICA__HEALTH__HEALTH_OK;
		*ret_code = *ret_reason = "";
	}
}

static void progress_fill(const struct view *view, Vmreplica__Progress *progress)
{
	uint64_t rate = (uint64_t)view->meter.bytes_per_s;

	progress->kind = borrow(manifest_mode_to_word(view->cycle));
	progress->done_bytes = view->done_bytes;
	progress->total_bytes = view->total_bytes;
	progress->rate_bytes_per_s = rate;
	if (rate > 0 && view->total_bytes > view->done_bytes) {
		progress->eta_s = (view->total_bytes - view->done_bytes) / rate;
	}
}

static void numbers_fill(const struct view *view, Vmreplica__VmStatus *vm)
{
	const struct manifest_counters *counters = &view->counters;

	vm->seq = view->committed.seq;
	vm->frequency_s = view->frequency_s;
	vm->last_replicated_ms = view->committed.time_ms;
	vm->last_app_ms = view->last_app_ms;
	vm->nvram_bytes = view->nvram_bytes;
	vm->behind_s = view->committed_mono_ms == 0
			       ? -1
			       : (clock_monotonic_ms() - view->committed_mono_ms) / 1000;
	vm->resyncs = counters->resyncs;
	vm->moves = view->generation > 0 ? view->generation - 1 : 0;
	vm->bytes_dirty = counters->data_bytes;
	vm->bytes_wire = counters->wire_bytes + view->wire_bytes;
	vm->largest_bytes = counters->largest_bytes;
	vm->latency_ms = counters->latency_ms;
	vm->latency_max_ms = counters->latency_max_ms;
	vm->applied_seq = view->applied_seq;
	vm->batch_seq = view->batch_seq;
	vm->spool_bytes = view->spool_bytes;
	vm->generation = view->generation;
	vm->suspended = view->suspended;
}

/* False: there is none to tell of. */
static bool takeover_fill(const struct view *view, Vmreplica__Takeover *takeover)
{
	const struct manifest_takeover *failover = &view->failover;

	takeover->kind = failover->kind;
	takeover->holder = borrow(failover->holder);
	takeover->seq = failover->cut.seq;
	takeover->cut_id = borrow(failover->cut.cut_id);
	takeover->time_ms = failover->cut.time_ms;
	takeover->planned = failover->planned;
	takeover->committed = failover->committed;
	takeover->last_seq = failover->kind != NOT_TAKEN ? view->committed.seq : 0;
	takeover->test_holder = borrow(view->test.holder);
	takeover->test_seq = view->test.cut.seq;
	return failover->kind != NOT_TAKEN || view->test.kind != NOT_TAKEN;
}

static int disks_fill(const struct view *view, Vmreplica__DiskStatus **ret_disks,
		      Vmreplica__DiskStatus ***ret_list)
{
	Vmreplica__DiskStatus *disks = calloc(view->disk_count + 1, sizeof(*disks));
	Vmreplica__DiskStatus **list = calloc(view->disk_count + 1, sizeof(*list));

	if (disks == NULL || list == NULL) {
		free(disks);
		free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < view->disk_count; i++) {
		vmreplica__disk_status__init(&disks[i]);
		disks[i].name = view->disks[i].name;
		disks[i].size_bytes = view->disks[i].size_bytes;
		disks[i].top = view->disks[i].top;
		list[i] = &disks[i];
	}
	*ret_disks = disks;
	*ret_list = list;
	return 0;
}

static int status_send_locked(struct link *link, const struct view *view,
			      const struct status_names *names)
{
	Vmreplica__Ipc__ReplicaStatus message = VMREPLICA__IPC__REPLICA_STATUS__INIT;
	Vmreplica__VmStatus vm = VMREPLICA__VM_STATUS__INIT;
	Vmreplica__Progress progress = VMREPLICA__PROGRESS__INIT;
	Vmreplica__Cycles cycles = VMREPLICA__CYCLES__INIT;
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	Vmreplica__Takeover takeover = VMREPLICA__TAKEOVER__INIT;
	cleanup_free Vmreplica__DiskStatus *disks = NULL;
	cleanup_free Vmreplica__DiskStatus **list = NULL;
	const char *code, *reason;

	if (disks_fill(view, &disks, &list) < 0) {
		return -ENOMEM;
	}
	status_judge(view, &vm.state, &vm.health, &code, &reason);
	vm.reason_code = borrow(code);
	vm.reason = borrow(reason);
	vm.name = borrow(names->vm);
	vm.relationship = borrow(names->relationship);
	vm.role = VMREPLICA__ROLE__ROLE_REPLICA;
	vm.owner = borrow(names->node);
	vm.peer = borrow(names->peer_site);
	vm.peer_node = borrow(view->peer_node);
	vm.peer_address = borrow(view->peer_address);
	vm.store = borrow(names->directory);
	vm.resource = borrow(names->resource);
	numbers_fill(view, &vm);
	progress_fill(view, &progress);
	cycles.ok = view->counters.ok;
	cycles.failed = view->counters.failed;
	epoch.number = view->epoch.number;
	epoch.lineage = borrow(view->epoch.lineage);
	epoch.site = borrow(view->epoch.site);
	vm.progress = &progress;
	vm.cycles = &cycles;
	vm.epoch = &epoch;
	vm.takeover = takeover_fill(view, &takeover) ? &takeover : NULL;
	vm.disks = list;
	vm.n_disks = view->disk_count;
	message.vm = &vm;
	return link_send(link, FRAME_REPLICA_STATUS, &message.base);
}

int status_send(struct link *link, struct view *view, const struct status_names *names)
{
	int rc;

	pthread_mutex_lock(&view->lock);
	rc = status_send_locked(link, view, names);
	pthread_mutex_unlock(&view->lock);
	return rc;
}
