/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What admins ask of a relationship. */
#include "engine/relationship.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"

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

void relationship_answer_dismiss(struct relationship *rel, int error, const char *text)
{
	relationship_done_cb done = rel->dismiss_done;

	rel->dismiss_done = NULL;
	if (done != NULL) {
		done(rel->dismiss_arg, error, text);
	}
}

void relationship_dismiss(struct relationship *rel, int timeout_ms, relationship_done_cb done,
			  void *arg)
{
	relationship_answer_dismiss(rel, -EALREADY, "another request took over");
	rel->dismissed = true;
	rel->release_wanted = true;
	rel->attach_retry_ms = 0;
	rel->dismiss_done = done;
	rel->dismiss_arg = arg;
	rel->dismiss_deadline_ms = clock_monotonic_ms() + timeout_ms;
	relationship_cancel(rel);
	relationship_tick(rel, clock_monotonic_ms());
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
