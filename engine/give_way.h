/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An old primary's side makes way for the new primary, which orders it (ORDER_BECOME_REPLICA):
 *
 *   its epoch durable -> the VM stopped (by Pacemaker, or without one by libvirt), if it ran on in
 *   isolation -> where its disks
 *   differ from the last cycle that the new primary received, read from its bitmaps offline, into
 *   a file -> role=replica, the disks adopted (become_replica.h)
 *
 * Each step can be done again; the order is given again until it is done. Control thread only; the
 * reading is on a worker.
 */
#ifndef VMR_ENGINE_GIVE_WAY_H
#define VMR_ENGINE_GIVE_WAY_H

#include "cluster/epoch.h"
#include "engine/failover_job.h"
#include "engine/handover.h"
#include "engine/peer_order.h"
#include "engine/vm_settings.h"

enum give_way_step {
	GIVE_WAY_EPOCH,
	GIVE_WAY_STOP,
	GIVE_WAY_STOPPED,
	GIVE_WAY_READ,
	GIVE_WAY_ROLE,
	GIVE_WAY_END,
};

struct give_way {
	struct give_way *next;
	struct engine *engine; /* borrowed */
	struct failover_job *job;
	struct admin_call *call; /* while the disks are looked at, before it has begun */
	struct peer_contact contact;
	struct epoch epoch; /* the new primary's */
	char peer_site[SITE_NAME_MAX + 1];
	uint64_t from_seq; /* what the new primary began from */
	char from_cut_id[CUT_ID_LEN + 1];
	uint64_t last_seq; /* the last one that it received */
	char last_cut_id[CUT_ID_LEN + 1];
	enum give_way_step step;
	bool busy;
	int64_t step_ms, retry_ms;	   /* monotonic */
	char definition[PATH_LEN_MAX + 1]; /* that names the disks */
	char storage[PATH_LEN_MAX + 1];	   /* of the replica that this side becomes */
	struct vm_settings settings;	   /* owned: of the resource here */
	/* the worker's */
	struct adopt_order adopt;
	uint64_t bytes;	     /* that differ */
	uint64_t size_bytes; /* of all disks */
	char text[SOURCE_ERROR_LEN];
};

/* What give_way_read needs of the configuration; the cuts are the caller's to fill in. NULL with a
 * sentence when something is missing. */
struct give_way *give_way_new(struct engine *engine, const struct peer_contact *contact,
			      const char *peer_site, char error[REASON_MAX]);
void give_way_free(struct give_way *way); /* NULL allowed; of no list */
/* Takes the order's call. */
void give_way_ordered(struct peer_order *order);
/* The same on a side that is the replica already: it has given back what it took, and the other
 * side has failed over since. Nothing of its own is to be adopted; it follows in their epoch. */
void give_way_as_replica(struct peer_order *order, const struct epoch *theirs);
void give_way_tick(struct engine *engine, int64_t now_ms);
void give_way_free_all(struct engine *engine);

/* Workers only (give_way_read.c): fill adopt and bytes; a term that is missing makes it a digest
 * resynchronization, with why in text. A definition that lies where the replica's will is moved
 * aside first: nothing starts on these disks any more. libvirt knows the VM no more afterwards. 0,
 * or a negative errno when it should be tried again. */
int give_way_read(struct give_way *way);

#endif
