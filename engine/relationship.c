/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/relationship.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/announcer.h"
#include "engine/chain_keeper.h"

#define STOP_HANGS_MS 3000 /* a cancelled cycle looks each quarter of a second */

/* ---- life ---- */

/* The newest known status: what the cluster heard, or what this node saved. */
static void relationship_recall(struct relationship *rel)
{
	const struct table_vm *heard = cluster_table_find(
		&rel->engine->table, rel->settings.relationship, VMREPLICA__ROLE__ROLE_PRIMARY);
	Vmreplica__VmStatus *saved = vm_status_load(ENGINE_STATE_DIR, rel->settings.relationship);
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

struct relationship *relationship_new(struct engine *engine, struct vm_settings *settings)
{
	struct relationship *rel = calloc(1, sizeof(*rel));
	int64_t now = clock_monotonic_ms();

	if (rel == NULL) {
		return NULL;
	}
	rel->engine = engine;
	vm_settings_move(&rel->settings, settings);
	atomic_store(&rel->progress.limit_bytes_per_s, rel->settings.bandwidth_bytes_per_s);
	relationship_state_init(&rel->state, 0);
	peer_init(&rel->peer, engine->tls, rel->settings.peer_host, rel->settings.peer_port);
	schedule_entry_init(&rel->schedule, rel->settings.frequency_s, rel->settings.priority, now);
	relationship_recall(rel);
	/* what is not replicated yet has no cycles to miss */
	rel->schedule.bulk = rel->state.state != VMREPLICA__STATE__STATE_REPLICATING;
	epoch_first(rel->settings.relationship, engine->config->site, &rel->epoch);
	relationship_note_standing(rel);
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
	relationship_verify_free(rel);
	chain_keeper_free(rel);
	relationship_unwatch_peer(rel);
	peer_destroy(&rel->peer);
	vm_settings_destroy(&rel->settings);
	vm_settings_destroy(&rel->pending);
	free(rel);
}

/* Parameters change only while no worker reads them. */
void relationship_take_pending(struct relationship *rel, int64_t now)
{
	if (!rel->has_pending || rel->busy) {
		return;
	}
	if (strcmp(rel->pending.peer, rel->settings.peer) != 0) {
		relationship_unwatch_peer(rel);
		peer_close(&rel->peer);
		rel->peer.relay_until_ms = 0;
		schedule_entry_restart(&rel->schedule, now);
	}
	vm_settings_move(&rel->settings, &rel->pending);
	if (rel->resync_waits) { /* perhaps in another window now, and the status shall say which */
		schedule_entry_restart(&rel->schedule, now);
	}
	rel->has_pending = false;
	rel->peer.locate.port = rel->settings.peer_port;
	rel->schedule.priority = rel->settings.priority;
	schedule_entry_set_frequency(&rel->schedule, rel->settings.frequency_s, now);
	engine_changed(rel->engine);
}

void relationship_configure(struct relationship *rel, struct vm_settings *settings)
{
	/* the one setting that does not wait for the end of the cycle */
	atomic_store(&rel->progress.limit_bytes_per_s, settings->bandwidth_bytes_per_s);
	vm_settings_move(&rel->pending, settings);
	rel->has_pending = true;
	relationship_take_pending(rel, clock_monotonic_ms());
	engine_wake(rel->engine);
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

	relationship_answer_release(rel, -ESHUTDOWN, "the VM is leaving this node");
	rel->paused_since_ms = clock_wall_ms();
	relationship_answer_waiters(rel, -ESHUTDOWN, "the VM is leaving this node", SCHEDULE_NEVER);
	if (rel->dismissed) {
		vm_status_forget(ENGINE_STATE_DIR, rel->settings.relationship);
	} else {
		relationship_save(rel);
	}
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
	chain_keeper_tick(rel, now);
	if (!rel->busy && (!chain_keeper_holds(rel) || now >= rel->stop_grace_ms)) {
		relationship_detach(rel);
		engine_changed(rel->engine);
		return;
	}
	if (!rel->cancelled && !relationship_is_nearly_done(rel, now)) {
		relationship_cancel(rel);
	}
	if (rel->running && rel->cancelled && now - rel->cancelled_ms >= STOP_HANGS_MS) {
		relationship_abort_job(rel);
	}
	if (now >= rel->stop_deadline_ms && rel->stop_done != NULL) {
		relationship_finish_stop(
			rel, -ETIMEDOUT,
			"libvirt or QEMU does not answer; the backup job may still be there");
	}
}

/* ---- the clock ---- */

/* Ticks that pass while a cycle hangs, or waits to be tried again, or while images are merged under
 * the VM, are missed as they pass: nobody should have to wait for its end to see that. (One that
 * only waits for its turn keeps its tick, because that is its rank.) */
static void relationship_count_missed(struct relationship *rel, int64_t now)
{
	struct health_counts count = {0};

	if (!rel->running && !chain_keeper_merges(rel) &&
	    (!rel->schedule.eligible || rel->schedule.retry_ms == 0)) {
		return;
	}
	count.missed = schedule_entry_account(&rel->schedule, now);
	if (count.missed > 0) {
		rel->cycles.missed += count.missed;
		health_window_add(&rel->window, &count, now);
		engine_changed(rel->engine);
	}
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
		relationship_start_release(rel);
	} else if (!rel->busy && !rel->ready && now >= rel->attach_retry_ms &&
		   rel->engine->orphans_ended) {
		/* not before: the search for orphans would take our first job for one */
		relationship_start_attach(rel);
	}
	if (rel->release_done != NULL && now >= rel->release_deadline_ms) {
		relationship_answer_release(rel, -ETIMEDOUT,
					    rel->release_error[0] != '\0'
						    ? rel->release_error
						    : "libvirt or QEMU does not answer");
	}
	relationship_clear_resync(rel, now);
	relationship_count_missed(rel, now);
	relationship_answer_waiters(rel, 0, NULL, now);
	relationship_tick_resync(rel, now);
	relationship_verify_tick(rel, now);
	chain_keeper_tick(rel, now);
	relationship_judge(rel, now);
	relationship_tell_peer(rel);
	relationship_watch_peer(rel);
	rel->schedule.eligible = rel->ready && rel->standing_known && !rel->suspended &&
				 !rel->dismissed && !rel->handed && !rel->busy &&
				 !relationship_waits_for_start(rel);
	relationship_publish(rel, now);
}
