/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What admins ask of a relationship. */
#include "engine/relationship.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/epoch.h"
#include "engine/handover.h"
#include "engine/standing.h"

#define RESYNC_CLEAR_RETRY_MS 30000

/* ---- pause and resume ---- */

static void relationship_pause(struct relationship *rel, bool suspended)
{
	rel->suspended = suspended;
	if (suspended) {
		relationship_state_apply(&rel->state, RELATIONSHIP_SUSPEND);
		relationship_cancel(rel);
	} else {
		relationship_state_apply(&rel->state, RELATIONSHIP_RESUME);
		schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	}
	if (rel->standing_known) { /* else it was told before this node had the VM */
		engine_event(rel->engine, "notice", rel->settings.vm,
			     "replication %s by the administrator",
			     suspended ? "paused" : "resumed");
	}
}

void relationship_note_suspended(struct relationship *rel, bool suspended, bool released)
{
	if (rel->suspended == suspended && rel->released == released) {
		return;
	}
	if (rel->suspended != suspended) {
		relationship_pause(rel, suspended);
	}
	rel->released = released;
	rel->release_wanted = released || rel->dismissed;
	if (!rel->release_wanted) {
		rel->release_error[0] = '\0';
		relationship_answer_release(rel, -ECANCELED, "another request took it back");
	}
	engine_wake(rel->engine);
	engine_changed(rel->engine);
}

/* ---- a scheduled start ---- */

bool relationship_waits_for_start(const struct relationship *rel)
{
	return rel->start_at_ms != 0 && rel->last_replicated_ms == 0 &&
	       clock_wall_ms() < rel->start_at_ms;
}

static void relationship_note_start(struct relationship *rel)
{
	const char *value =
		standing_get(rel->engine, STANDING_START_AT, rel->settings.relationship);
	int64_t start_at_ms = value != NULL ? strtoll(value, NULL, 10) : 0;

	if (start_at_ms == rel->start_at_ms) {
		return;
	}
	rel->start_at_ms = start_at_ms;
	schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	engine_changed(rel->engine);
}

bool relationship_waits_for_copy(const struct relationship *rel)
{
	return rel->last_replicated_ms == 0 &&
	       standing_get(rel->engine, STANDING_COPY, rel->settings.relationship) != NULL;
}

static void copy_cleared_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("the order to wait for a copy, which has come, cannot be taken out of "
			    "the cluster's settings now: %s",
			    text);
	}
}

void relationship_clear_copy(struct relationship *rel)
{
	if (engine_settings(rel->engine) != NULL &&
	    standing_get(rel->engine, STANDING_COPY, rel->settings.relationship) != NULL) {
		standing_set(rel->engine, STANDING_COPY, rel->settings.relationship, NULL,
			     copy_cleared_cb, NULL);
	}
}

static void start_cleared_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("the scheduled start of a replication, which is over, cannot be taken "
			    "out of the cluster's settings now: %s",
			    text);
	}
}

void relationship_clear_start(struct relationship *rel)
{
	if (rel->start_at_ms != 0) {
		rel->start_at_ms = 0;
		standing_set(rel->engine, STANDING_START_AT, rel->settings.relationship, NULL,
			     start_cleared_cb, NULL);
	}
}

void relationship_note_standing(struct relationship *rel)
{
	const char *id = rel->settings.relationship;
	struct handover handover = {0};

	if (engine_settings(rel->engine) == NULL) {
		return;
	}
	rel->blind = standing_get(rel->engine, STANDING_BLIND, id) != NULL;
	rel->handed = handover_read(rel->engine, id, &handover) && handover.seq > 0;
	rel->final_wanted = rel->final_wanted && handover.epoch > 0;
	reverse_read_extents(rel->engine, id, rel->extents_path, sizeof(rel->extents_path));
	engine_epoch_known(rel->engine, id, rel->engine->config->site, &rel->epoch);
	if (!rel->standing_known && standing_get(rel->engine, STANDING_RESYNC, id) != NULL) {
		relationship_request_resync(rel);
	}
	relationship_note_start(rel);
	relationship_note_suspended(rel, standing_is_suspended(rel->engine, id),
				    standing_is_released(rel->engine, id));
	rel->standing_known = true;
}

static void heard_stored_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("an epoch of the other side cannot be recorded in the cluster's "
			    "settings now: %s",
			    text);
	}
}

/* What the first cycle of this direction carried is committed with it. */
static void relationship_clear_extents(struct relationship *rel)
{
	if (rel->extents_path[0] != '\0' && rel->cycle.committed) {
		rel->extents_path[0] = '\0';
		standing_set(rel->engine, STANDING_EXTENTS, rel->settings.relationship, NULL,
			     heard_stored_cb, NULL);
	}
}

/* A WELCOME in our epoch: the other side was heard. */
static void relationship_clear_blind(struct relationship *rel)
{
	if (rel->blind && rel->cycle.committed) {
		rel->blind = false;
		standing_set(rel->engine, STANDING_BLIND, rel->settings.relationship, NULL,
			     heard_stored_cb, NULL);
	}
}

void relationship_note_heard(struct relationship *rel)
{
	const struct epoch *heard = &rel->cycle.heard;
	enum epoch_verdict verdict = epoch_judge(&rel->epoch, heard, rel->engine->config->site);

	relationship_clear_blind(rel);
	relationship_clear_extents(rel);
	if (heard->number == 0 || (verdict != EPOCH_GRANTED && verdict != EPOCH_LOST)) {
		return;
	}
	engine_event(rel->engine, "warning", rel->settings.vm,
		     "the other side told of epoch %" PRIu64 ", held by %s", heard->number,
		     heard->site);
	engine_epoch_store(rel->engine, rel->settings.relationship, heard, heard_stored_cb, NULL);
}

void relationship_resume(struct relationship *rel)
{
	rel->denied = false;
	schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	relationship_note_suspended(rel, false, false);
	engine_wake(rel->engine);
}

/* ---- removing the bitmaps ---- */

void relationship_answer_release(struct relationship *rel, int error, const char *text)
{
	relationship_done_cb done = rel->release_done;

	rel->release_done = NULL;
	if (done != NULL) {
		done(rel->release_arg, error, text);
	}
}

void relationship_release(struct relationship *rel, int timeout_ms, relationship_done_cb done,
			  void *arg)
{
	relationship_answer_release(rel, -EALREADY, "another request took over");
	rel->release_wanted = true;
	rel->release_error[0] = '\0';
	rel->attach_retry_ms = 0;
	rel->release_done = done;
	rel->release_arg = arg;
	rel->release_deadline_ms = clock_monotonic_ms() + timeout_ms;
	relationship_cancel(rel);
	relationship_tick(rel, clock_monotonic_ms());
}

void relationship_dismiss(struct relationship *rel, int timeout_ms, relationship_done_cb done,
			  void *arg)
{
	rel->dismissed = true;
	relationship_release(rel, timeout_ms, done, arg);
}

/* ---- resync ---- */

void relationship_request_resync(struct relationship *rel)
{
	rel->force_resync = true;
	rel->resync_stored = true;
	relationship_state_apply(&rel->state, RELATIONSHIP_RESYNC_REQUIRED);
	if (rel->running &&
	    atomic_load(&rel->progress.kind) != VMREPLICA__WIRE__MODE__MODE_RESYNC) {
		relationship_cancel(rel);
	}
	schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	engine_wake(rel->engine);
	engine_changed(rel->engine);
}

bool relationship_may_resync(const struct relationship *rel, const struct vm_settings *settings)
{
	return (rel->force_resync &&
		(rel->resync_stored || settings->resync.kind != RESYNC_WINDOW)) ||
	       resync_policy_is_open(&settings->resync, resync_policy_minute(clock_wall_ms()));
}

void relationship_tick_resync(struct relationship *rel, int64_t now)
{
	/* what holds from the next cycle on ends this one, too */
	const struct vm_settings *settings = rel->has_pending ? &rel->pending : &rel->settings;

	if (rel->resync_waits && !rel->busy && relationship_may_resync(rel, settings)) {
		rel->resync_waits = false;
		schedule_entry_restart(&rel->schedule, now);
		engine_wake(rel->engine);
	}
	if (rel->running && settings->resync.kind == RESYNC_WINDOW &&
	    atomic_load(&rel->progress.kind) == VMREPLICA__WIRE__MODE__MODE_RESYNC &&
	    !atomic_load(&rel->progress.is_ending) && !relationship_may_resync(rel, settings)) {
		atomic_store(&rel->progress.give_way, true);
	}
}

static void resync_cleared_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("the order to resynchronize, which is done, cannot be taken out of the "
			    "cluster's settings now: %s",
			    text);
	}
}

void relationship_clear_resync(struct relationship *rel, int64_t now)
{
	const char *id = rel->settings.relationship;

	if (!rel->resync_stored || rel->force_resync || now < rel->resync_clear_ms) {
		return;
	}
	if (standing_get(rel->engine, STANDING_RESYNC, id) == NULL) {
		rel->resync_stored = false;
		return;
	}
	rel->resync_clear_ms = now + RESYNC_CLEAR_RETRY_MS; /* seen to be gone, or again */
	standing_set(rel->engine, STANDING_RESYNC, id, NULL, resync_cleared_cb, NULL);
}

void relationship_finish_resync(struct relationship *rel)
{
	rel->force_resync = false;
	rel->resync_clear_ms = 0;
	relationship_clear_resync(rel, clock_monotonic_ms());
}

/* ---- sync ---- */

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
	relationship_clear_start(rel);
	if (rel->running) {
		rel->sync_again = true;
	} else {
		rel->schedule.wanted = true;
	}
	engine_wake(rel->engine);
	return 0;
}

int relationship_request_final(struct relationship *rel, int timeout_ms, relationship_done_cb done,
			       void *arg)
{
	int result;

	if (rel->handed) { /* it is committed, of an earlier attempt */
		done(arg, 0, "");
		return 0;
	}
	rel->final_wanted = true;
	rel->attach_retry_ms = 0;
	schedule_entry_restart(&rel->schedule, clock_monotonic_ms());
	result = relationship_request_sync(rel, timeout_ms, done, arg);
	rel->final_wanted = result == 0;
	return result;
}
