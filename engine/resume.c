/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MODE(name) VMREPLICA__WIRE__MODE__MODE_##name

/* The checkpoints that the receiver's answer refers to. */
struct resume_known {
	const struct checkpoint_name *committed; /* K0, or NULL when its bitmap is gone */
	const struct checkpoint_name *marked;	 /* K1, or NULL */
};

static const struct checkpoint_name *resume_find(const struct resume_input *input, uint64_t seq,
						 const char *cut_id)
{
	for (size_t i = 0; i < input->checkpoint_count; i++) {
		if (input->checkpoints[i].seq == seq &&
		    strcmp(input->checkpoints[i].cut_id, cut_id) == 0) {
			return &input->checkpoints[i];
		}
	}
	return NULL;
}

static bool resume_mark_is_valid(const struct resume_input *input)
{
	return !input->mark.present || (input->mark.disk < input->disk_count &&
					input->mark.offset <= input->disk_sizes[input->mark.disk]);
}

/* A broken checkpoint may be one that recorded writes after K0, so nothing older can be trusted
 * either. */
static Vmreplica__Wire__Mode resume_kind(const struct resume_input *input,
					 const struct resume_known *known, const char **ret_reason)
{
	*ret_reason = "";
	if (input->mode == MODE(INITIAL) || (input->mode == MODE(NONE) && !input->has_committed)) {
		*ret_reason = "the replica holds nothing yet";
		return MODE(INITIAL);
	}
	if (input->force_resync) {
		*ret_reason = "a resynchronization was asked for";
	} else if (input->mode == MODE(RESYNC)) {
		*ret_reason = "the replica's side asks for it";
	} else if (input->broken > 0) {
		*ret_reason = "a change bitmap is inconsistent or missing on a disk";
	} else if (known->committed == NULL) {
		*ret_reason = "the change bitmap of the last committed cycle is gone";
	} else {
		return MODE(DELTA);
	}
	return MODE(RESYNC);
}

static uint64_t resume_next_seq(const struct resume_input *input)
{
	uint64_t seq = input->next_seq > 1 ? input->next_seq : 1;

	for (size_t i = 0; i < input->checkpoint_count; i++) {
		if (input->checkpoints[i].seq >= seq) {
			seq = input->checkpoints[i].seq + 1;
		}
	}
	if (input->has_committed && input->committed_seq >= seq) {
		seq = input->committed_seq + 1;
	}
	if (input->mark.present && input->mark.seq >= seq) {
		seq = input->mark.seq + 1;
	}
	return seq;
}

static void resume_plan_add_range(struct resume_plan *plan, uint32_t disk, uint64_t offset,
				  uint64_t end, enum resume_rule rule)
{
	if (offset < end) {
		plan->ranges[plan->range_count++] =
			(struct resume_range){disk, offset, end - offset, rule};
	}
}

static enum resume_rule resume_rule_beyond(const struct resume_plan *plan, bool extra)
{
	switch (plan->kind) {
	case MODE(INITIAL):
		return plan->resumed ? RESUME_ALL : RESUME_ALLOCATED;
	case MODE(RESYNC):
		return RESUME_DIGEST;
	default:
		return plan->resumed || extra ? RESUME_DIRTY_OR_MAP : RESUME_DIRTY;
	}
}

static int resume_plan_ranges(struct resume_plan *plan, const struct resume_input *input)
{
	uint32_t mark_disk = plan->resumed ? plan->mark.disk : 0;
	uint64_t mark_offset = plan->resumed ? plan->mark.offset : 0;
	enum resume_rule beyond = resume_rule_beyond(plan, input->extra);

	/* each disk gives one range, the marked one two */
	plan->ranges = calloc(input->disk_count + 1, sizeof(*plan->ranges));
	if (plan->ranges == NULL) {
		return -ENOMEM;
	}
	for (uint32_t disk = 0; disk < mark_disk; disk++) {
		resume_plan_add_range(plan, disk, 0, input->disk_sizes[disk], RESUME_DIRTY);
	}
	resume_plan_add_range(plan, mark_disk, 0, mark_offset, RESUME_DIRTY);
	plan->phase_b = plan->range_count;
	for (uint32_t disk = mark_disk; disk < input->disk_count; disk++) {
		resume_plan_add_range(plan, disk, disk == mark_disk ? mark_offset : 0,
				      input->disk_sizes[disk], beyond);
	}
	return 0;
}

static int resume_plan_deletions(struct resume_plan *plan, const struct resume_input *input)
{
	plan->release_all =
		!plan->has_incremental && (input->checkpoint_count > 0 || input->broken > 0);
	if (plan->release_all || input->checkpoint_count == 0) {
		return 0;
	}
	plan->deletions = calloc(input->checkpoint_count, sizeof(*plan->deletions));
	if (plan->deletions == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < input->checkpoint_count; i++) {
		const struct checkpoint_name *name = &input->checkpoints[i];
		bool used = (plan->has_incremental && name->seq == plan->incremental.seq &&
			     strcmp(name->cut_id, plan->incremental.cut_id) == 0) ||
			    (plan->has_look && name->seq == plan->look.seq &&
			     strcmp(name->cut_id, plan->look.cut_id) == 0);

		if (!used) {
			plan->deletions[plan->deletion_count++] = *name;
		}
	}
	return 0;
}

/* The bases of the jobs: which bitmaps the ranges' rules refer to. */
static void resume_plan_bases(struct resume_plan *plan, const struct resume_input *input,
			      const struct resume_known *known)
{
	bool usable = input->mark.present && input->mark.mode == plan->kind && input->broken == 0 &&
		      known->marked != NULL && (input->mark.disk > 0 || input->mark.offset > 0);

	if (usable) {
		plan->resumed = true;
		plan->mark = input->mark;
		plan->has_incremental = true;
		plan->incremental = *known->marked;
	}
	if (plan->kind != MODE(DELTA)) {
		return;
	}
	if (usable) {
		plan->has_look = true;
		plan->look = *known->committed;
	} else {
		plan->has_incremental = true;
		plan->incremental = *known->committed;
	}
}

int resume_plan_make(const struct resume_input *input, struct resume_plan *ret_plan)
{
	struct resume_plan plan = {.seq = resume_next_seq(input)};
	struct resume_known known = {0};

	if (!resume_mark_is_valid(input) || (input->mode == MODE(DELTA) && !input->has_committed)) {
		return -EBADMSG;
	}
	if (input->has_committed) {
		known.committed = resume_find(input, input->committed_seq, input->committed_cut_id);
	}
	if (input->mark.present) {
		known.marked = resume_find(input, input->mark.seq, input->mark.cut_id);
	}
	plan.kind = resume_kind(input, &known, &plan.reason);
	resume_plan_bases(&plan, input, &known);
	if (resume_plan_ranges(&plan, input) < 0 || resume_plan_deletions(&plan, input) < 0) {
		resume_plan_destroy(&plan);
		return -ENOMEM;
	}
	*ret_plan = plan;
	return 0;
}

void resume_plan_destroy(struct resume_plan *plan)
{
	free(plan->ranges);
	free(plan->deletions);
	*plan = (struct resume_plan){0};
}

const char *resume_rule_to_string(enum resume_rule rule)
{
	switch (rule) {
	case RESUME_DIRTY:
		return "dirty";
	case RESUME_DIRTY_OR_MAP:
		return "dirty-or-map";
	case RESUME_ALLOCATED:
		return "allocated";
	case RESUME_ALL:
		return "all";
	case RESUME_DIGEST:
		return "digest";
	}
	return "?";
}

const char *resume_mode_to_string(Vmreplica__Wire__Mode mode)
{
	switch (mode) {
	case MODE(INITIAL):
		return "initial";
	case MODE(DELTA):
		return "delta";
	case MODE(RESYNC):
		return "resync";
	default:
		return "none";
	}
}

void resume_plan_print(const struct resume_plan *plan, FILE *file)
{
	fprintf(file, "%s seq %" PRIu64 "%s%s\n", resume_mode_to_string(plan->kind), plan->seq,
		plan->reason[0] != '\0' ? ": " : "", plan->reason);
	if (plan->release_all) {
		fprintf(file, "release all checkpoints\n");
	}
	for (size_t i = 0; i < plan->deletion_count; i++) {
		fprintf(file, "delete %" PRIu64 "-%s\n", plan->deletions[i].seq,
			plan->deletions[i].cut_id);
	}
	if (plan->has_look) {
		fprintf(file, "look since %" PRIu64 "-%s\n", plan->look.seq, plan->look.cut_id);
	}
	if (plan->has_incremental) {
		fprintf(file, "incremental since %" PRIu64 "-%s\n", plan->incremental.seq,
			plan->incremental.cut_id);
	}
	if (plan->resumed) {
		fprintf(file, "resume at disk %u offset %" PRIu64 "\n", plan->mark.disk,
			plan->mark.offset);
	}
	for (size_t i = 0; i < plan->range_count; i++) {
		const struct resume_range *range = &plan->ranges[i];

		fprintf(file, "%s disk %u [%" PRIu64 ", %" PRIu64 ") %s\n",
			i < plan->phase_b ? "a" : "b", range->disk, range->offset,
			range->offset + range->length, resume_rule_to_string(range->rule));
	}
}
