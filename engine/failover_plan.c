/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_plan.h"

#include <stddef.h>
#include <string.h>

#include "engine/planned_plan.h"

#define TEST	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST
#define CLEANUP	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST_CLEANUP
#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED
#define PLANNED	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED
#define REVERSE	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_REVERSE
#define CANCEL	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL
#define COMMIT	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_COMMIT

struct row {
	Vmreplica__Admin__FailoverKind kind;
	bool undo;
	enum failover_step step;
	enum failover_step failed; /* where a failure leads */
	bool back;		   /* on the undo way */
};

/* In their order. A failure that is not undone ends the job: what is left is told, and goes with a
 * --test-cleanup or a --cancel, or the order is given again. */
static const struct row rows[] = {
	{TEST, false, STEP_RECORD, STEP_END, false},
	{TEST, false, STEP_TAKEOVER, STEP_RELEASE, true},
	{TEST, false, STEP_OVERLAYS, STEP_REMOVE, true},
	{TEST, false, STEP_START, STEP_STOP, true},
	{TEST, false, STEP_RUNNING, STEP_STOP, true},
	{TEST, false, STEP_FORGET, STEP_FORGET, false},
	{TEST, true, STEP_STOP, STEP_FORGET, true},
	{TEST, true, STEP_REMOVE, STEP_FORGET, true},
	{TEST, true, STEP_RELEASE, STEP_FORGET, true},
	{TEST, true, STEP_FORGET, STEP_FORGET, true},

	{CLEANUP, false, STEP_RECORD, STEP_END, false},
	{CLEANUP, false, STEP_STOP, STEP_FORGET, false},
	{CLEANUP, false, STEP_REMOVE, STEP_FORGET, false},
	{CLEANUP, false, STEP_RELEASE, STEP_FORGET, false},
	{CLEANUP, false, STEP_FORGET, STEP_FORGET, false},

	/* From START on the VM may run: nothing is taken back without a --cancel. */
	{UNPLANNED, false, STEP_RECORD, STEP_END, false},
	{UNPLANNED, false, STEP_TAKEOVER, STEP_RELEASE, true},
	{UNPLANNED, false, STEP_DEFINITION, STEP_RELEASE, true},
	{UNPLANNED, false, STEP_RESOURCE, STEP_RELEASE, true},
	{UNPLANNED, false, STEP_START, STEP_FORGET, false},
	{UNPLANNED, false, STEP_RUNNING, STEP_FORGET, false},
	{UNPLANNED, false, STEP_FORGET, STEP_FORGET, false},
	{UNPLANNED, true, STEP_RELEASE, STEP_FORGET, true},
	{UNPLANNED, true, STEP_FORGET, STEP_FORGET, true},

	/* The other side of engine/planned.h: it has handed over, and becomes the replica once the
	 * epoch is taken. What fails from then on is tried again until somebody has mended it:
	 * given up, the VM would run nowhere. Before that the receiver makes sure that nothing was
	 * taken, and the order is refused from here on, so that the other side goes back. */
	{PLANNED, false, STEP_RECORD, STEP_END, false},
	{PLANNED, false, STEP_TAKEOVER, STEP_RELEASE, true},
	{PLANNED, false, STEP_DEFINITION, STEP_DEFINITION, false},
	{PLANNED, false, STEP_RESOURCE, STEP_RESOURCE, false},
	{PLANNED, false, STEP_START, STEP_START, false},
	{PLANNED, false, STEP_RUNNING, STEP_RUNNING, false},
	{PLANNED, false, STEP_ROLE, STEP_ROLE, false},
	{PLANNED, false, STEP_FORGET, STEP_FORGET, false},
	/* Given back: an admin wants it so, or it could not be taken, or it was in the moment in
	 * which the other side was promised that it is not, or that side has failed over to itself.
	 * While it is not known that the store holds nothing, nothing is promised. */
	{PLANNED, true, STEP_STOP, STEP_STOP, true},
	{PLANNED, true, STEP_RELEASE, STEP_RELEASE, true},
	{PLANNED, true, STEP_FORGET, STEP_FORGET, true},

	{REVERSE, false, STEP_RECORD, STEP_END, false},
	{REVERSE, false, STEP_EXTENTS, STEP_FORGET, false},
	{REVERSE, false, STEP_PEER, STEP_FORGET, false},
	{REVERSE, false, STEP_ROLE, STEP_FORGET, false},
	{REVERSE, false, STEP_FORGET, STEP_FORGET, false},

	{CANCEL, false, STEP_RECORD, STEP_END, false},
	{CANCEL, false, STEP_STOP, STEP_FORGET, false},
	{CANCEL, false, STEP_RELEASE, STEP_FORGET, false},
	{CANCEL, false, STEP_FORGET, STEP_FORGET, false},

	{COMMIT, false, STEP_RECORD, STEP_END, false},
	{COMMIT, false, STEP_POINTS, STEP_FORGET, false},
	{COMMIT, false, STEP_CONSOLIDATE, STEP_FORGET, false},
	{COMMIT, false, STEP_FORGET, STEP_FORGET, false},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static size_t find(Vmreplica__Admin__FailoverKind kind, struct failover_state state)
{
	size_t i = 0;

	while (i < ROWS &&
	       (rows[i].kind != kind || rows[i].undo != state.undo || rows[i].step != state.step)) {
		i++;
	}
	return i;
}

bool failover_plan_has(Vmreplica__Admin__FailoverKind kind, struct failover_state state)
{
	return find(kind, state) < ROWS;
}

struct failover_state failover_plan_first(Vmreplica__Admin__FailoverKind kind, bool undo)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].kind == kind && rows[i].undo == undo) {
			return (struct failover_state){rows[i].step, undo};
		}
	}
	return (struct failover_state){STEP_NONE, undo};
}

static struct failover_state after(size_t i)
{
	const struct row *row = &rows[i], *next = i + 1 < ROWS ? &rows[i + 1] : NULL;

	if (next == NULL || next->kind != row->kind || next->undo != row->undo) {
		return (struct failover_state){STEP_END, row->undo};
	}
	return (struct failover_state){next->step, row->undo};
}

struct failover_state failover_plan_next(Vmreplica__Admin__FailoverKind kind,
					 struct failover_state state, enum failover_event event)
{
	size_t i = find(kind, state);

	if (i == ROWS) {
		return (struct failover_state){STEP_END, state.undo};
	}
	switch (event) {
	case EVENT_DONE:
		return after(i);
	case EVENT_FAILED:
		/* the order stays in the settings until it can be taken out */
		return (struct failover_state){rows[i].failed, rows[i].back};
	case EVENT_RESUMED:
		return failover_plan_first(kind, state.undo);
	default:
		return state;
	}
}

const char *failover_step_to_string(enum failover_step step)
{
	static const char *const words[FAILOVER_STEPS] = {
		[STEP_NONE] = "none",
		[STEP_RECORD] = "order",
		[STEP_TAKEOVER] = "takeover",
		[STEP_OVERLAYS] = "images",
		[STEP_DEFINITION] = "definition",
		[STEP_RESOURCE] = "resource",
		[STEP_START] = "start",
		[STEP_RUNNING] = "running",
		[STEP_STOP] = "stop",
		[STEP_REMOVE] = "remove",
		[STEP_RELEASE] = "release",
		[STEP_POINTS] = "points",
		[STEP_CONSOLIDATE] = "merge",
		[STEP_EXTENTS] = "extents",
		[STEP_PEER] = "other side",
		[STEP_ROLE] = "role",
		[STEP_FORGET] = "end",
		[STEP_END] = "ended",
	};

	return step < FAILOVER_STEPS ? words[step] : "unknown";
}

bool failover_plan_orphan_is_done(const char *last_step, Vmreplica__Role role, bool held_here)
{
	bool changes_roles = strcmp(last_step, failover_step_to_string(STEP_ROLE)) == 0 ||
			     strcmp(last_step, planned_step_to_string(PLANNED_ROLE)) == 0 ||
			     strcmp(last_step, planned_step_to_string(PLANNED_REVERSE)) == 0;

	/* the epoch is raised before a role follows it */
	return changes_roles && role != VMREPLICA__ROLE__ROLE_UNKNOWN &&
	       held_here == (role == VMREPLICA__ROLE__ROLE_PRIMARY);
}
