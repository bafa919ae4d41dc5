/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A planned failover on the primary's side: which step comes after which. One table, every state
 * times every event. Pure.
 *
 *   1 checks -> 2 handover -> 3 catch-up -> 4 stop -> 5 stopped -> 6 final cycle -> 7 take
 *                                                                  | the other side has the epoch:
 *                                                                  v the point of no return
 *                                                    8 role -> 9 reverse replication -> end
 *
 * Before that point every failure leads back: the VM is started here again. When TAKE is not
 * answered nobody here knows on which side of the point it is: the other side is asked, for as long
 * as it takes, and the VM starts here only once that side has promised not to take it
 * (BACK_CANCEL), has given back what it took by another failover, or an admin who knows better
 * forces it. While a failover of another order stands there, the VM starts here no more (LOST):
 * that side's own epoch is recorded, and the reverse that is ordered there makes this the replica.
 */
#ifndef VMR_ENGINE_PLANNED_PLAN_H
#define VMR_ENGINE_PLANNED_PLAN_H

#include <stdbool.h>

#include "cluster/epoch.h"

enum planned_step {
	PLANNED_CHECK,	      /* may it be done at all? */
	PLANNED_HANDOVER,     /* "may not start here without B's word", durable */
	PLANNED_CATCH_UP,     /* cycles while the VM runs, so that the last one is short */
	PLANNED_STOP,	      /* Pacemaker is told to stop it */
	PLANNED_STOPPED,      /* wait until it has, and libvirt too */
	PLANNED_FINAL,	      /* the last cycle, read offline, committed */
	PLANNED_TAKE,	      /* the other side is ordered to take the epoch and start the VM */
	PLANNED_ASK,	      /* it did not answer: has it? */
	PLANNED_ROLE,	      /* this side becomes the replica */
	PLANNED_REVERSE,      /* wait for the first cycle of the other direction */
	PLANNED_BACK_CANCEL,  /* the other side is to promise that it will not take it */
	PLANNED_BACK_START,   /* the handover is taken back, the VM started here */
	PLANNED_BACK_RUNNING, /* wait until it runs */
	PLANNED_END,	      /* done */
	PLANNED_FAILED,	      /* the VM is where it was */
	PLANNED_LOST, /* the other side has failed over by another order: never started here */
	PLANNED_STEPS,
};

enum planned_event {
	PLANNED_EVENT_DONE,
	PLANNED_EVENT_FAILED,	 /* it cannot be done, or not within its time */
	PLANNED_EVENT_LATER,	 /* not now; the same again in a moment */
	PLANNED_EVENT_UNKNOWN,	 /* the other side did not answer: it may or may not have acted */
	PLANNED_EVENT_TAKEN,	 /* the other side holds the new epoch */
	PLANNED_EVENT_NOT_TAKEN, /* it does not (yet) */
	PLANNED_EVENT_CANCEL,	 /* the admin wants it back */
	PLANNED_EVENT_FORCE,	 /* ... whatever the other side may do */
	PLANNED_EVENT_LOST,	 /* it holds an epoch of another failover */
	PLANNED_EVENT_GRANTED,	 /* a higher epoch names this site: it was given back */
	PLANNED_EVENTS,
};

/* The next step. A step that an event says nothing to stays. */
enum planned_step planned_plan_next(enum planned_step step, enum planned_event event);
/* What the highest epoch that is known somewhere means for the order's: TAKEN, NOT_TAKEN, LOST,
 * GRANTED, or LATER (it cannot be known yet, or is not to be believed). takes: a failover is under
 * way there, whose epoch may not be told yet. */
enum planned_event planned_plan_judge(const struct epoch *order, const struct epoch *theirs,
				      const char *own_site, bool takes);
/* Where a job goes on that another engine, or ours started anew, finds: handed_over: the handover
 * stands; final_done: with the final cycle's cut; known: what the epoch known here means; undo: it
 * was on its way back. */
enum planned_step planned_plan_resume(bool handed_over, bool final_done, enum planned_event known,
				      bool undo);
/* May the VM be running on this side in that step, and may this side start it? For the tests. */
bool planned_step_may_run(enum planned_step step);
bool planned_step_starts(enum planned_step step);
/* Is a failover --cancel of use? */
bool planned_step_can_cancel(enum planned_step step);
/* The number and word that admins see ("6/9", "final cycle"); never NULL. */
const char *planned_step_to_string(enum planned_step step);
const char *planned_event_to_string(enum planned_event event);

#endif
