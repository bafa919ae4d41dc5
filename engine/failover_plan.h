/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which step of a failover comes after which: one table, every state times every event. Pure.
 *
 * Each step can be done again whatever came of it before, so a job that is resumed (another engine,
 * another node) begins with the first step of its way; what was done already is found done. There
 * are two ways: to do what was ordered, and to undo what was begun of it.
 */
#ifndef VMR_ENGINE_FAILOVER_PLAN_H
#define VMR_ENGINE_FAILOVER_PLAN_H

#include <stdbool.h>

#include "proto/admin.pb-c.h"
#include "proto/status.pb-c.h"

enum failover_step {
	STEP_NONE,
	STEP_RECORD,	 /* the order into the cluster's settings */
	STEP_TAKEOVER,	 /* the receiver gives the store, or a point of it */
	STEP_OVERLAYS,	 /* test: images of its own, and the definition that names them */
	STEP_DEFINITION, /* the VM's, with its images */
	STEP_RESOURCE,	 /* the VM's resource exists */
	STEP_START,	 /* Pacemaker (libvirt) is told to run it */
	STEP_RUNNING,	 /* wait until it does */
	STEP_STOP,	 /* it is told to stop, and has */
	STEP_REMOVE,	 /* test: its images and its definition go */
	STEP_RELEASE,	 /* the receiver has its layers back: a test's pins, a cancelled failover */
	STEP_POINTS,	 /* commit: the other points go */
	STEP_CONSOLIDATE, /* commit: the chain of images becomes short */
	STEP_EXTENTS,	  /* reverse: what was received beyond the VM's beginning */
	STEP_PEER,	  /* reverse: the old primary's side makes way */
	STEP_ROLE,	  /* this side becomes the primary */
	STEP_FORGET,	  /* the order goes out of the settings */
	STEP_END,
	FAILOVER_STEPS,
};

enum failover_event {
	EVENT_DONE,    /* the step is done */
	EVENT_FAILED,  /* it cannot be done */
	EVENT_LATER,   /* not now: somebody that it needs is not there */
	EVENT_RESUMED, /* another engine, or ours started anew, goes on with it */
	FAILOVER_EVENTS,
};

struct failover_state {
	enum failover_step step;
	bool undo;
};

/* The state of a job that begins (or, undo, whose taking back is resumed). STEP_NONE for a kind
 * that is not of this table. */
struct failover_state failover_plan_first(Vmreplica__Admin__FailoverKind kind, bool undo);
/* The next state. A state that the kind does not have leads to STEP_END. */
struct failover_state failover_plan_next(Vmreplica__Admin__FailoverKind kind,
					 struct failover_state state, enum failover_event event);
/* Does the kind's way have this step? */
bool failover_plan_has(Vmreplica__Admin__FailoverKind kind, struct failover_state state);

/* A word for admins, as the job's steps show it; never NULL. */
const char *failover_step_to_string(enum failover_step step);

/* A job that nothing in the settings remembers: had it done what was ordered all the same? The
 * change of the roles takes the order out of the settings, so an engine that ends after it leaves a
 * job that only waited (planned_plan.h), or had to be told its end. last_step: the job's; role:
 * this side's now; held_here: this site holds the epoch. */
bool failover_plan_orphan_is_done(const char *last_step, Vmreplica__Role role, bool held_here);

#endif
