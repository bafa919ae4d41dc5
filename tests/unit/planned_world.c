/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each side of a planned failover may do next. What decides is the product's own:
 * planned_plan.h, promise.h, failover_peer.h, epoch.h. What the steps do to the settings and the
 * store is played here. */
#include "planned_world.h"

#include <string.h>

#include "engine/failover_peer.h"
#include "engine/planned_plan.h"
#include "engine/promise.h"
#include "unit.h"

#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED

const struct epoch world_epochs[EPOCHS] = {{4, "first", "A"},
					   {5, "order", "B"},
					   {5, "other", "B"},
					   {6, "order", "A"},
					   {7, "own", "A"}};
struct world_without without;

/* ---- what B says ---- */

static uint8_t b_known(const struct world *w)
{
	return !w->untold && world_epochs[w->store].number > world_epochs[w->settings].number
		       ? w->store
		       : w->settings;
}

static bool b_takes(const struct world *w)
{
	return (w->job >= TAKES && w->job <= RUNS) || w->job >= UNPLANNED_TAKES;
}

/* owner: the engine answers, and tells of the store; else the settings are all there is. */
static struct order_answer b_says(const struct world *w, bool owner)
{
	struct order_answer answer = {
		.known = true,
		.role = w->primary ? VMREPLICA__ROLE__ROLE_PRIMARY : VMREPLICA__ROLE__ROLE_REPLICA,
		.epoch = world_epochs[owner ? b_known(w) : w->settings],
		.vm_running = w->b_runs,
		.failing_over = b_takes(w),
	};

	strcpy(answer.site, "B");
	return answer;
}

static enum promise_verdict b_promises(const struct world *w)
{
	const char *why;
	struct promise_facts facts = {.order = world_epochs[ORDER],
				      .known = world_epochs[b_known(w)],
				      .is_replica = !w->primary,
				      .under_way = w->job != NOTHING,
				      .failed_over = w->failed_over,
				      .is_refused = w->refused,
				      .is_started = w->settings == ORDER};

	return promise_judge(&facts, &why);
}

/* ---- A's job ---- */

static void a_hears(struct world w, enum planned_event event)
{
	uint8_t was = w.step;

	w.step = (uint8_t)planned_plan_next(w.step, event);
	if (was == PLANNED_STOPPED && w.step == PLANNED_FINAL) {
		w.a_runs = false;
	}
	if (was == PLANNED_BACK_START && w.step == PLANNED_BACK_RUNNING) {
		w.a_runs = true;
	}
	if (was == PLANNED_ROLE && w.step == PLANNED_REVERSE) {
		w.replica = w.pending = true;
		w.a_epoch = ORDER;
	}
	if (w.step == PLANNED_LOST &&
	    world_epochs[b_known(&w)].number > world_epochs[w.a_epoch].number) {
		w.a_epoch = b_known(&w);
	}
	world_to(&w);
}

static void a_asks(const struct world *w, bool owner)
{
	struct order_answer answer = b_says(w, owner);
	enum planned_event heard =
		planned_plan_judge(&world_epochs[ORDER], &answer.epoch, "A", answer.failing_over);

	a_hears(*w, heard);
}

static void a_orders_take(struct world w)
{
	w.take = true;
	world_to(&w); /* it is on its way */
	a_hears(w, PLANNED_EVENT_UNKNOWN);
	if (!w.b_up) {
		return;
	}
	if (b_known(&w) == ORDER) {
		a_hears(w, PLANNED_EVENT_TAKEN);
	} else if (world_epochs[b_known(&w)].number >= world_epochs[ORDER].number || w.refused) {
		a_hears(w, PLANNED_EVENT_FAILED);
	}
}

static void a_asks_promise(struct world w)
{
	switch (b_promises(&w)) {
	case PROMISE_GIVEN:
		w.refused = true;
		world_to(&w); /* its answer is lost */
		a_hears(w, PLANNED_EVENT_DONE);
		if (w.take && w.job == NOTHING) { /* begun on another node in that moment */
			w.job = TAKES;
			w.fresh = true;
			a_hears(w, PLANNED_EVENT_DONE);
		}
		break;
	case PROMISE_TOO_LATE:
		a_hears(w, planned_plan_judge(&world_epochs[ORDER], &world_epochs[b_known(&w)], "A",
					      false));
		break;
	case PROMISE_LATER:
		break;
	}
}

static void a_restarts(struct world w)
{
	bool undo = w.step >= PLANNED_BACK_CANCEL;
	bool final_done = w.step == PLANNED_TAKE || w.step == PLANNED_ASK ||
			  w.step == PLANNED_BACK_CANCEL || w.step == PLANNED_ROLE ||
			  (w.step == PLANNED_BACK_START && !w.a_runs);
	enum planned_event heard =
		planned_plan_judge(&world_epochs[ORDER], &world_epochs[w.a_epoch], "A", false);

	if (w.step == PLANNED_REVERSE) { /* nothing remembers it but its text */
		w.step = PLANNED_END;
	} else {
		w.step = (uint8_t)planned_plan_resume(true, final_done, heard, undo);
	}
	world_to(&w);
}

/* Somebody here, the guard say, has heard what B knows, before the change of role. */
static void a_is_told(struct world w)
{
	enum planned_event heard =
		planned_plan_judge(&world_epochs[ORDER], &world_epochs[b_known(&w)], "A", false);

	if (heard == PLANNED_EVENT_GRANTED || heard == PLANNED_EVENT_LOST) {
		w.a_epoch = b_known(&w);
		a_hears(w, heard);
	}
}

static void a_moves(const struct world *w)
{
	if (w->step >= PLANNED_END) {
		return;
	}
	if (w->step > PLANNED_HANDOVER && w->step != PLANNED_BACK_RUNNING) {
		a_restarts(*w);
	}
	if (!without.admins) {
		a_hears(*w, PLANNED_EVENT_CANCEL);
	}
	switch (w->step) {
	case PLANNED_TAKE:
		a_orders_take(*w);
		break;
	case PLANNED_ASK:
		if (w->b_up) {
			a_asks(w, true);
			a_asks(w, false);
		}
		break;
	case PLANNED_BACK_CANCEL:
		if (w->b_up) {
			a_asks_promise(*w);
		}
		break;
	case PLANNED_ROLE:
		a_hears(*w, PLANNED_EVENT_DONE);
		if (w->b_up) {
			a_is_told(*w);
		}
		break;
	case PLANNED_REVERSE:
		break; /* see the first cycle */
	default:
		a_hears(*w, PLANNED_EVENT_DONE);
		if (w->step < PLANNED_TAKE) {
			a_hears(*w, PLANNED_EVENT_FAILED);
		}
	}
}

/* ---- B's jobs ---- */

static void b_hears_take(struct world w)
{
	bool refuses = world_epochs[b_known(&w)].number >= world_epochs[ORDER].number ||
		       w.refused || w.failed_over || w.primary;

	if (w.take && w.job == NOTHING && !refuses) {
		w.job = TAKES;
		w.fresh = true;
		world_to(&w);
	}
}

/* Before the VM is started: A has raised an epoch of its own since? */
static bool b_has_lost(const struct world *w)
{
	return epoch_judge(&world_epochs[ORDER], &world_epochs[w->settings], "B") == EPOCH_LOST ||
	       (!w->fresh && !without.asking &&
		epoch_judge(&world_epochs[ORDER], &world_epochs[w->a_epoch], "B") == EPOCH_LOST);
}

static void b_goes_back(struct world w)
{
	w.job = STOPS;
	world_to(&w);
}

/* It fails: before anything was taken, or in the moment after, which nobody but the receiver knows
 * of. Either way the receiver is asked to give it back, and the order is refused from then on. */
static void b_fails(struct world w)
{
	w.job = without.refusing ? NOTHING : RELEASES;
	world_to(&w);
}

static void b_takes_store(struct world w)
{
	struct world taken = w;

	taken.store = ORDER;
	taken.failed_over = true;
	taken.job = DEFINES;
	if (w.unfit || (w.refused && !without.promise)) {
		b_fails(w);
	} else {
		world_to(&taken);
	}
	if (w.fails && !w.refused && !without.refusing) {
		b_fails(w);
		taken.untold = true;
		b_fails(taken);
	}
}

static void b_planned(struct world w)
{
	bool lost = b_has_lost(&w);

	switch (w.job) {
	case TAKES:
		b_takes_store(w);
		break;
	case DEFINES:
		if (lost) {
			w.settings =
				world_epochs[w.a_epoch].number > world_epochs[w.settings].number
					? w.a_epoch
					: w.settings;
		}
		if ((w.refused && !without.promise) || lost) {
			b_goes_back(w);
			break;
		}
		w.settings = ORDER;
		w.b_runs = true;
		w.job = RUNS;
		world_to(&w);
		break;
	default: /* RUNS */
		if (w.broken && !lost) {
			break; /* it is tried again, for ever */
		}
		w.primary = true;
		w.job = NOTHING;
		w.b_runs = w.b_runs && !lost;
		world_to(&w);
	}
}

static void b_gives_back(struct world w)
{
	switch (w.job) {
	case STOPS:
		w.b_runs = false;
		w.job = RELEASES;
		break;
	case RELEASES:
		if (w.failed_over) {
			w.store = world_epochs[w.settings].number > world_epochs[ORDER].number
					  ? w.settings
					  : GIVEN;
		}
		w.failed_over = w.untold = false;
		w.job = FORGETS;
		break;
	default: /* FORGETS */
		w.settings = w.settings == ORDER ? GIVEN : w.settings;
		w.refused = true;
		w.job = NOTHING;
	}
	world_to(&w);
}

/* Its admin cancels the planned failover that it has taken. */
static void b_cancels(struct world w)
{
	if (w.job >= TAKES && w.job <= RUNS && !without.giving_back) {
		w.refused = true;
		b_goes_back(w);
	}
}

/* Its admin fails over while A is silent and does not run the VM; and takes that back. Once A has
 * the promise, or goes on by itself, it is that admin's own risk. */
static void b_unplanned(struct world w)
{
	if (w.job == NOTHING && !w.refused && !w.primary && b_known(&w) == BEFORE && !w.a_runs &&
	    w.step >= PLANNED_TAKE && w.step <= PLANNED_BACK_CANCEL) {
		w.job = UNPLANNED_TAKES;
		world_to(&w);
	} else if (w.job == UNPLANNED_TAKES) {
		w.store = OTHERS;
		w.failed_over = true;
		w.job = UNPLANNED_RUNS;
		world_to(&w);
	} else if (w.job == UNPLANNED_RUNS) {
		w.settings = OTHERS;
		w.b_runs = true;
		w.job = NOTHING;
		world_to(&w);
	} else if (w.job == NOTHING && w.store == OTHERS && !w.primary && !w.replica) {
		w.b_runs = w.failed_over = false;
		w.store = w.settings = GIVEN;
		world_to(&w);
	}
}

/* All its nodes go; and come back, where the guard asks before the VM starts again. */
static void b_power(struct world w)
{
	w.b_up = !w.b_up;
	w.fresh = false;
	if (w.b_up && w.b_runs &&
	    epoch_judge(&world_epochs[w.settings], &world_epochs[w.a_epoch], "B") == EPOCH_LOST) {
		w.b_runs = false;
	}
	world_to(&w);
}

static void b_moves(const struct world *w)
{
	struct world other = *w;

	b_power(other);
	if (!w->b_up) {
		return;
	}
	if (w->fresh) { /* its engine alone */
		other.fresh = false;
		world_to(&other);
	}
	b_hears_take(*w);
	if (w->job >= TAKES && w->job <= RUNS) {
		b_planned(*w);
	} else if (w->job >= STOPS && w->job <= FORGETS) {
		b_gives_back(*w);
	}
	if (!without.admins) {
		b_cancels(*w);
		b_unplanned(*w);
	}
}

/* ---- once A is the replica, or has lost ---- */

/* Its admin fails over from the disks that were handed over. */
static void a_unplanned(struct world w)
{
	struct order_answer answer = b_says(&w, true);
	const char *advice;
	struct epoch epoch;
	char text[512];

	if (!w.replica || !w.pending || w.a_runs || without.own_disks ||
	    (w.b_up && failover_peer_objection(UNPLANNED, &answer, "A", text, sizeof(text),
					       &advice) != NULL)) {
		return;
	}
	CU_ASSERT_FATAL(failover_peer_epoch(&world_epochs[w.a_epoch], w.b_up ? &answer : NULL, true,
					    "A", &epoch) == 0);
	w.a_epoch = epoch_equal(&epoch, &world_epochs[GIVEN]) ? GIVEN : OWN;
	CU_ASSERT(epoch.number == world_epochs[w.a_epoch].number);
	w.a_runs = true;
	w.step = PLANNED_END;
	world_to(&w);
}

/* A cycle of the other direction: what was handed over is no more. */
static void first_cycle(struct world w)
{
	if (w.replica && w.pending && !w.a_runs && w.b_up && w.b_runs && w.primary) {
		w.pending = false;
		w.step = PLANNED_END;
		world_to(&w);
	}
}

/* A lost to another failover of B's, which that side took back: its resource is enabled again, and
 * the guard asks. */
static void a_enables(struct world w)
{
	if (w.step == PLANNED_LOST && !w.a_runs && w.b_up && w.job == NOTHING &&
	    epoch_judge(&world_epochs[w.a_epoch], &world_epochs[b_known(&w)], "A") ==
		    EPOCH_GRANTED) {
		w.a_epoch = b_known(&w);
		w.a_runs = true;
		world_to(&w);
	}
}

void world_moves(const struct world *world)
{
	a_moves(world);
	b_moves(world);
	first_cycle(*world);
	if (!without.admins) {
		a_unplanned(*world);
		a_enables(*world);
	}
}
