/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a relationship does with the VM outside cycles, on a worker: the first look at it, and
 * removing our bitmaps. */
#include "engine/relationship.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/extended.h"

#define ATTACH_RETRY_MIN_MS 2000
#define ATTACH_RETRY_MAX_MS 30000

const struct replica_lender *relationship_lender(struct relationship *rel)
{
	return extended_lender_fill(rel->engine, &rel->settings, &rel->peer.canceller, &rel->lender)
		       ? &rel->lender
		       : NULL;
}

static void relationship_start_task(struct relationship *rel, worker_run_cb run,
				    worker_done_cb done)
{
	const struct config *config = rel->engine->config;

	rel->cycle = (struct cycle){
		.settings = &rel->settings,
		.node = config->node,
		.connection = rel->engine->libvirt,
		.lender = relationship_lender(rel),
		.barrier = extended_barrier(rel->engine, &rel->settings),
		.scratch_directory = config->scratch_directory,
		.scratch_reserve_bytes = config->scratch_reserve_bytes,
		.scratch_cap_bytes = config->scratch_cap_bytes,
		.socket_directory = ENGINE_BACKUP_DIR,
		.peer = &rel->peer,
		.progress = &rel->progress,
	};
	relationship_unwatch_peer(rel);
	rel->busy = workers_submit(rel->engine->task_workers, run, done, rel) == 0;
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
	if (rel->generation == 1 && rel->task_has_checkpoints && !rel->suspended &&
	    !rel->force_resync) {
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
	relationship_note_doubt(rel);
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

void relationship_start_attach(struct relationship *rel)
{
	relationship_start_task(rel, attach_run, attach_done);
}

/* ---- pause --release, unprotect: on a worker ---- */

static int release_run(void *arg)
{
	struct relationship *rel = arg;
	int result;

	if (rel->cycle.lender != NULL) { /* no bitmaps: only what a reader may still have */
		replica_lender_return(rel->cycle.lender);
		rel->task_has_checkpoints = false;
		return 0;
	}
	result = cycle_open_source(&rel->cycle);
	snprintf(rel->task_error, sizeof(rel->task_error), "%s", rel->cycle.trouble.text);
	rel->task_has_checkpoints = rel->cycle.checkpoint_count + rel->cycle.broken > 0;
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
		rel->release_error[0] = '\0';
		if (rel->task_has_checkpoints) {
			engine_event(rel->engine, "notice", rel->settings.vm,
				     "change bitmaps removed");
		}
		relationship_answer_release(rel, 0, "");
	} else if (result != -ECANCELED) {
		rel->attach_retry_ms = clock_monotonic_ms() + ATTACH_RETRY_MIN_MS;
		if (strcmp(rel->release_error, rel->task_error) != 0) { /* told once */
			engine_event(rel->engine, "warning", rel->settings.vm,
				     "change bitmaps cannot be removed now: %s", rel->task_error);
		}
		memcpy(rel->release_error, rel->task_error, sizeof(rel->release_error));
	}
	engine_changed(rel->engine);
	relationship_tick(rel, clock_monotonic_ms());
	engine_wake(rel->engine);
}

void relationship_start_release(struct relationship *rel)
{
	relationship_start_task(rel, release_run, release_done);
}

/* ---- PEER_STATE ---- */

static int tell_run(void *arg)
{
	struct relationship *rel = arg;

	peer_tell_state(&rel->peer, &rel->telling);
	return 0;
}

static void tell_done(void *arg, int result)
{
	struct relationship *rel = arg;

	(void)result;
	rel->busy = false;
	relationship_tick(rel, clock_monotonic_ms());
	engine_wake(rel->engine);
}

void relationship_tell_peer(struct relationship *rel)
{
	struct peer_state state = {.state = rel->state.state,
				   .health = rel->verdict.health,
				   .frequency_s = rel->settings.frequency_s};

	if (rel->busy || !peer_is_connected(&rel->peer) || rel->cancelled) {
		return;
	}
	snprintf(state.reason, sizeof(state.reason), "%s", rel->verdict.reason);
	if (!peer_state_equal(&state, &rel->peer.told)) {
		rel->telling = state;
		relationship_start_task(rel, tell_run, tell_done);
	}
}

/* ---- the idle connection ---- */

static int idle_run(void *arg)
{
	struct relationship *rel = arg;

	peer_check_idle(&rel->peer);
	return 0;
}

/* A PING is answered soon: the other side's failover waits for it. */
static int32_t peer_readable_cb(int32_t fd, int32_t revents, void *data)
{
	struct relationship *rel = data;

	(void)fd;
	(void)revents;
	relationship_unwatch_peer(rel); /* the next tick watches again */
	if (!rel->busy && !rel->gone && !rel->cancelled) {
		relationship_start_task(rel, idle_run, tell_done);
	}
	return 0;
}

void relationship_watch_peer(struct relationship *rel)
{
	if (rel->watched || rel->busy || rel->gone || rel->cancelled ||
	    !peer_is_connected(&rel->peer)) {
		return;
	}
	rel->watched_fd = tls_fd(rel->peer.conn);
	rel->watched = qb_loop_poll_add(rel->engine->loop, QB_LOOP_MED, rel->watched_fd, POLLIN,
					rel, peer_readable_cb) == 0;
}

void relationship_unwatch_peer(struct relationship *rel)
{
	if (rel->watched) {
		qb_loop_poll_del(rel->engine->loop, rel->watched_fd);
		rel->watched = false;
	}
}

/* ---- a job that hangs ---- */

static int abort_run(void *arg)
{
	struct relationship *rel = arg;
	char error[SOURCE_ERROR_LEN] = "";
	int result = source_job_abort_by_name(rel->engine->libvirt, rel->settings.vm, error);

	if (result < 0) {
		log_warning("%s: its backup job cannot be ended from outside: %s", rel->settings.vm,
			    error);
	}
	return result;
}

static void abort_done(void *arg, int result)
{
	struct relationship *rel = arg;

	(void)result;
	rel->aborting = false;
	engine_wake(rel->engine);
}

void relationship_abort_job(struct relationship *rel)
{
	if (!rel->aborting && rel->cycle.lender == NULL) {
		rel->cancelled_ms = clock_monotonic_ms(); /* again after the same while */
		rel->aborting =
			workers_submit(rel->engine->task_workers, abort_run, abort_done, rel) == 0;
	}
}
