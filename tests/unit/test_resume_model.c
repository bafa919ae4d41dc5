/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner against a model of both sides: a guest that writes all the time, cycles that are
 * interrupted anywhere, answers that are lost, bitmaps that break. Whatever happens, what is
 * committed must be the disks at the cut, and nothing may be forgotten.
 */
#include <stdbool.h>

#include "proto/dirty_map.h"
#include "engine/resume.h"
#include "engine/selection.h"
#include "unit.h"

#define DISKS	   2u
#define BLOCKS	   24u
#define BLOCK	   ((uint64_t)DIRTY_MAP_GRANULE)
#define REL	   "11111111-2222-4333-8444-555555555555"
#define CUTS	   64u
#define MODE(name) VMREPLICA__WIRE__MODE__MODE_##name

static uint32_t random_state;

static uint32_t chance(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % below;
}

typedef uint32_t image[DISKS][BLOCKS];

struct model_cut {
	struct checkpoint_name name;
	bool dirty[DISKS][BLOCKS]; /* written since */
	image at;		   /* the disks at the cut: what only the test knows */
};

struct model {
	/* the VM */
	image disks;
	uint32_t writes;
	struct model_cut cuts[CUTS];
	size_t cut_count;
	size_t broken;
	/* the receiver */
	bool has_committed;
	uint64_t committed_seq, next_seq;
	char committed_id[CUT_ID_LEN + 1];
	image committed;
	image base; /* INITIAL, RESYNC: written in place */
	image log;  /* DELTA: what the durable part of the log holds */
	bool in_log[DISKS][BLOCKS];
	struct resume_mark mark;
	bool force_resync;
	uint64_t sent, resyncs, commits, resumed;
};

static void guest_writes(struct model *model, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t disk = chance(DISKS), block = chance(BLOCKS);

		model->disks[disk][block] = chance(4) == 0 ? 0 : ++model->writes;
		for (size_t k = 0; k < model->cut_count; k++) {
			model->cuts[k].dirty[disk][block] = true;
		}
	}
}

static struct model_cut *find_cut(struct model *model, uint64_t seq)
{
	for (size_t i = 0; i < model->cut_count; i++) {
		if (model->cuts[i].name.seq == seq) {
			return &model->cuts[i];
		}
	}
	return NULL;
}

static void delete_cut(struct model *model, uint64_t seq)
{
	struct model_cut *cut = find_cut(model, seq);

	if (cut != NULL) {
		size_t index = (size_t)(cut - model->cuts);

		memmove(cut, cut + 1, (model->cut_count - index - 1) * sizeof(*cut));
		model->cut_count--;
	}
}

static struct model_cut *make_cut(struct model *model, uint64_t seq)
{
	struct model_cut *cut = &model->cuts[model->cut_count++];

	memset(cut, 0, sizeof(*cut));
	strcpy(cut->name.relationship, REL);
	cut->name.epoch = 1;
	cut->name.seq = seq;
	snprintf(cut->name.cut_id, sizeof(cut->name.cut_id), "%016llx", (unsigned long long)seq);
	memcpy(cut->at, model->disks, sizeof(cut->at));
	return cut;
}

static void make_plan(struct model *model, struct resume_plan *ret_plan)
{
	static const uint64_t sizes[DISKS] = {BLOCKS * BLOCK, BLOCKS * BLOCK};
	struct checkpoint_name names[CUTS];
	struct resume_input input = {
		.checkpoints = names,
		.checkpoint_count = model->cut_count,
		.broken = model->broken,
		.has_committed = model->has_committed,
		.committed_seq = model->committed_seq,
		.mode = model->has_committed ? MODE(DELTA) : MODE(INITIAL),
		.mark = model->mark,
		.next_seq = model->next_seq,
		.disk_sizes = sizes,
		.disk_count = DISKS,
		.force_resync = model->force_resync,
	};

	for (size_t i = 0; i < model->cut_count; i++) {
		names[i] = model->cuts[i].name;
	}
	strcpy(input.committed_cut_id, model->committed_id);
	CU_ASSERT_EQUAL_FATAL(resume_plan_make(&input, ret_plan), 0);
}

static void take_deletions(struct model *model, const struct resume_plan *plan)
{
	for (size_t i = 0; i < plan->deletion_count; i++) {
		/* what the receiver refers to and can still be used stays */
		CU_ASSERT_NOT_EQUAL(plan->deletions[i].seq,
				    plan->kind == MODE(DELTA) ? model->committed_seq : 0);
		delete_cut(model, plan->deletions[i].seq);
	}
	if (plan->release_all) {
		CU_ASSERT_NOT_EQUAL(plan->kind, MODE(DELTA));
		model->cut_count = 0;
		model->broken = 0;
	}
}

static bool is_behind(uint32_t disk, uint64_t offset, const struct resume_mark *mark)
{
	return disk < mark->disk || (disk == mark->disk && offset < mark->offset);
}

/* A new cycle at the receiver: what is not before the mark is dropped (a log), or may hold anything
 * (in place). */
static void receiver_begins(struct model *model, const struct resume_plan *plan)
{
	bool fresh =
		chance(2) == 0; /* digests find whatever an interrupted resynchronization left */

	for (uint32_t disk = 0; disk < DISKS; disk++) {
		for (uint32_t block = 0; block < BLOCKS; block++) {
			bool keep = plan->resumed && is_behind(disk, block * BLOCK, &model->mark);

			if (plan->kind == MODE(DELTA) && !keep) {
				model->in_log[disk][block] = false;
			} else if (plan->kind == MODE(INITIAL) && !plan->resumed) {
				model->base[disk][block] = 0;
			} else if (plan->kind == MODE(RESYNC) && !plan->resumed && fresh) {
				model->base[disk][block] = model->committed[disk][block];
			}
		}
	}
	if (!plan->resumed) {
		model->mark = (struct resume_mark){0};
	}
}

struct sending {
	struct model *model;
	const struct resume_plan *plan;
	struct model_cut *cut;
	const struct model_cut *base;
	struct dirty_map *maps[DISKS];
	uint32_t steps_left; /* until the connection breaks */
	bool broken;
	/* of a delta: what came since the last mark and is lost with the connection */
	image log;
	bool in_log[DISKS][BLOCKS];
};

static void send_block(struct sending *sending, uint32_t disk, uint32_t block)
{
	uint32_t value = sending->cut->at[disk][block];

	if (sending->steps_left == 0) {
		sending->broken = true;
		return;
	}
	sending->steps_left--;
	sending->model->sent++;
	if (sending->plan->kind == MODE(DELTA)) {
		sending->log[disk][block] = value;
		sending->in_log[disk][block] = true;
	} else {
		sending->model->base[disk][block] = value;
	}
}

/* All before (disk, offset) becomes durable as of the new cut. */
static void take_mark(struct sending *sending, uint32_t disk, uint64_t offset)
{
	struct resume_mark *mark = &sending->model->mark;

	*mark = (struct resume_mark){.present = true,
				     .mode = sending->plan->kind,
				     .seq = sending->cut->name.seq,
				     .disk = disk,
				     .offset = offset};
	strcpy(mark->cut_id, sending->cut->name.cut_id);
	for (uint32_t d = 0; d < DISKS; d++) {
		for (uint32_t b = 0; b < BLOCKS; b++) {
			if (sending->in_log[d][b]) {
				sending->model->log[d][b] = sending->log[d][b];
				sending->model->in_log[d][b] = true;
			}
		}
	}
}

static void send_extents(struct sending *sending, const struct resume_range *range,
			 const struct extent_list *list)
{
	for (size_t i = 0; i < list->count && !sending->broken; i++) {
		uint64_t end = list->items[i].offset + list->items[i].length;

		for (uint64_t offset = list->items[i].offset; offset < end && !sending->broken;
		     offset += BLOCK) {
			uint32_t block = (uint32_t)(offset / BLOCK);

			if (range->rule != RESUME_DIGEST ||
			    sending->model->base[range->disk][block] !=
				    sending->cut->at[range->disk][block]) {
				send_block(sending, range->disk, block);
			}
		}
	}
}

static void send_range(struct sending *sending, const struct resume_range *range, bool markable)
{
	for (uint64_t offset = range->offset;
	     offset < range->offset + range->length && !sending->broken; offset += BLOCK) {
		uint32_t block = (uint32_t)(offset / BLOCK);
		struct extent_list list = {0};
		struct nbd_extent extent = {
			.offset = offset,
			.length = BLOCK,
			.dirty = sending->base == NULL || sending->base->dirty[range->disk][block],
			.zero = sending->cut->at[range->disk][block] == 0,
		};

		selection_add(&list, &extent, range->rule, sending->maps[range->disk]);
		send_extents(sending, range, &list);
		extent_list_destroy(&list);
		if (markable && !sending->broken && chance(5) == 0) {
			take_mark(sending, range->disk, offset + BLOCK);
		}
		guest_writes(sending->model, chance(3) == 0 ? 1 : 0);
	}
}

/* The look-only job: dirty since K0, as it is before the new cut. */
static void look(struct sending *sending)
{
	const struct model_cut *since = find_cut(sending->model, sending->plan->look.seq);

	CU_ASSERT_PTR_NOT_NULL_FATAL(since);
	for (uint32_t disk = 0; disk < DISKS; disk++) {
		sending->maps[disk] = dirty_map_new(BLOCKS * BLOCK);
		for (uint32_t block = 0; block < BLOCKS; block++) {
			if (since->dirty[disk][block]) {
				dirty_map_set(sending->maps[disk], block * BLOCK, BLOCK);
			}
		}
	}
	guest_writes(sending->model, chance(6));
}

static void commit(struct sending *sending)
{
	struct model *model = sending->model;

	for (uint32_t disk = 0; disk < DISKS; disk++) {
		for (uint32_t block = 0; block < BLOCKS; block++) {
			uint32_t got = sending->plan->kind == MODE(DELTA)
					       ? model->committed[disk][block]
					       : model->base[disk][block];

			if (sending->plan->kind == MODE(DELTA) && sending->in_log[disk][block]) {
				got = sending->log[disk][block];
			} else if (sending->plan->kind == MODE(DELTA) &&
				   model->in_log[disk][block]) {
				got = model->log[disk][block];
			}
			CU_ASSERT_EQUAL(got, sending->cut->at[disk][block]);
			model->committed[disk][block] = got;
		}
	}
	model->has_committed = true;
	model->committed_seq = sending->cut->name.seq;
	strcpy(model->committed_id, sending->cut->name.cut_id);
	model->next_seq = model->committed_seq + 1;
	model->mark = (struct resume_mark){0};
	memset(model->in_log, 0, sizeof(model->in_log));
	model->commits++;
	model->resyncs += sending->plan->kind == MODE(RESYNC);
}

static void run_cycle(struct model *model, uint32_t steps)
{
	struct resume_plan plan;
	struct sending sending = {.model = model, .plan = &plan, .steps_left = steps};

	make_plan(model, &plan);
	take_deletions(model, &plan);
	model->resumed += plan.resumed;
	if (plan.has_look) {
		look(&sending);
	}
	sending.cut = make_cut(model, plan.seq);
	sending.base = plan.has_incremental ? find_cut(model, plan.incremental.seq) : NULL;
	CU_ASSERT_TRUE_FATAL(!plan.has_incremental || sending.base != NULL);
	/* the job's view of the bitmap is frozen at the cut */
	struct model_cut frozen = sending.base != NULL ? *sending.base : (struct model_cut){0};
	struct model_cut frozen_cut = *sending.cut;

	sending.base = sending.base != NULL ? &frozen : NULL;
	sending.cut = &frozen_cut;
	receiver_begins(model, &plan);
	for (size_t i = 0; i < plan.range_count && !sending.broken; i++) {
		send_range(&sending, &plan.ranges[i], i >= plan.phase_b);
	}
	if (!sending.broken && steps % 7 != 0) { /* else CYCLE_END is lost */
		commit(&sending);
		if (chance(3) != 0) { /* else COMMITTED is lost: both cuts stay for now */
			delete_cut(model, plan.has_incremental ? plan.incremental.seq : 0);
			delete_cut(model, plan.has_look ? plan.look.seq : 0);
			model->force_resync = model->force_resync && plan.kind != MODE(RESYNC);
		}
	}
	dirty_map_free(sending.maps[0]);
	dirty_map_free(sending.maps[1]);
	resume_plan_destroy(&plan);
}

static void run_model(uint32_t seed, struct model *model)
{
	random_state = seed * 2654435761u + 1;
	memset(model, 0, sizeof(*model));
	guest_writes(model, 40);
	for (uint32_t cycle = 0; cycle < 40; cycle++) {
		guest_writes(model, chance(12));
		if (chance(25) == 0 && model->cut_count > 0) { /* QEMU is killed */
			model->broken = model->cut_count;
			model->cut_count = 0;
		}
		if (chance(30) == 0 && model->has_committed) {
			model->force_resync = true;
		}
		run_cycle(model, chance(3) == 0 ? 1000 : chance(60));
	}
	run_cycle(model, 1000);
}

static void test_model(void)
{
	static struct model model;
	uint64_t commits = 0, resyncs = 0, resumed = 0;

	for (uint32_t seed = 1; seed <= 400; seed++) {
		run_model(seed, &model);
		commits += model.commits;
		resyncs += model.resyncs;
		resumed += model.resumed;
	}
	/* the model did go where it should */
	CU_ASSERT(commits > 4000);
	CU_ASSERT(resyncs > 200);
	CU_ASSERT(resumed > 2000);
}

static const struct unit_test tests[] = {
	{"interrupted cycles never lose a change", test_model},
};
UNIT_MAIN("resume-model", tests)
