/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the receiver expects next from a sender: pure functions of the manifest and of the sender's
 * disks. */
#ifndef VMR_RECEIVER_PLAN_H
#define VMR_RECEIVER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "receiver/manifest.h"

struct plan_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
};

struct plan {
	Vmreplica__Wire__Mode mode;
	bool has_mark;		     /* manifest->mark can be resumed from */
	char reason[REASON_MAX + 1]; /* why RESYNC; "" otherwise */
};

/* INITIAL while there is no image; RESYNC when one is required or the disks differ; else DELTA. */
void plan_next(const struct manifest *manifest, const struct plan_disk *disks, size_t disk_count,
	       struct plan *ret_plan);

/* The same for a sender that follows changes of its disks: grown, added and removed ones are no
 * reason for a resynchronization. */
void plan_next_for(const struct manifest *manifest, const struct plan_disk *disks,
		   size_t disk_count, bool follows, struct plan *ret_plan);

/* True when none of these disks is smaller than image's: it can be made to fit. */
bool plan_disks_can_follow(const struct manifest_image *image, const struct plan_disk *disks,
			   size_t disk_count);

/* True when a cycle of mode over these disks, in this order, can go on from the manifest's mark. */
bool plan_mark_holds(const struct manifest *manifest, Vmreplica__Wire__Mode mode,
		     const struct plan_disk *disks, size_t disk_count);

/* True when image has exactly these disks, by name and size, in any order; those that are leaving
 * may be missing. */
bool plan_disks_match(const struct manifest_image *image, const struct plan_disk *disks,
		      size_t disk_count);

/* "vda,vdb": the order that a mark's disk index refers to. Returns buf. */
char *plan_order_format(const struct plan_disk *disks, size_t disk_count, char *buf, size_t size);

/* How an epoch that a sender shows stands to the store's. */
enum plan_epoch {
	PLAN_EPOCH_SAME,
	PLAN_EPOCH_FIRST,    /* the store has none yet */
	PLAN_EPOCH_HIGHER,   /* the primary failed over since: take it, and compare all data */
	PLAN_EPOCH_LOWER,    /* an old primary: refused */
	PLAN_EPOCH_CONFLICT, /* equal numbers, different lineage: refused */
};
enum plan_epoch plan_epoch_compare(const struct manifest_epoch *ours,
				   const struct manifest_epoch *theirs);

/* May a sender of site bring an epoch that the store does not have yet? It must name that site as
 * its holder, and may be ahead by no more than failovers explain: whoever could name the last
 * number there is, or another's site, would end all failovers of the VM. */
enum plan_claim {
	PLAN_CLAIM_SOUND,
	PLAN_CLAIM_FOREIGN, /* it is another site's epoch */
	PLAN_CLAIM_FAR,	    /* ahead by more than EPOCH_STEP_MAX */
};
enum plan_claim plan_epoch_claim(const struct manifest_epoch *ours,
				 const struct manifest_epoch *theirs, const char *site);

#endif
