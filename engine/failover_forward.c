/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A planned failover behind its point of no return: there is no way back, so a step that fails is
 * tried again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "engine/epoch.h"
#include "engine/failover.h"

#define PLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED

#define RETRY_MS 5000
#define DOUBT_MS 5000

/* Has the store taken the epoch, though the takeover failed? Its status tells a moment later. */
static bool is_taken(struct failover *failover)
{
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);
	int64_t now = clock_monotonic_ms();
	struct epoch stored = {0};

	if (replica == NULL || replica->status == NULL) {
		return true;
	}
	failover->doubt_ms = failover->doubt_ms != 0 ? failover->doubt_ms : now + DOUBT_MS;
	epoch_from_message(replica->status->epoch, &stored);
	return now < failover->doubt_ms || epoch_equal(&stored, &failover->order.epoch);
}

/* Behind the point of no return of a planned failover the other side is, or becomes, the replica.
 */
bool failover_goes_forward(struct failover *failover)
{
	enum failover_step step = failover->state.step;
	struct failover_state next =
		failover_plan_next(failover->order.kind, failover->state, EVENT_FAILED);

	return failover->order.kind == PLANNED && step != STEP_FORGET &&
	       (next.step == step || (step == STEP_TAKEOVER && is_taken(failover)));
}

void failover_try_again(struct failover *failover, const char *advice, const char *text)
{
	int64_t now = clock_monotonic_ms();

	if (strcmp(failover->told, text) != 0) {
		snprintf(failover->told, sizeof(failover->told), "%s", text);
		engine_event(failover->engine, "error", failover->vm,
			     "job %s cannot go on: %s; it tries again until it can: %s",
			     failover->order.job, text, advice);
	}
	failover_job_note(failover->job, "%s; it is tried again: %s", text, advice);
	failover->busy = failover->asked = false;
	failover->step_ms = now;
	failover->retry_ms = now + RETRY_MS;
}

/* ---- what the other side was promised ---- */

bool failover_is_refused(const struct failover *failover)
{
	const struct engine *engine = failover->engine;
	struct epoch known;

	engine_epoch_known(engine, failover->relationship, engine->config->site, &known);
	return failover->order.kind == PLANNED &&
	       engine_epoch_is_refused(engine, failover->relationship, &failover->order.epoch) &&
	       !epoch_equal(&known, &failover->order.epoch);
}

static bool store_has_epoch(const struct failover *failover)
{
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);
	struct epoch stored = {0};

	if (replica != NULL && replica->status != NULL) {
		epoch_from_message(replica->status->epoch, &stored);
	}
	return epoch_equal(&stored, &failover->order.epoch);
}

bool failover_stops_refused(struct failover *failover)
{
	bool start = failover->state.step == STEP_START;

	if (!failover_is_refused(failover) || (!start && store_has_epoch(failover))) {
		return false;
	}
	if (!start) {
		failover_failed(failover, -ECANCELED, "vmreplica jobs on the other side shows it",
				"the other side has cancelled it");
		return true;
	}
	failover->error = -ECANCELED;
	snprintf(failover->text, sizeof(failover->text),
		 "the other side has cancelled it: %s is not started here", failover->vm);
	failover_job_note(failover->job, "%s: it is given back", failover->text);
	failover->state = failover_plan_first(PLANNED, true);
	failover->order.undo = true;
	failover->entered = false;
	failover->retry_ms = 0;
	engine_wake(failover->engine);
	return true;
}
