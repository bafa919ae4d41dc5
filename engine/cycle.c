/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/cycle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/dirty_map.h"

#define COPY_RECHECK_MS 5000

/* libvirt's errors in the scheduler's terms. */
static int source_trouble(struct cycle *cycle, int error, const char *why)
{
	switch (error) {
	case -ENOENT:
		return trouble_set(&cycle->trouble, error, SCHEDULE_MISSED, "vm-unknown", "%s",
				   why);
	case -EBUSY:
		return trouble_set(&cycle->trouble, error, SCHEDULE_MISSED, "backup-job", "%s",
				   why);
	case -EAGAIN:
		return trouble_set(&cycle->trouble, error, SCHEDULE_MISSED, "vm-moving", "%s", why);
	case -ENOSPC:
		return trouble_set(&cycle->trouble, error, SCHEDULE_MISSED, "scratch", "%s", why);
	case -ETIMEDOUT:
	case -ENOTCONN:
		return trouble_set(&cycle->trouble, error, SCHEDULE_FAILED, "libvirt", "%s", why);
	case -ESTALE:
		return trouble_set(&cycle->trouble, error, SCHEDULE_CONTINUED, "checkpoint-gone",
				   "%s", why);
	default:
		return trouble_set(&cycle->trouble, error, SCHEDULE_FAILED, "backup", "%s", why);
	}
}

static int cycle_list_disks(struct cycle *cycle)
{
	for (size_t i = 0; i < source_disk_count(cycle->source); i++) {
		const struct source_disk *disk = source_disk_at(cycle->source, i);

		if (disk->excluded) {
			continue;
		}
		if (disk->problem != NULL) {
			return trouble_set(&cycle->trouble, -ENOTSUP, SCHEDULE_FAILED,
					   "disk-unsupported", "disk %s: %s", disk->name,
					   disk->problem);
		}
		if (cycle->disk_count == DISKS_MAX) {
			return trouble_set(&cycle->trouble, -E2BIG, SCHEDULE_FAILED,
					   "disk-unsupported", "more than %u disks: exclude some",
					   DISKS_MAX);
		}
		memcpy(cycle->disks[cycle->disk_count].name, disk->name, sizeof(disk->name));
		cycle->disks[cycle->disk_count].size_bytes = disk->size_bytes;
		cycle->disk_sizes[cycle->disk_count] = disk->size_bytes;
		cycle->source_index[cycle->disk_count] = i;
		cycle->disk_count++;
	}
	if (cycle->disk_count == 0) {
		return trouble_set(&cycle->trouble, -ENOTSUP, SCHEDULE_FAILED, "disk-unsupported",
				   "%s has no disk to replicate", cycle->settings->vm);
	}
	return 0;
}

int cycle_open_source(struct cycle *cycle)
{
	const char **exclude = vm_settings_exclude_list(cycle->settings);
	struct source_options options = {
		.vm = cycle->settings->vm,
		.exclude_disks = exclude,
		.scratch_directory = cycle->scratch_directory,
		.scratch_reserve_bytes = cycle->scratch_reserve_bytes,
		.scratch_cap_bytes = cycle->scratch_cap_bytes,
		.socket_directory = cycle->socket_directory,
		.lender = cycle->lender,
		/* one cut takes as long as reading all does; the scratch space bounds it */
		.job_max_age_ms = cycle->verify != NULL && cycle->verify->one_cut
					  ? cycle->verify->slice_ms
					  : 0,
	};
	char error[SOURCE_ERROR_LEN] = "";
	int result;

	if (cycle->barrier != NULL) {
		free(exclude);
		return trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_FAILED, "failed-over", "%s",
				   cycle->barrier);
	}
	result = exclude == NULL
			     ? -ENOMEM
			     : source_open(cycle->connection, &options, &cycle->source, error);

	free(exclude);
	if (result == 0) {
		result = source_checkpoints(cycle->source, cycle->settings->relationship,
					    &cycle->checkpoints, &cycle->checkpoint_count,
					    &cycle->broken, error);
	}
	if (result < 0) {
		return source_trouble(cycle, result, error);
	}
	for (size_t i = 0; i < cycle->checkpoint_count; i++) {
		if (cycle->checkpoints[i].epoch > cycle->disk_epoch) {
			cycle->disk_epoch = cycle->checkpoints[i].epoch;
		}
	}
	result = cycle_list_disks(cycle);
	if (result == 0) {
		cycle_ask_witness(cycle);
	}
	return result;
}

/* For what the log cannot hold back: nothing depends on it, the next plan deletes what is left. */
static void cycle_delete_checkpoint(struct cycle *cycle, const struct checkpoint_name *name)
{
	char error[SOURCE_ERROR_LEN] = "";

	if (source_checkpoint_delete(cycle->source, name, error) < 0) {
		log_warning("%s: checkpoint of cycle %" PRIu64 " cannot be deleted now: %s",
			    cycle->settings->vm, name->seq, error);
	}
}

int cycle_free_checkpoints(struct cycle *cycle)
{
	char error[SOURCE_ERROR_LEN] = "";
	int result;

	for (size_t i = 0; i < cycle->plan.deletion_count; i++) {
		cycle_delete_checkpoint(cycle, &cycle->plan.deletions[i]);
	}
	if (!cycle->plan.release_all) {
		return 0;
	}
	result = source_checkpoints_release(cycle->source, cycle->settings->relationship, error);
	if (result < 0) {
		return source_trouble(cycle, result, error);
	}
	cycle_settle_witness(cycle);
	return 0;
}

static struct checkpoint_name cut_wanted(const struct cycle *cycle, uint64_t seq,
					 const char *cut_id)
{
	struct checkpoint_name name = {.epoch = cycle->epoch.number, .seq = seq};

	memcpy(name.relationship, cycle->settings->relationship, sizeof(name.relationship));
	memcpy(name.cut_id, cut_id, sizeof(name.cut_id));
	return name;
}

/* Without bitmaps only the cuts that the receiver names are of interest: can it be told what
 * changed since them? */
static int cycle_find_cuts(struct cycle *cycle)
{
	const struct peer_position *position = &cycle->peer->position;
	struct checkpoint_name wanted[2];
	char error[SOURCE_ERROR_LEN] = "";
	size_t count = 0;
	int result;

	if (cycle->lender == NULL) {
		return 0;
	}
	if (position->has_committed) {
		wanted[count++] =
			cut_wanted(cycle, position->committed_seq, position->committed_cut_id);
	}
	if (position->mark.present) {
		wanted[count++] = cut_wanted(cycle, position->mark.seq, position->mark.cut_id);
	}
	free(cycle->checkpoints);
	cycle->checkpoint_count = 0;
	cycle->checkpoints = calloc(count + 1, sizeof(*cycle->checkpoints));
	result = cycle->checkpoints == NULL
			 ? -ENOMEM
			 : source_cuts_find(cycle->source, wanted, count, cycle->checkpoints,
					    &cycle->checkpoint_count, error);
	return result < 0 ? source_trouble(cycle, result, error) : 0;
}

/* A resynchronization is due that may not begin now. One that an admin began goes on where it was;
 * one that began in a window waits for the next. */
static bool cycle_resync_must_wait(const struct cycle *cycle)
{
	return cycle->plan.kind == VMREPLICA__WIRE__MODE__MODE_RESYNC && !cycle->resync_allowed &&
	       cycle->peer->position.has_committed && /* else it is the initial replication */
	       (!cycle->plan.resumed || cycle->settings->resync.kind == RESYNC_WINDOW);
}

static int cycle_refuse_resync(struct cycle *cycle, const char *why)
{
	char window[RESYNC_POLICY_LEN];

	cycle->resync_required = true;
	if (cycle->settings->resync.kind != RESYNC_WINDOW) {
		return trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_DENIED, "resync-required",
				   "%s; resync=manual, so start it with: vmreplica resync %s", why,
				   cycle->settings->vm);
	}
	return trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_DENIED, "resync-window",
			   "%s; it waits for its window %s (at once: vmreplica resync %s)", why,
			   resync_policy_format(&cycle->settings->resync, window),
			   cycle->settings->vm);
}

int cycle_plan(struct cycle *cycle)
{
	const struct peer_position *position = &cycle->peer->position;
	int result = cycle_find_cuts(cycle);
	struct resume_input input = {
		.checkpoints = cycle->checkpoints,
		.checkpoint_count = cycle->checkpoint_count,
		.broken = cycle->broken,
		.has_committed = position->has_committed,
		.committed_seq = position->committed_seq,
		.mode = position->mode,
		.mark = position->mark,
		.next_seq = position->next_seq,
		.disk_sizes = cycle->disk_sizes,
		.disk_count = cycle->disk_count,
		.extra = cycle_has_extra(cycle),
		.force_resync = cycle->force_resync,
	};

	if (result < 0) {
		return result;
	}
	memcpy(input.committed_cut_id, position->committed_cut_id, sizeof(input.committed_cut_id));
	result = resume_plan_make(&input, &cycle->plan);
	if (result < 0) {
		return trouble_set(&cycle->trouble, result, SCHEDULE_FAILED, "protocol",
				   "the welcome of %s contradicts itself", cycle->peer->node);
	}
	if (cycle->awaits_copy && cycle->plan.kind == VMREPLICA__WIRE__MODE__MODE_INITIAL) {
		trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_MISSED, "copy-awaited",
			    "it waits for a copy of the disks: have one imported there (vmreplica "
			    "import), or export one here (vmreplica export %s DIRECTORY)",
			    cycle->settings->vm);
		cycle->trouble.retry_ms = COPY_RECHECK_MS;
		return -EAGAIN;
	}
	if (cycle_resync_must_wait(cycle)) {
		return cycle_refuse_resync(cycle, position->reason[0] != '\0' ? position->reason
									      : cycle->plan.reason);
	}
	result = cycle_free_checkpoints(cycle);
	return result == 0 ? cycle_take_extra(cycle) : result;
}

/* The old cuts are behind the committed one. */
static void cycle_drop_old_checkpoints(struct cycle *cycle)
{
	if (cycle->plan.has_look) {
		cycle_delete_checkpoint(cycle, &cycle->plan.look);
	}
	if (cycle->plan.has_incremental) {
		cycle_delete_checkpoint(cycle, &cycle->plan.incremental);
	}
}

static void cycle_finish(struct cycle *cycle)
{
	for (uint32_t i = 0; i < cycle->disk_count; i++) {
		dirty_map_free(cycle->maps[i]);
	}
	resume_plan_destroy(&cycle->plan);
	free(cycle->checkpoints);
	free(cycle->vm_state);
	cycle->checkpoints = NULL;
	cycle->vm_state = NULL;
	source_close(cycle->source);
	cycle->source = NULL;
	atomic_store(&cycle->progress->kind, 0);
}

int cycle_run(struct cycle *cycle)
{
	int result = cycle_connect(cycle);

	if (result == 0) {
		result = cycle_plan(cycle);
	}
	if (result == 0) {
		result = cycle_send(cycle);
	}
	if (result == 0) {
		cycle->committed = true;
		cycle->trouble = (struct trouble){0};
		cycle_state_committed(cycle);
		cycle_drop_old_checkpoints(cycle);
	} else if (cycle->begun || cycle->trouble.outcome == SCHEDULE_CANCELLED) {
		/* What is under way ends with it: HELLO tells both sides where they are. A cycle
		 * that did not get as far leaves the connection: over it the other side learns
		 * why nothing comes. */
		peer_close(cycle->peer);
	}
	cycle_finish(cycle);
	return result;
}
