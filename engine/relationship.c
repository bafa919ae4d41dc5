/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/relationship.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/announcer.h"

#define ATTACH_RETRY_MIN_MS 2000
#define ATTACH_RETRY_MAX_MS 30000

static int attach_run(void *arg);
static void attach_done(void *arg, int result);
static int release_run(void *arg);
static void release_done(void *arg, int result);

/* ---- life ---- */

/* The newest known status: what the cluster heard, or what this node saved. */
static void relationship_recall(struct relationship *rel)
{
	const struct table_vm *heard = cluster_table_find(
		&rel->engine->table, rel->settings.relationship, VMREPLICA__ROLE__ROLE_PRIMARY);
	Vmreplica__VmStatus *saved = vm_status_load(VMR_STATEDIR, rel->settings.relationship);
	const Vmreplica__VmStatus *best = saved;

	if (heard != NULL && (saved == NULL || !vm_status_is_newer(saved, heard->status))) {
		best = heard->status;
	}
	rel->generation = 1;
	if (best != NULL) {
		relationship_adopt(rel, best);
		rel->generation = best->generation + 1;
	}
	if (heard != NULL && heard->detached_ms != 0 &&
	    strcmp(heard->node, rel->engine->config->node) != 0) {
		rel->moved_here = true;
		rel->detached_ms = heard->detached_ms;
	}
	vm_status_free(saved);
}

static bool relationship_setting_suspended(const struct relationship *rel)
{
	char name[sizeof(RELATIONSHIP_SUSPENDED_PREFIX) + RELATIONSHIP_LEN];

	snprintf(name, sizeof(name), "%s%s", RELATIONSHIP_SUSPENDED_PREFIX,
		 rel->settings.relationship);
	return engine_setting(rel->engine, name) != NULL;
}

struct relationship *relationship_new(struct engine *engine, struct vm_settings *settings)
{
	struct relationship *rel = calloc(1, sizeof(*rel));
	int64_t now = clock_monotonic_ms();

	if (rel == NULL) {
		return NULL;
	}
	rel->engine = engine;
	vm_settings_move(&rel->settings, settings);
	relationship_state_init(&rel->state, 0);
	peer_init(&rel->peer, engine->tls, rel->settings.peer_host, rel->settings.peer_port);
	schedule_entry_init(&rel->schedule, rel->settings.frequency_s, rel->settings.priority, now);
	relationship_recall(rel);
	rel->suspended = relationship_setting_suspended(rel);
	if (rel->suspended) {
		relationship_state_apply(&rel->state, RELATIONSHIP_SUSPEND);
	}
	rel->next = engine->relationships;
	engine->relationships = rel;
	log_notice("%s: replication to %s attached here (%s, every %u s)", rel->settings.vm,
		   rel->settings.peer, rel->settings.relationship, rel->settings.frequency_s);
	relationship_tick(rel, now);
	engine_changed(engine);
	return rel;
}

void relationship_free(struct relationship *rel)
{
	struct relationship **link = &rel->engine->relationships;

	while (*link != NULL && *link != rel) {
		link = &(*link)->next;
	}
	if (*link == rel) {
		*link = rel->next;
	}
	peer_destroy(&rel->peer);
	vm_settings_destroy(&rel->settings);
	vm_settings_destroy(&rel->pending);
	free(rel);
}

/* Parameters change only while no worker reads them. */
static void relationship_take_pending(struct relationship *rel, int64_t now)
{
	if (!rel->has_pending || rel->busy) {
		return;
	}
	if (strcmp(rel->pending.peer, rel->settings.peer) != 0) {
		peer_close(&rel->peer);
		rel->peer.relay_until_ms = 0;
		schedule_entry_restart(&rel->schedule, now);
	}
	vm_settings_move(&rel->settings, &rel->pending);
	rel->has_pending = false;
	rel->peer.locate.port = rel->settings.peer_port;
	rel->schedule.priority = rel->settings.priority;
	schedule_entry_set_frequency(&rel->schedule, rel->settings.frequency_s, now);
	engine_changed(rel->engine);
}

void relationship_configure(struct relationship *rel, struct vm_settings *settings)
{
	vm_settings_move(&rel->pending, settings);
	rel->has_pending = true;
	relationship_take_pending(rel, clock_monotonic_ms());
	engine_wake(rel->engine);
}

/* ---- attach: on a worker ---- */

static int attach_run(void *arg)
{
	struct relationship *rel = arg;
	struct cycle *cycle = &rel->cycle;
	int result = cycle_open_source(cycle);

	rel->task_has_checkpoints = cycle->checkpoint_count > 0;
	free(cycle->checkpoints);
	cycle->checkpoints = NULL;
	source_close(cycle->source);
	cycle->source = NULL;
	return result;
}

static void relationship_note_disks(struct relationship *rel)
{
	memcpy(rel->disks, rel->cycle.disks, sizeof(rel->disks));
	rel->disk_count = rel->cycle.disk_count;
}

static void attach_succeeded(struct relationship *rel, int64_t now)
{
	rel->ready = true;
	rel->attach_failures = 0;
	rel->obstacle = (struct trouble){0};
	relationship_note_disks(rel);
	if (rel->generation == 1 && rel->task_has_checkpoints && !rel->suspended) {
		relationship_state_init(&rel->state, 1);
	}
	if (rel->moved_here) {
		rel->moved_here = false;
		rel->moves++;
		rel->last_pause_ms = (uint64_t)(now - rel->detached_ms);
		engine_event(rel->engine, "notice", rel->settings.vm,
			     "replication goes on on this node; the move paused it for %llu ms",
			     (unsigned long long)rel->last_pause_ms);
	}
	schedule_entry_restart(&rel->schedule, now);
}

static void attach_done(void *arg, int result)
{
	struct relationship *rel = arg;
	int64_t now = clock_monotonic_ms();

	rel->busy = false;
	if (result == 0) {
		attach_succeeded(rel, now);
	} else if (result != -ECANCELED) {
		int64_t wait = ATTACH_RETRY_MIN_MS
			       << (rel->attach_failures < 4 ? rel->attach_failures : 4);

		rel->attach_failures++;
		rel->attach_retry_ms =
			now + (wait < ATTACH_RETRY_MAX_MS ? wait : ATTACH_RETRY_MAX_MS);
		if (strcmp(rel->obstacle.text, rel->cycle.trouble.text) != 0) {
			engine_event(rel->engine, "warning", rel->settings.vm, "%s",
				     rel->cycle.trouble.text);
		}
		rel->obstacle = rel->cycle.trouble;
	}
	relationship_take_pending(rel, now);
	relationship_tick(rel, now);
	engine_changed(rel->engine);
	engine_wake(rel->engine);
}

/* ---- pause --release: on a worker ---- */

static int release_run(void *arg)
{
	struct relationship *rel = arg;
	int result = cycle_open_source(&rel->cycle);

	/* disks that cannot be replicated are no reason to leave bitmaps behind */
	if (rel->cycle.source != NULL) {
		result = source_checkpoints_release(rel->cycle.source, rel->settings.relationship,
						    rel->task_error);
	}
	free(rel->cycle.checkpoints);
	rel->cycle.checkpoints = NULL;
	source_close(rel->cycle.source);
	rel->cycle.source = NULL;
	return result;
}

static void release_done(void *arg, int result)
{
	struct relationship *rel = arg;

	rel->busy = false;
	if (result == 0) {
		rel->release_wanted = false;
		engine_event(rel->engine, "notice", rel->settings.vm,
			     "change bitmaps removed; resuming will resynchronize");
	} else if (result != -ECANCELED) {
		rel->attach_retry_ms = clock_monotonic_ms() + ATTACH_RETRY_MIN_MS;
		log_warning("%s: change bitmaps cannot be removed now: %s", rel->settings.vm,
			    rel->task_error);
	}
	relationship_tick(rel, clock_monotonic_ms());
	engine_wake(rel->engine);
}

/* ---- suspend, resume, requests ---- */

void relationship_note_suspended(struct relationship *rel, bool suspended)
{
	if (rel->suspended == suspended) {
		return;
	}
	rel->suspended = suspended;
	if (suspended) {
		relationship_state_apply(&rel->state, RELATIONSHIP_SUSPEND);
		relationship_cancel(rel);
	} else {
		rel->release_wanted = false;
		relationship_state_apply(&rel->state, RELATIONSHIP_RESUME);
		schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	}
	engine_event(rel->engine, "notice", rel->settings.vm, "replication %s by the administrator",
		     suspended ? "paused" : "resumed");
	engine_wake(rel->engine);
	engine_changed(rel->engine);
}

void relationship_suspend(struct relationship *rel, bool release)
{
	relationship_note_suspended(rel, true);
	rel->release_wanted = rel->release_wanted || release;
	engine_wake(rel->engine);
}

void relationship_resume(struct relationship *rel)
{
	rel->denied = false;
	schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	relationship_note_suspended(rel, false);
	engine_wake(rel->engine);
}

void relationship_request_resync(struct relationship *rel)
{
	rel->force_resync = true;
	relationship_state_apply(&rel->state, RELATIONSHIP_RESYNC_REQUIRED);
	if (rel->running &&
	    atomic_load(&rel->progress.kind) != VMREPLICA__WIRE__MODE__MODE_RESYNC) {
		relationship_cancel(rel);
	}
	schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	engine_event(rel->engine, "notice", rel->settings.vm, "resynchronization asked for");
	engine_wake(rel->engine);
	engine_changed(rel->engine);
}

int relationship_request_sync(struct relationship *rel, int timeout_ms, relationship_done_cb done,
			      void *arg)
{
	struct relationship_waiter *waiter;

	if (rel->stopping) {
		return -ESHUTDOWN;
	}
	if (done != NULL) {
		waiter = calloc(1, sizeof(*waiter));
		if (waiter == NULL) {
			return -ENOMEM;
		}
		waiter->done = done;
		waiter->arg = arg;
		waiter->run = rel->runs + 1;
		waiter->deadline_ms = clock_monotonic_ms() + timeout_ms;
		waiter->next = rel->waiters;
		rel->waiters = waiter;
	}
	if (rel->running) {
		rel->sync_again = true;
	} else {
		rel->schedule.wanted = true;
	}
	engine_wake(rel->engine);
	return 0;
}

/* ---- stop ---- */

static void relationship_finish_stop(struct relationship *rel, int error, const char *text)
{
	relationship_done_cb done = rel->stop_done;

	rel->stop_done = NULL;
	if (done != NULL) {
		done(rel->stop_arg, error, text);
	}
}

static void relationship_detach(struct relationship *rel)
{
	struct vm_status_frame frame;

	rel->paused_since_ms = clock_wall_ms();
	relationship_answer_waiters(rel, -ESHUTDOWN, "the VM is leaving this node", SCHEDULE_NEVER);
	relationship_save(rel);
	relationship_unpublish(rel);
	relationship_fill_status(rel, &frame);
	announcer_add_detached(rel->engine->announcer, &frame.status);
	log_notice("%s: replication detached from this node", rel->settings.vm);
	rel->gone = true;
	relationship_finish_stop(rel, 0, "");
}

void relationship_stop(struct relationship *rel, int timeout_ms, relationship_done_cb done,
		       void *arg)
{
	int64_t now = clock_monotonic_ms();

	relationship_finish_stop(rel, -EALREADY, "another stop took over");
	rel->stopping = true;
	rel->schedule.eligible = false;
	rel->stop_done = done;
	rel->stop_arg = arg;
	rel->stop_deadline_ms = now + timeout_ms;
	rel->stop_grace_ms = now + timeout_ms / 4;
	relationship_tick(rel, now);
	engine_wake(rel->engine);
}

/* Worth waiting for: all is sent, or the rest goes within the grace time. */
static bool relationship_is_nearly_done(const struct relationship *rel, int64_t now)
{
	const struct cycle_progress *progress = &rel->progress;
	uint64_t done = atomic_load(&progress->done_bytes),
		 total = atomic_load(&progress->total_bytes);
	int64_t elapsed = now - rel->run_begin_ms;

	if (now >= rel->stop_grace_ms) {
		return false;
	}
	if (atomic_load(&progress->is_ending)) {
		return true;
	}
	if (atomic_load(&progress->kind) == 0 || done == 0 || total < done || elapsed <= 0) {
		return false;
	}
	return (int64_t)((double)elapsed * (double)(total - done) / (double)done) <
	       rel->stop_grace_ms - now;
}

static void relationship_tick_stop(struct relationship *rel, int64_t now)
{
	if (rel->gone) {
		return;
	}
	if (!rel->busy) {
		relationship_detach(rel);
		engine_changed(rel->engine);
		return;
	}
	if (!rel->cancelled && !relationship_is_nearly_done(rel, now)) {
		relationship_cancel(rel);
	}
	if (now >= rel->stop_deadline_ms && rel->stop_done != NULL) {
		relationship_finish_stop(
			rel, -ETIMEDOUT,
			"libvirt or QEMU does not answer; the backup job may still be there");
	}
}

/* ---- the clock ---- */

static void relationship_start_task(struct relationship *rel, worker_run_cb run,
				    worker_done_cb done)
{
	const struct config *config = rel->engine->config;

	rel->cycle = (struct cycle){
		.settings = &rel->settings,
		.connection = rel->engine->libvirt,
		.scratch_directory = config->scratch_directory,
		.scratch_reserve_bytes = config->scratch_reserve_bytes,
		.scratch_cap_bytes = config->scratch_cap_bytes,
		.socket_directory = ENGINE_BACKUP_DIR,
		.peer = &rel->peer,
		.progress = &rel->progress,
	};
	rel->busy = workers_submit(rel->engine->task_workers, run, done, rel) == 0;
}

void relationship_tick(struct relationship *rel, int64_t now)
{
	relationship_note_progress(rel);
	if (rel->stopping) {
		relationship_tick_stop(rel, now);
		return;
	}
	relationship_take_pending(rel, now);
	if (!rel->busy && rel->release_wanted && now >= rel->attach_retry_ms) {
		relationship_start_task(rel, release_run, release_done);
	} else if (!rel->busy && !rel->ready && now >= rel->attach_retry_ms &&
		   rel->engine->orphans_ended) {
		/* not before: the search for orphans would take our first job for one */
		relationship_start_task(rel, attach_run, attach_done);
	}
	rel->schedule.eligible = rel->ready && !rel->suspended && !rel->busy && !rel->stopping;
	relationship_answer_waiters(rel, 0, NULL, now);
	relationship_judge(rel, now);
	relationship_publish(rel, now);
}
