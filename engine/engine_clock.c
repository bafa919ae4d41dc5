/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock of the engine: each second, and when something ended, looks at all that waits and
 * starts what is due. */
#include "engine/admin_jobs.h"
#include "engine/admin_points.h"
#include "engine/transfer.h"
#include "engine/engine.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/adoption.h"
#include "engine/announcer.h"
#include "engine/failover.h"
#include "engine/failover_job.h"
#include "engine/give_way.h"
#include "engine/host_start.h"
#include "engine/planned.h"
#include "engine/point_find.h"
#include "engine/receiver_child.h"
#include "engine/relationship.h"
#include "engine/replica.h"
#include "engine/replica_takeover.h"
#include "engine/storage_probe.h"
#include "engine/wrap_unfinished.h"

#define ENGINE_TICK_MS	  1000
#define ENGINE_ORPHANS_MS 5000 /* until libvirt answers */

static void engine_tick_cb(void *data);

static void engine_arm(struct engine *engine, int64_t delay_ms)
{
	if (engine->tick_armed) {
		qb_loop_timer_del(engine->loop, engine->tick_timer);
	}
	engine->tick_armed =
		qb_loop_timer_add(engine->loop, QB_LOOP_MED, (uint64_t)delay_ms * 1000000, engine,
				  engine_tick_cb, &engine->tick_timer) == 0;
}

void engine_wake(struct engine *engine)
{
	engine_arm(engine, 0);
}

/* Detached ones are freed here, outside everybody's callbacks. True: some were. */
static bool engine_reap(struct engine *engine)
{
	struct relationship *next;
	bool freed = false;
	struct replica *next_replica;

	for (struct relationship *rel = engine->relationships; rel != NULL; rel = next) {
		next = rel->next;
		if (rel->gone && !rel->busy && !rel->aborting) {
			relationship_free(rel);
			freed = true;
		}
	}
	for (struct replica *replica = engine->replicas; replica != NULL; replica = next_replica) {
		next_replica = replica->next;
		if (replica->phase == REPLICA_GONE && replica->paused_since_ms != 0 &&
		    !replica->busy && !replica_definition_is_busy(replica->definition)) {
			replica_free(replica);
			freed = true;
		}
	}
	return freed;
}

#define ENGINE_SCHEDULE_MAX 1024

static size_t engine_list_schedule(struct engine *engine, const struct schedule_entry **entries,
				   struct relationship **rels)
{
	size_t count = 0;

	for (struct relationship *rel = engine->relationships;
	     rel != NULL && count < ENGINE_SCHEDULE_MAX; rel = rel->next) {
		if (!rel->gone) {
			entries[count] = &rel->schedule;
			rels[count++] = rel;
		}
	}
	return count;
}

/* Start what is due. Returns when the next one is. */
static int64_t engine_run_schedule(struct engine *engine, int64_t now)
{
	const struct schedule_entry *entries[ENGINE_SCHEDULE_MAX];
	struct relationship *rels[ENGINE_SCHEDULE_MAX];
	size_t count = engine_list_schedule(engine, entries, rels);
	size_t chosen;

	for (size_t started = 0; started < SCHEDULE_MAX_RUNNING; started++) {
		chosen = schedule_pick(entries, count, now);
		if (chosen == SIZE_MAX) {
			break;
		}
		relationship_start_cycle(rels[chosen], now);
	}
	return schedule_next_ms(entries, count);
}

static int orphans_run(void *arg)
{
	struct engine *engine = arg;
	char error[SOURCE_ERROR_LEN] = "";

	if (source_thaw_left(error) < 0) {
		log_error("guests that an earlier engine may have left frozen are not thawed: %s",
			  error);
	}
	source_sweep_scratch(engine->config->scratch_directory);
	return source_end_orphans(engine->libvirt, ENGINE_BACKUP_DIR);
}

static void orphans_done(void *arg, int result)
{
	struct engine *engine = arg;

	engine->orphans_busy = false;
	engine->orphans_ended = result >= 0;
	engine->orphans_retry_ms = clock_monotonic_ms() + ENGINE_ORPHANS_MS;
	if (result > 0) {
		engine_event(engine, "warning", "", "%d backup jobs of an earlier engine ended",
			     result);
	}
	engine_wake(engine);
}

/* Until libvirt has answered once: no VM is attached before. */
static void engine_end_orphans(struct engine *engine, int64_t now)
{
	if (!engine->orphans_ended && !engine->orphans_busy && now >= engine->orphans_retry_ms) {
		engine->orphans_busy = workers_submit(engine->task_workers, orphans_run,
						      orphans_done, engine) == 0;
	}
}

static bool engine_is_idle(const struct engine *engine)
{
	return engine->relationships == NULL && engine->replicas == NULL &&
	       !receiver_child_is_running(engine->receiver) && !engine->orphans_busy &&
	       !storage_probe_is_busy(engine->storages);
}

static void engine_tick_stopping(struct engine *engine)
{
	if (engine->relationships == NULL && engine->replicas == NULL) {
		receiver_child_stop(engine->receiver);
	}
	if (engine_is_idle(engine) && engine->stopped_cb != NULL) {
		void (*stopped)(void *arg) = engine->stopped_cb;

		engine->stopped_cb = NULL;
		stopped(engine->stopped_arg);
	}
}

static void engine_tick_cb(void *data)
{
	struct engine *engine = data;
	int64_t now = clock_monotonic_ms();
	int64_t next = now + ENGINE_TICK_MS, due;

	engine->tick_armed = false;
	receiver_child_tick(engine->receiver, now);
	certificate_watch_tick(engine, now);
	admin_points_tick(engine, now);
	transfers_tick(engine, now);
	admin_jobs_tick(engine, now);
	point_find_tick(engine, now);
	replica_takeover_tick(engine, now);
	planned_tick(engine, now);
	give_way_tick(engine, now);
	failover_job_tick(engine);
	failover_tick(engine, now);
	host_start_tick(engine, now);
	wrap_unfinished_tick(engine, now);
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		relationship_tick(rel, now);
	}
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		replica_tick(replica, now);
	}
	if (engine_reap(engine) && engine->config->standalone) {
		adoption_look(engine); /* perhaps in another role now */
	}
	if (engine->stopping) {
		engine_tick_stopping(engine);
	} else {
		engine_end_orphans(engine, now);
		storage_probe_tick(engine->storages, now);
		due = engine_run_schedule(engine, now);
		next = due < next ? due : next;
	}
	due = announcer_tick(engine->announcer, now);
	next = due < next ? due : next;
	/* something that is due but has no room yet is started by the cycle that ends */
	if (!engine->tick_armed) {
		engine_arm(engine, next - now > 20 ? next - now : 20);
	}
}
