/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A failover that has not started its VM yet may come too late. Planned, on the side that has taken
 * the VM: the other side may have failed over to itself while this one was away, or an admin here
 * wants to give back what cannot be started. Unplanned: the primary may be back since it was
 * ordered. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster/nvpair_list.h"
#include "common/clock.h"
#include "engine/epoch.h"
#include "engine/failover.h"
#include "engine/order_client.h"
#include "engine/peer_contact.h"
#include "engine/primary_ask.h"
#include "engine/standing.h"

#define PLANNED	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED
#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED

/* The other side has just ordered it, or was asked when it was ordered here: it has nothing else to
 * say yet. */
#define FRESH_MS	 10000
#define PRIMARY_LIMIT_MS 120000 /* the receiver comes back */

/* ---- the other way round ---- */

static void turn(struct failover *failover, enum failover_step step, bool undo)
{
	failover->state = (struct failover_state){step, undo};
	failover->order.undo = undo;
	failover->busy = failover->entered = false;
	failover->retry_ms = 0;
	engine_wake(failover->engine);
}

static void refused_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error < 0) {
		failover->retry_ms = clock_monotonic_ms() + FAILOVER_RETRY_MS;
		failover_job_note(failover->job, "that it is taken back cannot be recorded: %s",
				  text);
		return;
	}
	failover->take_back = false;
	failover->error = -ECANCELED;
	snprintf(failover->text, sizeof(failover->text),
		 "%s is given back, as ordered: where the other side waits for this side's word it "
		 "starts there by itself",
		 failover->vm);
	snprintf(failover->advice, sizeof(failover->advice),
		 "where it is a replica already: vmreplica failover %s --unplanned there",
		 failover->vm);
	turn(failover, STEP_STOP, true);
}

bool failover_turn_back(struct failover *failover)
{
	char value[EPOCH_TEXT_LEN];

	if (!failover->take_back || failover->busy) {
		return false;
	}
	/* first that the same order is not taken again: it may be on its way */
	failover->busy = true;
	failover_job_note(failover->job, "it is to be given back, as ordered");
	standing_set(failover->engine, STANDING_REFUSED, failover->relationship,
		     epoch_format(&failover->order.epoch, value), refused_cb, failover);
	return true;
}

bool failover_take_back(struct engine *engine, const char *relationship)
{
	struct failover *failover = failover_find(engine, relationship);

	if (failover == NULL || failover->job == NULL || failover->order.kind != PLANNED ||
	    (!failover->state.undo && failover->state.step >= STEP_ROLE)) {
		return false;
	}
	if (!failover->state.undo) {
		failover->take_back = true;
		failover->retry_ms = 0;
		engine_wake(engine);
	}
	return true;
}

/* ---- what the other side says ---- */

/* May the VM have run here, and written? The epoch stands in the settings since its start was
 * ordered, or already a higher one that somebody here heard of since. */
static bool may_have_run(const struct failover *failover, const struct epoch *known)
{
	const Vmreplica__Ipc__CibResource *resource = failover_vm_resource(failover);
	const char *target = resource != NULL
				     ? nvpair_find(resource->meta, resource->n_meta, "target-role")
				     : NULL;

	return known->number >= failover->order.epoch.number &&
	       (failover->engine->config->standalone ||
		(target != NULL && strcasecmp(target, "Started") == 0));
}

static void lost_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	if (error < 0) {
		failover->busy = false;
		failover->retry_ms = clock_monotonic_ms() + FAILOVER_RETRY_MS;
		failover_job_note(failover->job, "the other side's epoch cannot be recorded: %s",
				  text);
		return;
	}
	turn(failover, STEP_STOP, true);
}

/* What was written here stays until the admin orders the reverse there: this side becomes a primary
 * that has lost its VM, as after any failover of the other side. Where nothing can have been
 * written, the store goes on as the replica that it was, in the other side's epoch. */
static void failover_lost(struct failover *failover, const struct epoch *theirs)
{
	struct epoch known;

	engine_epoch_known(failover->engine, failover->relationship, theirs->site, &known);
	failover->error = -ESTALE;
	snprintf(failover->text, sizeof(failover->text),
		 "%s has failed over to itself meanwhile (epoch %" PRIu64
		 "): %s does not start here",
		 theirs->site, theirs->number, failover->vm);
	snprintf(failover->advice, sizeof(failover->advice),
		 "vmreplica reverse %s there makes this side its replica", failover->vm);
	engine_event(failover->engine, "error", failover->vm, "job %s: %s", failover->order.job,
		     failover->text);
	failover_job_note(failover->job, "%s", failover->text);
	if (may_have_run(failover, &known)) {
		turn(failover, STEP_ROLE, false);
		return;
	}
	failover->busy = true;
	engine_epoch_store(failover->engine, failover->relationship, theirs, lost_cb, failover);
}

struct ask_job {
	struct failover *failover; /* not touched on the worker */
	struct engine *engine;
	struct peer_contact contact;
	struct epoch epoch;
	struct order_answer answer;
	struct trouble trouble;
};

static int ask_run(void *arg)
{
	struct ask_job *job = arg;
	struct locate_client client = peer_contact_client(&job->contact, job->engine->tls);

	return order_client_query(&client, job->contact.relationship, job->engine->config->site,
				  &job->epoch, &job->answer, &job->trouble);
}

static void ask_done(void *arg, int result)
{
	struct ask_job *job = arg;
	struct failover *failover = job->failover;

	failover->busy = false;
	failover->asked = true; /* silent: it handed over or is gone, and is waited for no longer */
	if (result == 0 && job->answer.known &&
	    epoch_judge(&job->epoch, &job->answer.epoch, job->engine->config->site) == EPOCH_LOST) {
		failover_lost(failover, &job->answer.epoch);
	} else {
		engine_wake(failover->engine);
	}
	free(job);
}

static bool ask(struct failover *failover)
{
	struct ask_job *job = calloc(1, sizeof(*job));

	if (job == NULL ||
	    peer_contact_find(failover->engine, failover->relationship, &job->contact) < 0 ||
	    job->contact.host[0] == '\0') {
		free(job);
		return false;
	}
	job->failover = failover;
	job->engine = failover->engine;
	job->epoch = failover->order.epoch;
	failover->busy =
		workers_submit(failover->engine->task_workers, ask_run, ask_done, job) == 0;
	if (!failover->busy) {
		free(job);
	}
	return failover->busy;
}

static bool is_fresh(const struct failover *failover)
{
	return failover->ordered_ms != 0 && clock_monotonic_ms() - failover->ordered_ms < FRESH_MS;
}

/* As when it was ordered. What was taken of the store goes back. */
static void primary_cb(void *arg, const struct primary_word *word)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (word->error == -EAGAIN) {
		failover_later(failover, FAILOVER_RETRY_MS, PRIMARY_LIMIT_MS, word->advice, "%s",
			       word->text);
	} else if (word->error < 0) {
		failover_failed(failover, word->error, word->advice, "%s", word->text);
	} else {
		failover->primary_ms = clock_monotonic_ms();
		engine_wake(failover->engine);
	}
}

bool failover_asks_primary(struct failover *failover)
{
	if (failover->order.kind != UNPLANNED || failover->order.forced || failover->state.undo ||
	    failover->error != 0 || is_fresh(failover) ||
	    (failover->primary_ms != 0 && clock_monotonic_ms() - failover->primary_ms < FRESH_MS) ||
	    failover_was_started(failover)) {
		return false;
	}
	failover->busy = true;
	if (primary_ask(failover->engine, failover->relationship, UNPLANNED, primary_cb, failover) <
	    0) {
		failover->busy = false;
		failover_later(failover, FAILOVER_RETRY_MS, PRIMARY_LIMIT_MS, "order it again",
			       "out of memory");
	}
	return true;
}

bool failover_asks(struct failover *failover)
{
	struct epoch known;

	if (failover->order.kind != PLANNED || failover->state.undo || failover->error != 0) {
		return false;
	}
	engine_epoch_known(failover->engine, failover->relationship, failover->engine->config->site,
			   &known);
	if (epoch_judge(&failover->order.epoch, &known, failover->engine->config->site) ==
	    EPOCH_LOST) {
		failover_lost(failover, &known); /* heard of before */
		return true;
	}
	if (failover->asked || is_fresh(failover)) {
		return false;
	}
	return ask(failover);
}
