/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/dns_name.h"

bool plan_disks_match(const struct manifest_image *image, const struct plan_disk *disks,
		      size_t disk_count)
{
	size_t found_count = 0, leaving = 0;

	for (size_t i = 0; i < disk_count; i++) {
		const struct manifest_disk *found = manifest_image_find(image, disks[i].name);

		if (found == NULL || found->size_bytes != disks[i].size_bytes) {
			return false;
		}
		found_count++;
		leaving += found->leaving;
	}
	for (size_t i = 0; i < image->disk_count; i++) {
		found_count += image->disks[i].leaving;
	}
	return found_count - leaving == image->disk_count;
}

bool plan_disks_can_follow(const struct manifest_image *image, const struct plan_disk *disks,
			   size_t disk_count)
{
	for (size_t i = 0; i < disk_count; i++) {
		const struct manifest_disk *found = manifest_image_find(image, disks[i].name);

		if (found != NULL && found->size_bytes > disks[i].size_bytes) {
			return false;
		}
	}
	return true;
}

char *plan_order_format(const struct plan_disk *disks, size_t disk_count, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < disk_count && used < size; i++) {
		int n = snprintf(buf + used, size - used, "%s%s", i == 0 ? "" : ",", disks[i].name);

		used += n > 0 ? (size_t)n : 0;
	}
	return buf;
}

/* The first difference between the replica's disks and the sender's, as a sentence. */
static void difference_format(const struct manifest_image *image, const struct plan_disk *disks,
			      size_t disk_count, char *buf, size_t size)
{
	for (size_t i = 0; i < disk_count; i++) {
		const struct manifest_disk *found = manifest_image_find(image, disks[i].name);

		if (found == NULL) {
			snprintf(buf, size, "disk %s is new", disks[i].name);
			return;
		}
		if (found->size_bytes != disks[i].size_bytes) {
			snprintf(buf, size,
				 "disk %s has %" PRIu64 " bytes at the primary and %" PRIu64
				 " in the replica",
				 disks[i].name, disks[i].size_bytes, found->size_bytes);
			return;
		}
	}
	snprintf(buf, size, "the replica has disks that the primary no longer replicates");
}

bool plan_mark_holds(const struct manifest *manifest, Vmreplica__Wire__Mode mode,
		     const struct plan_disk *disks, size_t disk_count)
{
	const struct manifest_mark *mark = &manifest->mark;
	bool delta = mode == VMREPLICA__WIRE__MODE__MODE_DELTA;
	char order[sizeof(mark->disks)];

	return mode != VMREPLICA__WIRE__MODE__MODE_NONE && mark->mode == mode &&
	       strcmp(plan_order_format(disks, disk_count, order, sizeof(order)), mark->disks) ==
		       0 &&
	       plan_disks_match(delta ? &manifest->current : &manifest->pending, disks, disk_count);
}

void plan_next(const struct manifest *manifest, const struct plan_disk *disks, size_t disk_count,
	       struct plan *ret_plan)
{
	plan_next_for(manifest, disks, disk_count, false, ret_plan);
}

void plan_next_for(const struct manifest *manifest, const struct plan_disk *disks,
		   size_t disk_count, bool follows, struct plan *ret_plan)
{
	struct plan plan = {.mode = VMREPLICA__WIRE__MODE__MODE_DELTA};

	if (manifest->current.disk_count == 0) {
		plan.mode = VMREPLICA__WIRE__MODE__MODE_INITIAL;
	} else if (manifest->resync_needed) {
		plan.mode = VMREPLICA__WIRE__MODE__MODE_RESYNC;
		memcpy(plan.reason, manifest->resync_reason, sizeof(plan.reason));
	} else if (!plan_disks_match(&manifest->current, disks, disk_count) &&
		   !(follows && plan_disks_can_follow(&manifest->current, disks, disk_count))) {
		plan.mode = VMREPLICA__WIRE__MODE__MODE_RESYNC;
		difference_format(&manifest->current, disks, disk_count, plan.reason,
				  sizeof(plan.reason));
	}
	plan.has_mark = plan_mark_holds(manifest, plan.mode, disks, disk_count);
	*ret_plan = plan;
}

enum plan_epoch plan_epoch_compare(const struct manifest_epoch *ours,
				   const struct manifest_epoch *theirs)
{
	if (ours->number == 0) {
		return PLAN_EPOCH_FIRST;
	}
	if (theirs->number != ours->number) {
		return theirs->number > ours->number ? PLAN_EPOCH_HIGHER : PLAN_EPOCH_LOWER;
	}
	return strcmp(ours->lineage, theirs->lineage) == 0 ? PLAN_EPOCH_SAME : PLAN_EPOCH_CONFLICT;
}

enum plan_claim plan_epoch_claim(const struct manifest_epoch *ours,
				 const struct manifest_epoch *theirs, const char *site)
{
	enum plan_epoch how = plan_epoch_compare(ours, theirs);

	if (how != PLAN_EPOCH_FIRST && how != PLAN_EPOCH_HIGHER) {
		return PLAN_CLAIM_SOUND; /* nothing is claimed */
	}
	if (theirs->number - ours->number > EPOCH_STEP_MAX) {
		return PLAN_CLAIM_FAR;
	}
	return dns_name_equals(theirs->site, site) ? PLAN_CLAIM_SOUND : PLAN_CLAIM_FOREIGN;
}
