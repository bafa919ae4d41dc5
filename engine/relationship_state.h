/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replication state of a primary VM: pure transitions, Hyper-V's names.
 *
 *   WaitingForInitialReplication <-> InitialReplication -> Replicating
 *   Replicating -> WaitingForResynchronize <-> Resynchronizing -> Replicating
 *   any -> Suspended / ResynchronizeSuspended -> what it was before
 *   any -> Critical (denied, or retries used up) -> what the next cycle that gets through makes it
 */
#ifndef VMR_ENGINE_RELATIONSHIP_STATE_H
#define VMR_ENGINE_RELATIONSHIP_STATE_H

#include "proto/status.pb-c.h"

enum relationship_event {
	RELATIONSHIP_BEGIN_INITIAL, /* a cycle of that kind starts to send */
	RELATIONSHIP_BEGIN_DELTA,
	RELATIONSHIP_BEGIN_RESYNC,
	RELATIONSHIP_COMMITTED,	      /* the cycle under way is committed */
	RELATIONSHIP_INTERRUPTED,     /* it ended otherwise; tried again later */
	RELATIONSHIP_RESYNC_REQUIRED, /* found or asked for, not yet begun */
	RELATIONSHIP_GAVE_UP,	      /* denied, or retries used up */
	RELATIONSHIP_SUSPEND,	      /* the admin's pause */
	RELATIONSHIP_RESUME,
	RELATIONSHIP_EVENT_COUNT,
};

struct relationship_state {
	Vmreplica__State state;
	Vmreplica__State before; /* of Suspended and Critical: where it goes back to */
};

/* What the next attach starts with: nothing sent yet, or (checkpoints stand) replicating. */
void relationship_state_init(struct relationship_state *state, int has_checkpoints);
/* Take over what another node (or an earlier engine) announced. */
void relationship_state_adopt(struct relationship_state *state, Vmreplica__State announced);
/* Apply event. Returns nonzero when the state changed. */
int relationship_state_apply(struct relationship_state *state, enum relationship_event event);
const char *relationship_event_to_string(enum relationship_event event);

#endif
