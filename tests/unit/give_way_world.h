/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An old primary's side, played: the settings and resources of its cluster, which change under the
 * product's own conditions (switch_condition.h), its VM, and what the other side says. Work is done
 * when it is told to, so that anything may come between. */
#ifndef VMR_TESTS_GIVE_WAY_WORLD_H
#define VMR_TESTS_GIVE_WAY_WORLD_H

#include <stdbool.h>

#include "cluster/epoch.h"
#include "engine/engine.h"
#include "engine/peer_order.h"

#define ID	"0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define LINEAGE "11111111-2222-4333-8444-555555555555"
#define JOB	"0000beef"
#define LATER	"0000cafe"

struct cluster_world {
	/* the configuration */
	char names[16][96], values[16][512];
	size_t count;
	char role[16], target[16], config[512];
	bool follows, standalone;
	/* what happens */
	bool runs;    /* the VM */
	bool hangs;   /* it does not stop */
	bool defined; /* without a cluster: for libvirt again, and off */
	bool wrote;   /* to its disks, since they were read last */
	bool peer_silent;
	struct epoch peer;	     /* what the other side answers */
	bool answer_lost;	     /* of the change of role, once */
	void (*before_change)(void); /* another node is faster, once */
	/* what was seen */
	bool ran_on_both;  /* target Started while the other side holds the VM */
	bool lowered;	   /* an epoch */
	struct epoch told; /* by the other side, last */
	bool out_of_date;  /* it became the replica against that */
	bool unread;	   /* it became the replica with disks that were written to since */
	char answer[1024], outcome[1024];
	int outcome_error;
	unsigned int jobs; /* under way */
};
extern struct cluster_world world;
extern struct engine world_engine;
extern const struct epoch world_first, world_theirs, world_given;

void world_begin(bool standalone); /* failed over at the other side, heard of; the VM runs here */
void world_end(void);
void world_set(const char *prefix, const char *value); /* "" takes it out */
const char *world_get(const char *prefix);	       /* NULL: nothing */
/* An order of the other side; its answer is in world.answer by the next work. */
void world_order(void (*give)(struct peer_order *order), const char *job);
bool world_works(void); /* one piece of what is under way; false: there was none */
void world_ticks(void); /* the engine's clock goes on, by hours */
void world_engine_dies(void);
bool world_definition_is_there(void);
void world_target_becomes(const char *target);

#endif
