/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the next cycle must send: a pure decision from the checkpoints that stand on our disks and
 * the receiver's WELCOME.
 *
 *   K0  the cut that the receiver has committed (Welcome.committed)
 *   K1  the cut of an interrupted cycle: everything of its send order before (disk, offset) is
 *       durable there (Welcome.mark)
 *   K2  the cut that the coming cycle makes
 *
 * Phase (a), before the mark: what is dirty since K1.
 * Phase (b), from the mark on: INITIAL everything; RESYNC what the digests say; DELTA what is dirty
 * since K0, which a look-only job reads first (a write between the look and K2 is dirty since K1 as
 * well, so the union misses nothing).
 * A mark of cut K2 may be asked for only when (a) is done: then everything before it is as of K2.
 *
 * A checkpoint is deleted only when the receiver's WELCOME shows that it holds nothing of it: it
 * names K0 and K1, and all others go. After an unanswered CYCLE_END both cuts thus stay until
 * WELCOME decides.
 */
#ifndef VMR_ENGINE_RESUME_H
#define VMR_ENGINE_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/names.h"
#include "proto/wire.pb-c.h"

struct resume_mark {
	bool present;
	Vmreplica__Wire__Mode mode;
	uint64_t seq;
	char cut_id[CUT_ID_LEN + 1];
	uint32_t disk; /* index in the replicated disks */
	uint64_t offset;
};

struct resume_input {
	const struct checkpoint_name *checkpoints; /* consistent ones, ascending by seq; borrowed */
	size_t checkpoint_count;
	size_t broken; /* checkpoints of ours that are inconsistent or missing on a disk */
	bool has_committed;
	uint64_t committed_seq;
	char committed_cut_id[CUT_ID_LEN + 1];
	Vmreplica__Wire__Mode mode; /* what the receiver expects */
	struct resume_mark mark;
	uint64_t next_seq;	    /* the receiver's lowest allowed seq */
	const uint64_t *disk_sizes; /* of the replicated disks; borrowed */
	uint32_t disk_count;
	/* more must travel than the bitmaps say: a map of each disk tells what (the first cycle
	 * after a failover's change of direction) */
	bool extra;
	bool force_resync; /* the admin asked, or an earlier cycle found the disk changed */
};

enum resume_rule {
	RESUME_DIRTY,	     /* what the job's bitmap calls dirty */
	RESUME_DIRTY_OR_MAP, /* that, and what the look-only job found */
	RESUME_ALLOCATED,    /* everything that is not a hole or zero (onto a fresh, empty base) */
	RESUME_ALL,	     /* everything: the base may hold what an interrupted cycle left */
	RESUME_DIGEST,	     /* compare digests, send what differs */
};

struct resume_range {
	uint32_t disk;
	uint64_t offset, length;
	enum resume_rule rule;
};

struct resume_plan {
	Vmreplica__Wire__Mode kind; /* INITIAL, DELTA or RESYNC */
	const char *reason;	    /* static: why not a plain delta; "" otherwise */
	uint64_t seq;		    /* of the new cut */
	bool has_incremental;
	struct checkpoint_name incremental; /* the job's base */
	bool has_look;
	struct checkpoint_name look; /* base of the look-only job before it */
	bool resumed;		     /* the mark is used: it goes into CYCLE_BEGIN.resumed */
	struct resume_mark mark;
	struct resume_range *ranges; /* owned; in send order */
	size_t range_count;
	size_t phase_b;	  /* index of the first range from the mark on; MARK_REQUESTs start there */
	bool release_all; /* remove every bitmap of ours first, broken ones too */
	struct checkpoint_name *deletions; /* owned; may go now */
	size_t deletion_count;
};

/* Decide. 0 with *ret_plan (release with resume_plan_destroy), -ENOMEM, or -EBADMSG when the
 * WELCOME contradicts itself. */
int resume_plan_make(const struct resume_input *input, struct resume_plan *ret_plan);
void resume_plan_destroy(struct resume_plan *plan);
/* One line of text for each decision: for the log and golden tests. */
void resume_plan_print(const struct resume_plan *plan, FILE *file);
const char *resume_rule_to_string(enum resume_rule rule);
const char *
resume_mode_to_string(Vmreplica__Wire__Mode mode); /* "initial", "delta", "resync", "none" */

#endif
