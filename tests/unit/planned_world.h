/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both sides of a planned failover as test_planned_world.c has them: one state of the whole, and
 * all that may come of it. */
#ifndef VMR_TESTS_PLANNED_WORLD_H
#define VMR_TESTS_PLANNED_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/epoch.h"

/* All epochs that there can be: before it, the order's, another failover of B's, what B gives back,
 * and A's own from its own disks. */
enum { BEFORE, ORDER, OTHERS, GIVEN, OWN, EPOCHS };
extern const struct epoch world_epochs[EPOCHS];

/* B's job: none; the planned one with what it has done; the way back; an unplanned one; its cancel.
 */
enum { NOTHING, TAKES, DEFINES, RUNS, STOPS, RELEASES, FORGETS, UNPLANNED_TAKES, UNPLANNED_RUNS };

struct world {
	/* A */
	uint8_t step;	 /* of its job; END and behind: over */
	bool a_runs;	 /* its VM runs, or may */
	bool replica;	 /* it has become the replica */
	bool pending;	 /* ... whose disks are as they were handed over */
	uint8_t a_epoch; /* in its settings */
	/* on the line */
	bool take; /* an order to take lies somewhere */
	/* B */
	bool b_up;
	bool fresh;  /* its engine has been there since the order came */
	bool b_runs; /* Pacemaker is told to run the VM */
	bool primary;
	bool refused;
	uint8_t job, store, settings; /* job; epochs of the store and of the settings */
	bool failed_over;	      /* a failover stands in the store */
	bool untold;		      /* ... and its epoch, which the receiver alone knows of */
	bool broken;		      /* its nodes can never start the VM */
	bool unfit;		      /* its store can never be taken over */
	bool fails;		      /* a takeover may fail, or its answer be lost */
};

/* What the product does against it, left out to see that it is missed. */
struct world_without {
	bool asking, own_disks, giving_back, promise, refusing;
	bool admins; /* no commands: what comes of it by itself */
};
extern struct world_without without;

/* Calls world_to for each state that this one may become. */
void world_moves(const struct world *world);
/* The test's. */
void world_to(const struct world *world);

#endif
