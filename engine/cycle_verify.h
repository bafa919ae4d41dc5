/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verification: proves, block by block, that the replica equals the primary at a cycle's cut. A
 * cycle that was committed keeps its backup job, whose frozen view is that cut, a little longer:
 * both sides hash the same blocks, the receiver says which differ. Nothing is written anywhere.
 *
 * A whole VM takes as many slices as it needs, each against the cut of its own cycle, and each
 * bounded in time: the job's scratch and the next cycles must not suffer. Or it is asked for at one
 * cut: then replication waits for it, and only the room for scratch bounds it.
 */
#ifndef VMR_ENGINE_CYCLE_VERIFY_H
#define VMR_ENGINE_CYCLE_VERIFY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/trouble.h"
#include "proto/limits.h"

#define VERIFY_DIFFERENCES_MAX 1000u /* listed ones; all are counted */
#define VERIFY_FRUITLESS_MAX   20u   /* slices in a row that compared nothing, before it fails */

struct verify_difference {
	char disk[DISK_NAME_MAX + 1];
	uint64_t offset, length; /* bytes */
};

/* The disks as the verification knows them: another list begins it anew. */
struct verify_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
};

/* One verification. Owned by the control thread; a cycle's worker alone writes it while the cycle
 * runs, but for what is atomic. */
struct verify_state {
	_Atomic uint64_t done_bytes, total_bytes;
	int64_t slice_ms; /* how long a job may be kept for it */
	bool one_cut;	  /* all in one slice, or from the beginning in the next one */
	struct verify_disk disks[DISKS_MAX];
	uint32_t disk_count;
	uint32_t disk; /* position: the next block to compare */
	uint64_t offset;
	uint64_t first_seq, last_seq; /* the cuts */
	uint32_t cuts;
	struct verify_difference *differences; /* owned */
	size_t difference_count;
	uint64_t differing_bytes;
	unsigned int fruitless;
	bool complete;
	bool used;		/* the last cycle gave it a slice */
	struct trouble trouble; /* of the last slice; code "" = none */
};

/* Zero-initialize, then this: 0 or -ENOMEM. */
int verify_state_init(struct verify_state *verify, int64_t slice_ms, bool one_cut);
void verify_state_destroy(struct verify_state *verify);
/* From the beginning, without differences. */
void verify_state_restart(struct verify_state *verify);
/* A slice at the cut of cycle seq has ended, which began with before_bytes done. confirmed: what
 * was read is of that cut; cancelled: somebody else needed the job. */
void verify_state_end_slice(struct verify_state *verify, uint64_t seq, uint64_t before_bytes,
			    bool confirmed, bool cancelled);
/* Take the cut's disks: begins anew when they are not those of the slice before. */
void verify_state_take_disks(struct verify_state *verify, const struct verify_disk *disks,
			     uint32_t disk_count);
/* The bits of count blocks from offset on that differ (the last block ends at end). */
void verify_state_note(struct verify_state *verify, uint32_t disk, uint64_t offset, uint64_t end,
		       uint32_t block_bytes, const uint8_t *map, uint32_t count);

struct cycle;
struct cycle_reader;
/* One slice with the committed cycle's open job; reader is fit for it. Fills cycle->verify. The
 * peer is closed when the connection cannot be used any more. */
void cycle_verify_slice(struct cycle *cycle, struct cycle_reader *reader);

#endif
