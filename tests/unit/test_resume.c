/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "engine/resume.h"
#include "golden.h"
#include "unit.h"

#define GIB	   (1ull << 30)
#define REL	   "11111111-2222-4333-8444-555555555555"
#define MODE(name) VMREPLICA__WIRE__MODE__MODE_##name

static const uint64_t sizes[] = {2 * GIB, 1 * GIB};
static const struct checkpoint_name cuts[] = {
	{REL, 1, 4, "aaaaaaaaaaaaaaaa"},
	{REL, 1, 5, "bbbbbbbbbbbbbbbb"},
	{REL, 1, 7, "cccccccccccccccc"},
};

static struct resume_input input_of(Vmreplica__Wire__Mode mode)
{
	return (struct resume_input){.mode = mode, .disk_sizes = sizes, .disk_count = 2};
}

static void have_cuts(struct resume_input *input, size_t first, size_t count)
{
	input->checkpoints = cuts + first;
	input->checkpoint_count = count;
}

static void committed(struct resume_input *input, size_t cut)
{
	input->has_committed = true;
	input->committed_seq = cuts[cut].seq;
	strcpy(input->committed_cut_id, cuts[cut].cut_id);
	input->next_seq = cuts[cut].seq + 1;
}

static void marked(struct resume_input *input, size_t cut, Vmreplica__Wire__Mode mode,
		   uint32_t disk, uint64_t offset)
{
	input->mark = (struct resume_mark){.present = true,
					   .mode = mode,
					   .seq = cuts[cut].seq,
					   .disk = disk,
					   .offset = offset};
	strcpy(input->mark.cut_id, cuts[cut].cut_id);
}

static void print_plan(struct golden *golden, const char *name, const struct resume_input *input)
{
	struct resume_plan plan;
	int result = resume_plan_make(input, &plan);

	fprintf(golden->file, "== %s\n", name);
	if (result < 0) {
		fprintf(golden->file, "refused: %s\n", strerror(-result));
		return;
	}
	resume_plan_print(&plan, golden->file);
	resume_plan_destroy(&plan);
}

static void test_initial(void)
{
	struct golden golden;
	struct resume_input input = input_of(MODE(INITIAL));

	golden_begin(&golden);
	print_plan(&golden, "first contact", &input);
	have_cuts(&input, 0, 1);
	print_plan(&golden, "interrupted before the first mark: the cut goes", &input);
	marked(&input, 0, MODE(INITIAL), 0, 512ull << 20);
	print_plan(&golden, "interrupted on the first disk", &input);
	marked(&input, 0, MODE(INITIAL), 1, 64 << 20);
	print_plan(&golden, "interrupted on the second disk", &input);
	have_cuts(&input, 0, 2);
	print_plan(&golden, "a later attempt made a cut that the receiver holds nothing of",
		   &input);
	have_cuts(&input, 1, 1);
	print_plan(&golden, "the marked cut is gone: from the beginning", &input);
	have_cuts(&input, 0, 1);
	input.broken = 1;
	print_plan(&golden, "another one is broken: from the beginning", &input);
	CU_ASSERT(golden_end(&golden, "engine/resume-initial.golden"));
}

static void test_delta(void)
{
	struct golden golden;
	struct resume_input input = input_of(MODE(DELTA));

	golden_begin(&golden);
	have_cuts(&input, 0, 1);
	committed(&input, 0);
	print_plan(&golden, "plain", &input);
	have_cuts(&input, 0, 2);
	print_plan(&golden, "CYCLE_END was never answered and did not arrive", &input);
	committed(&input, 1);
	print_plan(&golden, "CYCLE_END arrived, its COMMITTED was lost", &input);
	committed(&input, 0);
	marked(&input, 1, MODE(DELTA), 0, 1 * GIB);
	print_plan(&golden, "interrupted behind a mark", &input);
	marked(&input, 1, MODE(DELTA), 0, 0);
	print_plan(&golden, "a mark at the very beginning is worth nothing", &input);
	have_cuts(&input, 0, 3);
	marked(&input, 1, MODE(DELTA), 1, 0);
	print_plan(&golden,
		   "interrupted twice, the second time before the first mark's end was passed",
		   &input);
	have_cuts(&input, 0, 1);
	print_plan(&golden, "the marked cut is gone: all since the committed one", &input);
	input.next_seq = 40;
	input.mark.present = false;
	print_plan(&golden, "the receiver asks for a higher number", &input);
	CU_ASSERT(golden_end(&golden, "engine/resume-delta.golden"));
}

static void test_extra(void)
{
	struct golden golden;
	struct resume_input input = input_of(MODE(DELTA));

	golden_begin(&golden);
	input.extra = true;
	have_cuts(&input, 0, 1);
	committed(&input, 0);
	print_plan(&golden, "the direction has changed", &input);
	have_cuts(&input, 0, 2);
	marked(&input, 1, MODE(DELTA), 1, 64 << 20);
	print_plan(&golden, "interrupted behind a mark", &input);
	have_cuts(&input, 1, 1);
	input.mark.present = false;
	print_plan(&golden, "the bitmap that the overlay began with is gone", &input);
	CU_ASSERT(golden_end(&golden, "engine/resume-extra.golden"));
}

static void test_resync(void)
{
	struct golden golden;
	struct resume_input input = input_of(MODE(DELTA));

	golden_begin(&golden);
	committed(&input, 0);
	print_plan(&golden, "no bitmap at all (a new QEMU without them)", &input);
	have_cuts(&input, 1, 1);
	print_plan(&golden, "the committed cut's bitmap alone is gone", &input);
	have_cuts(&input, 0, 1);
	input.broken = 2;
	print_plan(&golden, "QEMU was killed", &input);
	input.broken = 0;
	input.force_resync = true;
	print_plan(&golden, "asked for", &input);
	input.mode = MODE(RESYNC);
	input.force_resync = false;
	print_plan(&golden, "the receiver asks for it", &input);
	have_cuts(&input, 2, 1);
	marked(&input, 2, MODE(RESYNC), 0, 300ull << 20);
	print_plan(&golden, "interrupted behind a mark", &input);
	input.force_resync = true;
	input.mode = MODE(DELTA);
	print_plan(&golden, "asked for, begun, interrupted", &input);
	marked(&input, 2, MODE(DELTA), 0, 300ull << 20);
	print_plan(&golden, "a delta's mark is no resynchronization's", &input);
	CU_ASSERT(golden_end(&golden, "engine/resume-resync.golden"));
}

static void test_refuses_contradictions(void)
{
	struct resume_input input = input_of(MODE(DELTA));
	struct resume_plan plan;

	CU_ASSERT_EQUAL(resume_plan_make(&input, &plan), -EBADMSG); /* a delta on nothing */
	committed(&input, 0);
	marked(&input, 1, MODE(DELTA), 2, 0);
	CU_ASSERT_EQUAL(resume_plan_make(&input, &plan), -EBADMSG); /* no such disk */
	marked(&input, 1, MODE(DELTA), 1, sizes[1] + 1);
	CU_ASSERT_EQUAL(resume_plan_make(&input, &plan), -EBADMSG); /* beyond its end */
}

static const struct unit_test tests[] = {
	{"initial replication", test_initial},
	{"delta", test_delta},
	{"more than the bitmaps say", test_extra},
	{"resynchronization", test_resync},
	{"contradictions", test_refuses_contradictions},
};
UNIT_MAIN("resume", tests)
