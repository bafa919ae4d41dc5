/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/relationship_state.h"

#define STATE(name) VMREPLICA__STATE__STATE_##name

void relationship_state_init(struct relationship_state *state, int has_checkpoints)
{
	state->state =
		has_checkpoints ? STATE(REPLICATING) : STATE(WAITING_FOR_INITIAL_REPLICATION);
	state->before = state->state;
}

/* What a state is when no cycle is under way. */
static Vmreplica__State state_at_rest(Vmreplica__State state)
{
	switch (state) {
	case STATE(INITIAL_REPLICATION):
	case STATE(READY_FOR_INITIAL_REPLICATION):
	case STATE(DISABLED):
		return STATE(WAITING_FOR_INITIAL_REPLICATION);
	case STATE(RESYNCHRONIZING):
	case STATE(RESYNCHRONIZE_SUSPENDED):
		return STATE(WAITING_FOR_RESYNCHRONIZE);
	case STATE(SUSPENDED):
	case STATE(CRITICAL):
		return STATE(REPLICATING); /* the next WELCOME says better */
	default:
		return state;
	}
}

void relationship_state_adopt(struct relationship_state *state, Vmreplica__State announced)
{
	state->state = state_at_rest(announced);
	state->before = state->state;
}

static int is_suspended(Vmreplica__State state)
{
	return state == STATE(SUSPENDED) || state == STATE(RESYNCHRONIZE_SUSPENDED);
}

static Vmreplica__State state_suspended(Vmreplica__State state)
{
	return state_at_rest(state) == STATE(WAITING_FOR_RESYNCHRONIZE)
		       ? STATE(RESYNCHRONIZE_SUSPENDED)
		       : STATE(SUSPENDED);
}

static Vmreplica__State relationship_state_next(const struct relationship_state *state,
						enum relationship_event event)
{
	Vmreplica__State now = state->state;

	switch (event) {
	case RELATIONSHIP_BEGIN_INITIAL:
		return is_suspended(now) ? now : STATE(INITIAL_REPLICATION);
	case RELATIONSHIP_BEGIN_DELTA:
		return is_suspended(now) ? now : STATE(REPLICATING);
	case RELATIONSHIP_BEGIN_RESYNC:
		return is_suspended(now) ? now : STATE(RESYNCHRONIZING);
	case RELATIONSHIP_COMMITTED:
		return is_suspended(now) ? STATE(SUSPENDED) : STATE(REPLICATING);
	case RELATIONSHIP_INTERRUPTED:
		return is_suspended(now) || now == STATE(CRITICAL) ? now : state_at_rest(now);
	case RELATIONSHIP_RESYNC_REQUIRED:
		return is_suspended(now) ? STATE(RESYNCHRONIZE_SUSPENDED)
					 : STATE(WAITING_FOR_RESYNCHRONIZE);
	case RELATIONSHIP_GAVE_UP:
		return is_suspended(now) ? now : STATE(CRITICAL);
	case RELATIONSHIP_SUSPEND:
		return is_suspended(now)	? now
		       : now == STATE(CRITICAL) ? state_suspended(state->before)
						: state_suspended(now);
	case RELATIONSHIP_RESUME:
		return is_suspended(now) ? state->before : now;
	case RELATIONSHIP_EVENT_COUNT:
		break;
	}
	return now;
}

/* Where Suspended or Critical goes back to, after event. */
static Vmreplica__State relationship_state_before(const struct relationship_state *state,
						  enum relationship_event event,
						  Vmreplica__State next)
{
	if (!is_suspended(next) && next != STATE(CRITICAL)) {
		return next;
	}
	if (event == RELATIONSHIP_COMMITTED) {
		return STATE(REPLICATING);
	}
	if (event == RELATIONSHIP_RESYNC_REQUIRED) {
		return STATE(WAITING_FOR_RESYNCHRONIZE);
	}
	if (is_suspended(state->state) || state->state == STATE(CRITICAL)) {
		return state->before;
	}
	return state_at_rest(state->state);
}

int relationship_state_apply(struct relationship_state *state, enum relationship_event event)
{
	Vmreplica__State next = relationship_state_next(state, event);
	int changed = next != state->state;

	state->before = relationship_state_before(state, event, next);
	state->state = next;
	return changed;
}

const char *relationship_event_to_string(enum relationship_event event)
{
	static const char *const words[] = {
		"begin-initial",   "begin-delta", "begin-resync", "committed", "interrupted",
		"resync-required", "gave-up",	  "suspend",	  "resume",
	};

	return event < RELATIONSHIP_EVENT_COUNT ? words[event] : "?";
}
