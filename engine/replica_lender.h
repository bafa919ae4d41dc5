/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bridge from a worker that reads a replica (extended replication) to the receiver that owns its
 * store: STORE_LEND and its answer go over the control thread, the worker waits. Questions of a
 * worker block; the rest is the control thread's.
 */
#ifndef VMR_ENGINE_REPLICA_LENDER_H
#define VMR_ENGINE_REPLICA_LENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/canceller.h"
#include "proto/ipc.pb-c.h"
#include "proto/limits.h"

#define REPLICA_LENDER_ERROR_LEN 512
#define REPLICA_LENT_KNOWN	 2u

struct engine;

/* Filled by the control thread, borrowed by one worker at a time. */
struct replica_lender {
	struct engine *engine;	      /* borrowed */
	const char *socket_directory; /* borrowed: where the receiver's user may listen */
	struct canceller *canceller;  /* borrowed: ends a worker's wait */
	char relationship[RELATIONSHIP_LEN + 1]; /* the replica's, whose store is read */
	char reader[RELATIONSHIP_LEN + 1];	 /* the relationship that reads */
	char directory[PATH_LEN_MAX + 1];	 /* the store's */
};

struct replica_lend_question {
	const char *after_cut_id; /* "" = do not tell what changed */
	const char *known[REPLICA_LENT_KNOWN];
	size_t known_count;
	bool look;	  /* only tell what there is */
	bool application; /* rather an application-consistent state, if there is one behind after */
};

struct replica_lent_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
	char layer[PATH_LEN_MAX + 1]; /* absolute: to be read with all below it */
};

struct replica_lent {
	char cut_id[CUT_ID_LEN + 1];
	uint64_t seq;
	int64_t time_ms; /* the primary's wall clock at that cut */
	bool application;
	struct replica_lent_disk disks[DISKS_MAX];
	size_t disk_count;
	bool known[REPLICA_LENT_KNOWN];
	char extents[PATH_LEN_MAX + 1];	 /* proto/extent_file.h; "" = none */
	char vm_state[PATH_LEN_MAX + 1]; /* proto/vm_state.h; "" = none */
};

/* Ask, and wait for the answer. 0; -ESTALE (what changed since that cut is not known any more);
 * -EAGAIN (the store cannot lend now: it is not open, being resynchronized, ...); -ECANCELED;
 * -ETIMEDOUT; with a sentence. A worker's. */
int replica_lender_ask(const struct replica_lender *lender,
		       const struct replica_lend_question *question, struct replica_lent *ret_lent,
		       char error[REPLICA_LENDER_ERROR_LEN]);
/* Give back what was lent. Does not wait. A worker's. */
void replica_lender_return(const struct replica_lender *lender);

/* ---- the control thread's ---- */
void replica_lender_answered(struct engine *engine, const Vmreplica__Ipc__StoreLent *answer);
/* The receiver is gone, or the engine stops: who waits is told. */
void replica_lender_receiver_lost(struct engine *engine);

#endif
