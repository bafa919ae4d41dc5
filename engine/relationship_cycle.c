/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cycles of a relationship: started on a worker, their results taken into schedule, state and
 * counters. */
#include "engine/extended.h"
#include "engine/relationship.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define MODE(name) VMREPLICA__WIRE__MODE__MODE_##name

static int cycle_job_run(void *arg)
{
	struct relationship *rel = arg;

	return cycle_run(&rel->cycle);
}

static void cycle_job_done(void *arg, int result);

static bool application_is_due(const struct relationship *rel)
{
	const struct schedule_application application = {
		.interval_s = rel->settings.app_interval_s,
		.frequency_s = rel->settings.frequency_s,
		.last_ms = rel->last_app_ms,
		.tried_ms = rel->app_tried_ms,
	};

	return schedule_application_is_due(&application, clock_wall_ms());
}

void relationship_start_cycle(struct relationship *rel, int64_t now_ms)
{
	struct engine *engine = rel->engine;
	const struct config *config = engine->config;

	rel->cycle = (struct cycle){
		.settings = &rel->settings,
		.site = config->site,
		.node = config->node,
		.connection = engine->libvirt,
		.lender = relationship_lender(rel),
		.barrier = extended_barrier(engine, &rel->settings),
		.scratch_directory = config->scratch_directory,
		.socket_directory = ENGINE_BACKUP_DIR,
		.scratch_reserve_bytes = config->scratch_reserve_bytes,
		.scratch_cap_bytes = config->scratch_cap_bytes,
		.pool = engine->pool,
		.peer = &rel->peer,
		.progress = &rel->progress,
		.force_resync = rel->force_resync,
		.resync_allowed = relationship_may_resync(rel, &rel->settings),
		.awaits_copy = relationship_waits_for_copy(rel),
		.want_application = application_is_due(rel),
		.enrolled = rel->last_replicated_ms != 0 || rel->peer.greeted,
		.epoch = rel->epoch,
		.final = rel->final_wanted,
		.extents_path = rel->extents_path,
		.peer_address = engine_broker_address(engine),
	};
	rel->cycle.verify = relationship_verify_take(rel, now_ms);
	atomic_store(&rel->progress.give_way, false);
	/* what the last one sent is counted already */
	atomic_store(&rel->progress.wire_bytes, 0);
	canceller_reset(&rel->peer.canceller);
	rel->cancelled = false;
	relationship_unwatch_peer(rel);
	if (workers_submit(engine->cycle_workers, cycle_job_run, cycle_job_done, rel) < 0) {
		schedule_entry_finish(&rel->schedule, SCHEDULE_MISSED, 1000, now_ms);
		return;
	}
	rel->runs++;
	rel->run_begin_ms = now_ms;
	rel->busy = true;
	rel->running = true;
	rel->schedule.running = true;
}

void relationship_cancel(struct relationship *rel)
{
	if (rel->busy && !rel->cancelled) {
		rel->cancelled = true;
		rel->cancelled_ms = clock_monotonic_ms();
		canceller_cancel(&rel->peer.canceller);
	}
}

void relationship_note_progress(struct relationship *rel)
{
	int kind = atomic_load(&rel->progress.kind);
	char estimate[DIGEST_ESTIMATE_LEN];
	int changed = 0;

	if (!rel->running || kind == rel->progress_seen || kind == 0) {
		return;
	}
	rel->progress_seen = kind;
	if (kind == MODE(INITIAL)) {
		changed = relationship_state_apply(&rel->state, RELATIONSHIP_BEGIN_INITIAL);
	} else if (kind == MODE(RESYNC)) {
		changed = relationship_state_apply(&rel->state, RELATIONSHIP_BEGIN_RESYNC);
	} else {
		changed = relationship_state_apply(&rel->state, RELATIONSHIP_BEGIN_DELTA);
	}
	rel->schedule.bulk = kind != MODE(DELTA);
	if (changed) {
		engine_event(rel->engine, "notice", rel->settings.vm, "%s begins%s%s",
			     kind == MODE(INITIAL)  ? "initial replication"
			     : kind == MODE(RESYNC) ? "resynchronization"
						    : "delta replication",
			     kind == MODE(RESYNC) ? ": " : "",
			     kind == MODE(RESYNC) ? relationship_resync_estimate(rel, estimate)
						  : "");
		engine_changed(rel->engine);
	}
}

static void relationship_count_bytes(struct relationship *rel, const struct cycle *cycle)
{
	rel->bytes_dirty += cycle->data_bytes;
	rel->bytes_wire += cycle->wire_bytes;
}

/* What became of the freeze, whatever became of the cycle after it. Told when it begins to fail and
 * when that is over, not each time. */
static void relationship_note_application(struct relationship *rel)
{
	const struct cycle *cycle = &rel->cycle;

	if (cycle->application_why[0] != '\0') {
		rel->app_tried_ms = clock_wall_ms();
		if (rel->app_reason[0] == '\0') {
			engine_event(rel->engine, "warning", rel->settings.vm,
				     "the guest cannot be frozen, recovery points are only "
				     "crash-consistent: %s",
				     cycle->application_why);
		}
		snprintf(rel->app_reason, sizeof(rel->app_reason), "%s", cycle->application_why);
	} else if (cycle->application) {
		rel->app_tried_ms = 0;
		rel->frozen_ms = (uint64_t)cycle->frozen_ms;
		if (rel->app_reason[0] != '\0') {
			engine_event(rel->engine, "notice", rel->settings.vm,
				     "the guest can be frozen again: recovery points are "
				     "application-consistent");
		}
		rel->app_reason[0] = '\0';
	}
}

/* The replica VM would start with older variables, or another TPM. */
static void relationship_note_vm_state(struct relationship *rel)
{
	const char *why = rel->cycle.vm_state_why;

	if (why[0] != '\0' && !rel->state_stays) {
		engine_event(rel->engine, "warning", rel->settings.vm, "%s", why);
	}
	rel->state_stays = why[0] != '\0';
}

static void relationship_committed(struct relationship *rel, int64_t now)
{
	const struct cycle *cycle = &rel->cycle;
	struct health_counts count = {.ok = 1};

	rel->handed = rel->handed || cycle->final;
	rel->final_wanted = rel->final_wanted && !cycle->final;
	rel->seq = cycle->cut.seq;
	memcpy(rel->cut_id, cycle->cut.cut_id, sizeof(rel->cut_id));
	rel->last_replicated_ms = cycle->cut_time_ms;
	if (cycle->application) {
		rel->last_app_ms = cycle->cut_time_ms;
	}
	rel->last_success_ms = now;
	rel->latency_ms = (uint64_t)cycle->latency_ms;
	if (rel->latency_ms > rel->latency_max_ms) {
		rel->latency_max_ms = rel->latency_ms;
	}
	if (cycle->wire_bytes > rel->largest_bytes) {
		rel->largest_bytes = cycle->wire_bytes;
	}
	rel->cycles.ok++;
	health_window_add(&rel->window, &count, now);
	rel->denied = rel->replica_suspended = false;
	rel->obstacle = (struct trouble){0};
	if (cycle->kind == MODE(RESYNC)) {
		rel->resyncs++;
		digest_speed_note(&rel->engine->digest_speed,
				  atomic_load(&rel->progress.total_bytes), cycle->latency_ms);
	}
	relationship_clear_start(rel);
	relationship_clear_copy(rel);
	if (cycle->kind != MODE(DELTA)) {
		relationship_finish_resync(rel);
		engine_event(rel->engine, "notice", rel->settings.vm,
			     "%s is done: cycle %" PRIu64 ", %" PRIu64 " MiB sent",
			     cycle->kind == MODE(INITIAL) ? "initial replication"
							  : "resynchronization",
			     rel->seq, cycle->wire_bytes >> 20);
	}
	rel->schedule.bulk = false;
	relationship_state_apply(&rel->state, RELATIONSHIP_COMMITTED);
	engine_changed(rel->engine); /* every node answers status from what it heard */
}

/* It waits for its window, or for an admin: who should know what it will take. */
static void relationship_announce_resync(struct relationship *rel)
{
	size_t used = strlen(rel->obstacle.text);
	char estimate[DIGEST_ESTIMATE_LEN];

	relationship_resync_estimate(rel, estimate);
	if (estimate[0] != '\0') {
		snprintf(rel->obstacle.text + used, sizeof(rel->obstacle.text) - used, "; %s",
			 estimate);
	}
}

static void relationship_interrupted(struct relationship *rel, int64_t now)
{
	const struct cycle *cycle = &rel->cycle;
	const struct trouble *trouble = &cycle->trouble;
	struct health_counts count = {.failed = trouble->outcome == SCHEDULE_FAILED ||
						trouble->outcome == SCHEDULE_DENIED};

	relationship_state_apply(&rel->state, RELATIONSHIP_INTERRUPTED);
	if (trouble->outcome == SCHEDULE_CONTINUED || trouble->outcome == SCHEDULE_CANCELLED) {
		return;
	}
	rel->cycles.failed += count.failed;
	health_window_add(&rel->window, &count, now);
	rel->denied = trouble->outcome == SCHEDULE_DENIED && !cycle->resync_required;
	rel->replica_suspended = strcmp(trouble->code, "suspended") == 0;
	if (cycle->resync_required) {
		relationship_state_apply(&rel->state, RELATIONSHIP_RESYNC_REQUIRED);
	} else if (rel->denied) {
		relationship_state_apply(&rel->state, RELATIONSHIP_GAVE_UP);
	}
	rel->resync_waits = cycle->resync_required && rel->settings.resync.kind == RESYNC_WINDOW;
	if (cycle->checkpoint_gone && rel->settings.resync.kind != RESYNC_MANUAL) {
		rel->force_resync = true;
	}
	/* a trouble that stays is told once */
	if (strcmp(rel->obstacle.code, trouble->code) != 0) {
		rel->obstacle_ms = now;
		engine_event(rel->engine, "warning", rel->settings.vm, "cycle %s: %s",
			     schedule_outcome_to_string(trouble->outcome), trouble->text);
	}
	rel->obstacle = *trouble;
	if (cycle->resync_required) {
		relationship_announce_resync(rel);
	}
}

static void relationship_finish_schedule(struct relationship *rel, int64_t now)
{
	const struct trouble *trouble = &rel->cycle.trouble;
	struct health_counts count = {0};

	count.missed = schedule_entry_finish(&rel->schedule,
					     rel->cycle.committed ? SCHEDULE_OK : trouble->outcome,
					     trouble->retry_ms, now);
	rel->cycles.missed += count.missed;
	health_window_add(&rel->window, &count, now);
	if (schedule_entry_is_exhausted(&rel->schedule)) {
		relationship_state_apply(&rel->state, RELATIONSHIP_GAVE_UP);
	}
	if (rel->sync_again) {
		rel->sync_again = false;
		rel->schedule.wanted = true;
	}
}

/* A cycle that gives way or moves aside does not answer those who wait. */
static void relationship_finish_waits(struct relationship *rel, int64_t now)
{
	const struct trouble *trouble = &rel->cycle.trouble;

	if (rel->cycle.committed) {
		relationship_answer_waiters(rel, 0, "", now);
	} else if (trouble->outcome != SCHEDULE_CONTINUED) {
		relationship_answer_waiters(rel, -EIO, trouble->text, now);
	}
}

/* Told once for each doubt. */
void relationship_note_doubt(struct relationship *rel)
{
	if (strcmp(rel->doubt, rel->cycle.doubt) != 0 && rel->cycle.doubt[0] != '\0') {
		engine_event(rel->engine, "warning", rel->settings.vm,
			     "%s; a resynchronization is due", rel->cycle.doubt);
	}
	snprintf(rel->doubt, sizeof(rel->doubt), "%s", rel->cycle.doubt);
}

static void cycle_job_done(void *arg, int result)
{
	struct relationship *rel = arg;
	int64_t now = clock_monotonic_ms();

	relationship_note_progress(rel);
	rel->busy = rel->running = false;
	rel->progress_seen = 0;
	if (result == -ECANCELED && !rel->cycle.committed && rel->cycle.trouble.code[0] == '\0') {
		/* dropped from the queue at shutdown */
		trouble_set(&rel->cycle.trouble, result, SCHEDULE_CANCELLED, "cancelled",
			    "stopped");
	}
	if (rel->cycle.disk_count > 0) {
		memcpy(rel->disks, rel->cycle.disks, sizeof(rel->disks));
		rel->disk_count = rel->cycle.disk_count;
	}
	memcpy(rel->peer_node, rel->peer.node, sizeof(rel->peer_node));
	relationship_count_bytes(rel, &rel->cycle);
	relationship_note_application(rel);
	relationship_note_doubt(rel);
	relationship_note_vm_state(rel);
	certificate_watch_note_peer(rel->engine, rel->settings.vm, rel->peer.node,
				    rel->peer.not_after_ms);
	if (rel->cycle.harm[0] != '\0') {
		engine_event(rel->engine, "error", rel->settings.vm, "%s", rel->cycle.harm);
	}
	if (rel->cycle.committed) {
		relationship_committed(rel, now);
	} else {
		relationship_interrupted(rel, now);
	}
	relationship_finish_schedule(rel, now);
	relationship_note_heard(rel);
	relationship_finish_waits(rel, now);
	relationship_verify_note(rel, now);
	relationship_save(rel);
	log_debug("%s: cycle %" PRIu64 " %s after %" PRId64 " ms", rel->settings.vm,
		  rel->cycle.cut.seq,
		  schedule_outcome_to_string(rel->cycle.committed ? SCHEDULE_OK
								  : rel->cycle.trouble.outcome),
		  now - rel->run_begin_ms);
	relationship_tick(rel, now);
	engine_wake(rel->engine);
}

void relationship_answer_waiters(struct relationship *rel, int error, const char *text,
				 int64_t now_ms)
{
	struct relationship_waiter **link = &rel->waiters;

	while (*link != NULL) {
		struct relationship_waiter *waiter = *link;
		bool late = now_ms >= waiter->deadline_ms;
		bool answered = text != NULL && (waiter->run <= rel->runs || error == -ESHUTDOWN);

		if (!late && !answered) {
			link = &waiter->next;
			continue;
		}
		*link = waiter->next;
		if (answered) {
			waiter->done(waiter->arg, error, text);
		} else {
			waiter->done(waiter->arg, -ETIMEDOUT,
				     "the cycle is not committed yet; it goes on");
		}
		free(waiter);
	}
}
