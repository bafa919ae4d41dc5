/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is shown of a relationship: status, health, and the node attribute for crm_mon. */
#include "engine/relationship.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/failover_job.h"

#define OBSTACLE_GRACE_MS 10000

static int64_t relationship_since_success(const struct relationship *rel, int64_t now)
{
	int64_t age;

	if (rel->last_success_ms != 0) {
		return now - rel->last_success_ms;
	}
	if (rel->last_replicated_ms == 0) {
		return -1;
	}
	/* of another node's time: wall clocks are all there is */
	age = clock_wall_ms() - rel->last_replicated_ms;
	return age > 0 ? age : 0;
}

/* That the replica was on its way to another node, or that a resynchronization had to wait, is over
 * once data flows. */
static bool obstacle_is_passed(const struct relationship *rel)
{
	return rel->running && atomic_load(&rel->progress.kind) != 0 &&
	       (strncmp(rel->obstacle.code, "replica-", strlen("replica-")) == 0 ||
		strncmp(rel->obstacle.code, "resync-", strlen("resync-")) == 0);
}

/* A cycle that only had to wait (the VM or its replica moves, another tool's job) is no matter of
 * health while that is short. */
static bool relationship_is_hindered(const struct relationship *rel, int64_t now)
{
	return rel->obstacle.code[0] != '\0' && !obstacle_is_passed(rel) &&
	       (rel->obstacle.outcome != SCHEDULE_MISSED ||
		now - rel->obstacle_ms >= OBSTACLE_GRACE_MS);
}

char *relationship_resync_estimate(const struct relationship *rel, char buf[DIGEST_ESTIMATE_LEN])
{
	const int resync = VMREPLICA__WIRE__MODE__MODE_RESYNC;
	uint64_t bytes = 0;

	if (rel->running && atomic_load(&rel->progress.kind) == resync) {
		bytes = atomic_load(&rel->progress.total_bytes);
	} else {
		for (uint32_t i = 0; i < rel->disk_count; i++) {
			bytes += rel->disks[i].size_bytes;
		}
	}
	buf[0] = '\0';
	return bytes > 0 ? digest_estimate_format(&rel->engine->digest_speed, bytes, buf) : buf;
}

/* "2026-11-22T22:00:00Z" */
static void start_format(const struct relationship *rel, char text[REASON_MAX])
{
	time_t seconds = (time_t)(rel->start_at_ms / 1000);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm) != NULL) {
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	snprintf(text, REASON_MAX,
		 "initial replication is scheduled for %s (at once: vmreplica sync %s)", when,
		 rel->settings.vm);
}

void relationship_judge(struct relationship *rel, int64_t now)
{
	bool hindered = relationship_is_hindered(rel, now);
	struct health_input input = {
		.state = rel->state.state,
		.suspended = rel->suspended,
		.releasing = rel->released && rel->release_wanted,
		.resync_ordered = rel->resync_stored && rel->force_resync,
		.replica_suspended = rel->replica_suspended,
		.denied = rel->denied,
		.blind = rel->blind,
		.exhausted = schedule_entry_is_exhausted(&rel->schedule),
		.frequency_s = rel->settings.frequency_s,
		.counts = health_window_sum(&rel->window, now),
		.since_success_ms = relationship_since_success(rel, now),
		.obstacle = rel->release_error[0] != '\0' ? rel->release_error
			    : hindered			  ? rel->obstacle.text
							  : "",
		.obstacle_code = hindered ? rel->obstacle.code : "",
	};
	struct health_verdict verdict;
	char start[REASON_MAX], estimate[DIGEST_ESTIMATE_LEN];

	input.resync = relationship_resync_estimate(rel, estimate);

	if (relationship_waits_for_start(rel)) {
		start_format(rel, start);
		input.obstacle = start;
		input.obstacle_code = "scheduled";
	}
	health_judge(&input, &verdict);
	if (verdict.health != rel->verdict.health || strcmp(verdict.code, rel->verdict.code) != 0) {
		engine_event(rel->engine,
			     verdict.health == VMREPLICA__HEALTH__HEALTH_CRITICAL  ? "error"
			     : verdict.health == VMREPLICA__HEALTH__HEALTH_WARNING ? "warning"
										   : "notice",
			     rel->settings.vm, "health %s%s%s", health_to_string(verdict.health),
			     verdict.reason[0] != '\0' ? ": " : "", verdict.reason);
		engine_changed(rel->engine);
	}
	rel->verdict = verdict;
}

static void fill_progress(const struct relationship *rel, Vmreplica__Progress *progress)
{
	const struct cycle_progress *now = &rel->progress;
	int kind = rel->running ? atomic_load(&now->kind) : 0;
	uint64_t left;

	if (kind == 0) {
		return;
	}
	progress->kind = vm_status_borrow(resume_mode_to_string((Vmreplica__Wire__Mode)kind));
	progress->done_bytes = atomic_load(&now->done_bytes);
	progress->total_bytes = atomic_load(&now->total_bytes);
	if (progress->done_bytes > progress->total_bytes) {
		progress->total_bytes = progress->done_bytes; /* the disk grew meanwhile */
	}
	progress->rate_bytes_per_s = atomic_load(&now->rate_bytes_per_s);
	left = progress->total_bytes - progress->done_bytes;
	if (progress->done_bytes > 0) {
		double elapsed_s = (double)(clock_monotonic_ms() - rel->run_begin_ms) / 1000;

		progress->eta_s =
			(uint64_t)(elapsed_s * (double)left / (double)progress->done_bytes);
	}
}

static void fill_counters(const struct relationship *rel, Vmreplica__VmStatus *status)
{
	status->cycles->ok = rel->cycles.ok;
	status->cycles->missed = rel->cycles.missed;
	status->cycles->failed = rel->cycles.failed;
	status->resyncs = rel->resyncs;
	status->moves = rel->moves;
	status->last_pause_ms = rel->last_pause_ms;
	status->bytes_dirty = rel->bytes_dirty;
	status->bytes_wire = rel->bytes_wire;
	if (rel->running) {
		status->bytes_wire += atomic_load(&rel->progress.wire_bytes);
	}
	status->largest_bytes = rel->largest_bytes;
	status->latency_ms = rel->latency_ms;
	status->latency_max_ms = rel->latency_max_ms;
	status->generation = rel->generation;
	status->paused_since_ms = rel->paused_since_ms;
}

static void fill_disks(const struct relationship *rel, struct vm_status_frame *frame)
{
	frame->status.n_disks = rel->disk_count;
	for (uint32_t i = 0; i < rel->disk_count; i++) {
		frame->disks[i].name = vm_status_borrow(rel->disks[i].name);
		frame->disks[i].size_bytes = rel->disks[i].size_bytes;
	}
	for (size_t i = 0; i < rel->settings.exclude_count && i < DISKS_MAX; i++) {
		frame->excluded[i] = vm_status_borrow(rel->settings.exclude_disks[i]);
		frame->status.n_excluded_disks++;
	}
	frame->status.bandwidth_bytes_per_s = rel->settings.bandwidth_bytes_per_s;
}

void relationship_fill_status(const struct relationship *rel, struct vm_status_frame *frame)
{
	Vmreplica__VmStatus *status = &frame->status;

	vm_status_frame_init(frame);
	status->name = vm_status_borrow(rel->settings.vm);
	status->relationship = vm_status_borrow(rel->settings.relationship);
	status->role = VMREPLICA__ROLE__ROLE_PRIMARY;
	status->state = rel->state.state;
	status->health = rel->verdict.health;
	status->reason = vm_status_borrow(rel->verdict.reason);
	status->reason_code = vm_status_borrow(rel->verdict.code);
	status->owner = rel->engine->config->node;
	status->peer = vm_status_borrow(rel->settings.peer);
	status->peer_node = vm_status_borrow(rel->peer_node);
	status->resource = vm_status_borrow(rel->settings.resource);
	status->vm_resource = vm_status_borrow(rel->settings.vm_resource);
	epoch_to_message(&rel->epoch, status->epoch);
	status->seq = rel->seq;
	status->frequency_s = rel->settings.frequency_s;
	status->last_replicated_ms = rel->last_replicated_ms;
	if (rel->last_replicated_ms != 0) {
		int64_t behind = clock_wall_ms() - rel->last_replicated_ms;

		status->behind_s = behind > 0 ? behind / 1000 : 0;
	}
	status->app_interval_s = rel->settings.app_interval_s;
	status->last_app_ms = rel->last_app_ms;
	status->frozen_ms = rel->frozen_ms;
	/* one who asks for none is told of none */
	status->app_reason =
		vm_status_borrow(rel->settings.app_interval_s > 0 ? rel->app_reason : "");
	status->suspended = rel->suspended;
	status->start_at_ms = relationship_waits_for_start(rel) ? rel->start_at_ms : 0;
	status->job =
		vm_status_borrow(failover_job_running_id(rel->engine, rel->settings.relationship));
	fill_progress(rel, status->progress);
	fill_counters(rel, status);
	fill_disks(rel, frame);
}

void relationship_adopt(struct relationship *rel, const Vmreplica__VmStatus *status)
{
	relationship_state_adopt(&rel->state, status->state);
	rel->seq = status->seq;
	rel->last_replicated_ms = status->last_replicated_ms;
	rel->last_app_ms = status->last_app_ms;
	rel->frozen_ms = status->frozen_ms;
	snprintf(rel->app_reason, sizeof(rel->app_reason), "%s", status->app_reason);
	rel->resyncs = status->resyncs;
	rel->moves = status->moves;
	rel->last_pause_ms = status->last_pause_ms;
	rel->bytes_dirty = status->bytes_dirty;
	rel->bytes_wire = status->bytes_wire;
	rel->largest_bytes = status->largest_bytes;
	rel->latency_ms = status->latency_ms;
	rel->latency_max_ms = status->latency_max_ms;
	if (status->cycles != NULL) {
		rel->cycles.ok = status->cycles->ok;
		rel->cycles.missed = status->cycles->missed;
		rel->cycles.failed = status->cycles->failed;
	}
}

void relationship_save(const struct relationship *rel)
{
	struct vm_status_frame frame;
	int result;

	relationship_fill_status(rel, &frame);
	result = vm_status_save(ENGINE_STATE_DIR, &frame.status);
	if (result < 0) {
		log_debug("%s: statistics not saved in %s: %s", rel->settings.vm, ENGINE_STATE_DIR,
			  strerror(-result));
	}
}

void relationship_publish(struct relationship *rel, int64_t now)
{
	struct vm_status_frame frame;

	relationship_fill_status(rel, &frame);
	health_attribute_publish(&rel->attribute, &rel->engine->cluster, rel->settings.vm,
				 &frame.status, now);
}

void relationship_unpublish(struct relationship *rel)
{
	health_attribute_remove(&rel->attribute, &rel->engine->cluster, rel->settings.vm);
}
