/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An old primary's side makes way for the new primary, which orders it (ORDER_BECOME_REPLICA):
 *
 *   its epoch durable -> that this side makes way, and whether its VM was to run, durable -> the VM
 *   stopped (by Pacemaker, or without one by libvirt), if it ran on in isolation -> where its disks
 *   differ from the last cycle that the new primary received, read from its bitmaps offline, into
 *   a file -> the other side asked whether it still holds that epoch -> role=replica, the disks
 *   adopted (become_replica.h)
 *
 * Each step can be done again; the order is given again until it is done. Before each it is looked
 * whether the epoch still is the highest that is known here, and nobody here has promised the other
 * side to stay (ORDER_STAY: it cancels its failover). Else all is taken back (give_way_back.c), and
 * the VM starts here again once the other side has given it back. An engine that dies leaves it in
 * the settings: the order comes again, or the promise is asked for, or the other side is found to
 * have given the VM back.
 *
 *   give_way.c        the order, and what drives the steps
 *   give_way_steps.c  the steps
 *   give_way_read.c   what changed (workers); give_way_keep.c what is kept beside the store
 *   give_way_back.c   the way back
 *
 * Control thread only; the reading is on a worker.
 */
#ifndef VMR_ENGINE_GIVE_WAY_H
#define VMR_ENGINE_GIVE_WAY_H

#include "cluster/epoch.h"
#include "engine/failover_job.h"
#include "engine/handover.h"
#include "engine/order_client.h"
#include "engine/peer_order.h"
#include "engine/vm_settings.h"

enum give_way_step {
	GIVE_WAY_EPOCH,
	GIVE_WAY_NOTE,
	GIVE_WAY_STOP,
	GIVE_WAY_STOPPED,
	GIVE_WAY_READ,
	GIVE_WAY_ASK,
	GIVE_WAY_ROLE,
	GIVE_WAY_END,
	GIVE_WAY_BACK,
	GIVE_WAY_STAYED, /* the end of the way back */
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
	char order_job[JOB_ID_LEN + 1]; /* of the other side; "" = an older one's */
	char stays[JOB_ID_LEN + 1];	/* STANDING_STAYS when it began; "" = none */
	char promised[JOB_ID_LEN +
		      1]; /* that it is taken back, to be recorded; "" = not asked for */
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
	bool ran;	     /* without a cluster: the VM, before it was stopped */
	struct order_answer answer;
	struct trouble trouble;
	bool waited; /* for the other side's word: what was read may be out of date */
	char text[SOURCE_ERROR_LEN];
};

/* What give_way_read needs of the configuration; the cuts are the caller's to fill in. NULL with a
 * sentence when something is missing. */
struct give_way *give_way_new(struct engine *engine, const struct peer_contact *contact,
			      const char *peer_site, char error[REASON_MAX]);
void give_way_free(struct give_way *way); /* NULL allowed; of no list */
/* BECOME_REPLICA and STAY. Each takes the order's call. */
void give_way_ordered(struct peer_order *order);
void give_way_stay(struct peer_order *order);
/* The same on a side that is the replica already: it has given back what it took, and the other
 * side has failed over since. Nothing of its own is to be adopted; it follows in their epoch. */
void give_way_as_replica(struct peer_order *order, const struct epoch *theirs);
void give_way_tick(struct engine *engine, int64_t now_ms);
void give_way_free_all(struct engine *engine);

/* ---- for the steps ---- */
struct give_way *give_way_find(const struct engine *engine, const char *relationship);
void give_way_run(struct give_way *way); /* the step that is due */
void give_way_next(struct give_way *way);
/* The same step again in a moment. */
void give_way_later(struct give_way *way, const char *text);

/* ---- the way back (give_way_back.c) ---- */
/* Everything of it that may have been done is undone: the definition has its name again, libvirt
 * knows the VM no more, our resource follows it again. stays: the job whose order is given up, to
 * be promised in the same change; "" = none. Where this side holds the epoch again, the VM is to
 * run again if it was before. done is called once, later: 0, -ESTALE (this side has become the
 * replica), or another negative errno when it should be tried again. */
void give_way_take_back(struct engine *engine, const struct peer_contact *contact,
			const char *stays, cluster_done_cb done, void *arg);
/* Where something of it stands, the other side is asked every few seconds whether it has given the
 * VM back. Nobody else would: our resource stands still with the VM. */
void give_way_watch(struct engine *engine, int64_t now_ms);
/* What STANDING_WAY says (NULL: nothing): was the VM to run before? */
bool give_way_ran(const char *standing);
/* Workers: the definition at path has its name again, should it have been moved aside
 * (give_way_read). 0 or a negative errno. */
int give_way_definition_back(const char *path);

/* Workers only (give_way_read.c): fill adopt and bytes; a term that is missing makes it a digest
 * resynchronization, with why in text. A definition that lies where the replica's will is moved
 * aside first: nothing starts on these disks any more. libvirt knows the VM no more afterwards. 0,
 * or a negative errno when it should be tried again. */
int give_way_read(struct give_way *way);

#endif
