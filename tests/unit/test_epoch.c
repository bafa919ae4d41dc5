/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/epoch.h"

#include <errno.h>
#include <inttypes.h>

#include "golden.h"
#include "unit.h"

#define SITES	  3
#define DEPTH	  9
#define NAMES_MAX 64

static const char *const sites[SITES] = {"a.example", "b.example", "c.example"};
static const char relationship[] = "11111111-2222-4333-8444-555555555555";

static void test_text(void)
{
	struct epoch epoch, back = {0};
	char text[EPOCH_TEXT_LEN];
	static const char *const wrong[] = {
		"",
		"0 abc a.example",
		"-1 abc a.example",
		"1",
		"1 abc",
		"1 abc ",
		"1  a.example",
		"1 xyz a.example",
		"1 abc *.example",
		"1 abc a example",
		"9223372036854775808 abc a.example",
		"99999999999999999999 abc a.example",
		"1 0123456789012345678901234567890123456 a.example",
	};

	epoch_first(relationship, "a.example", &epoch);
	CU_ASSERT_STRING_EQUAL(epoch_format(&epoch, text),
			       "1 11111111-2222-4333-8444-555555555555 a.example");
	CU_ASSERT_EQUAL(epoch_parse(text, &back), 0);
	CU_ASSERT(epoch_equal(&epoch, &back));
	CU_ASSERT_STRING_EQUAL(back.site, "a.example");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_EQUAL(epoch_parse(wrong[i], &back), -EINVAL);
	}
	CU_ASSERT_EQUAL(epoch_parse(NULL, &back), -EINVAL);
	CU_ASSERT_STRING_EQUAL(back.site, "a.example");
}

static void test_raise(void)
{
	struct epoch epoch, next, other;

	epoch_first(relationship, "a.example", &epoch);
	CU_ASSERT_EQUAL(epoch_raise(&epoch, "b.example", NULL, &next), 0);
	CU_ASSERT_EQUAL(epoch_raise(&epoch, "b.example", NULL, &other), 0);
	CU_ASSERT_EQUAL(next.number, 2);
	CU_ASSERT_FALSE(epoch_equal(&next, &other));
	CU_ASSERT(epoch_is_held_by(&next, "B.example"));
	CU_ASSERT_EQUAL(epoch_judge(&next, &other, "a.example"), EPOCH_CONFLICT);
	epoch.number = INT64_MAX;
	CU_ASSERT_EQUAL(epoch_raise(&epoch, "b.example", NULL, &next), -EOVERFLOW);
}

/* What a peer may make this side believe: the last number would end all failovers. */
static void test_far(void)
{
	struct epoch ours, theirs, raised;

	epoch_first(relationship, "a.example", &ours);
	epoch_raise(&ours, "b.example", NULL, &theirs);
	theirs.number = ours.number + EPOCH_STEP_MAX;
	CU_ASSERT_EQUAL(epoch_judge(&ours, &theirs, "a.example"), EPOCH_LOST);
	CU_ASSERT_EQUAL(epoch_judge(&ours, &theirs, "b.example"), EPOCH_GRANTED);
	theirs.number++;
	CU_ASSERT_FALSE(epoch_is_near(&ours, &theirs));
	CU_ASSERT(epoch_is_near(&theirs, &ours));
	CU_ASSERT_EQUAL(epoch_judge(&ours, &theirs, "a.example"), EPOCH_FAR);
	CU_ASSERT_EQUAL(epoch_judge(&ours, &theirs, "b.example"), EPOCH_FAR);
	CU_ASSERT_EQUAL(epoch_judge(&theirs, &ours, "a.example"), EPOCH_KEEP);
	theirs.number = INT64_MAX;
	CU_ASSERT_EQUAL(epoch_judge(&ours, &theirs, "a.example"), EPOCH_FAR);
	ours.number = INT64_MAX - 1; /* no way round the end of the numbers */
	CU_ASSERT_EQUAL(epoch_judge(&ours, &theirs, "a.example"), EPOCH_LOST);
	CU_ASSERT_EQUAL(epoch_raise(&ours, "a.example", NULL, &raised), 0);
	CU_ASSERT_STRING_EQUAL(epoch_verdict_to_string(EPOCH_FAR), "far");
}

static void test_messages(void)
{
	Vmreplica__Epoch message;
	struct epoch epoch, back;

	epoch_first(relationship, "a.example", &epoch);
	epoch_to_message(&epoch, &message);
	epoch_from_message(&message, &back);
	CU_ASSERT(epoch_equal(&epoch, &back));
	message.lineage = (char *)(uintptr_t) "no lineage";
	epoch_from_message(&message, &back);
	CU_ASSERT_EQUAL(back.number, 0);
	epoch_from_message(NULL, &back);
	CU_ASSERT_EQUAL(back.number, 0);
}

/* ---- three sites, everything that can happen in any order ---- */

struct world {
	struct epoch known[SITES];
	int before[SITES]; /* who was primary when this site failed over; -1: it did not */
};

struct model {
	bool cancel_lowers; /* the mistake that the check must find: back to the old epoch */
	uint64_t lineages, interleavings, conflicts, takeovers, two_primaries, broken;
	/* every epoch that was ever made, and who may hold it */
	struct epoch made[NAMES_MAX];
	size_t made_count;
};

static void model_record(struct model *model, const struct epoch *epoch)
{
	for (size_t i = 0; i < model->made_count; i++) {
		if (epoch_equal(&model->made[i], epoch)) {
			model->broken += strcmp(model->made[i].site, epoch->site) != 0;
			return;
		}
	}
	if (model->made_count < NAMES_MAX) {
		model->made[model->made_count++] = *epoch;
	}
}

static void model_raise(struct model *model, struct world *world, int at, int holder)
{
	char lineage[RELATIONSHIP_LEN + 1];

	snprintf(lineage, sizeof(lineage), "%08" PRIx64, ++model->lineages);
	epoch_raise(&world->known[at], sites[holder], lineage, &world->known[at]);
	model_record(model, &world->known[at]);
}

static bool model_failover(struct model *model, struct world *world, int at)
{
	int before = -1;

	if (epoch_is_held_by(&world->known[at], sites[at])) {
		return false;
	}
	for (int i = 0; i < SITES; i++) {
		if (epoch_is_held_by(&world->known[at], sites[i])) {
			before = i;
		}
	}
	model_raise(model, world, at, at);
	world->before[at] = before;
	return true;
}

static bool model_cancel(struct model *model, struct world *world, int at)
{
	if (world->before[at] < 0 || !epoch_is_held_by(&world->known[at], sites[at])) {
		return false;
	}
	if (model->cancel_lowers) {
		world->known[at].number--;
		snprintf(world->known[at].lineage, sizeof(world->known[at].lineage), "%s",
			 relationship);
		snprintf(world->known[at].site, sizeof(world->known[at].site), "%s",
			 sites[world->before[at]]);
		model_record(model, &world->known[at]);
	} else {
		model_raise(model, world, at, world->before[at]);
	}
	world->before[at] = -1;
	return true;
}

/* at comes back and hears of other. */
static bool model_return(struct model *model, struct world *world, int at, int other)
{
	switch (epoch_judge(&world->known[at], &world->known[other], sites[at])) {
	case EPOCH_KEEP:
		return false;
	case EPOCH_CONFLICT:
		model->conflicts++;
		return false;
	case EPOCH_FAR:
		model->broken++; /* no failover leads there */
		return false;
	case EPOCH_GRANTED:
	case EPOCH_LOST:
		world->known[at] = world->known[other];
		world->before[at] = -1;
		model->takeovers++;
		return true;
	}
	return false;
}

/* One site alone holds each epoch, and no site's number goes down. */
static void model_check(struct model *model, const struct world *world, const struct world *last)
{
	for (int i = 0; i < SITES; i++) {
		model->broken += world->known[i].number < last->known[i].number;
		for (int k = i + 1; k < SITES; k++) {
			bool both = epoch_is_held_by(&world->known[i], sites[i]) &&
				    epoch_is_held_by(&world->known[k], sites[k]);

			model->two_primaries += both;
			model->broken += both && epoch_equal(&world->known[i], &world->known[k]);
		}
	}
}

static bool model_step(struct model *model, struct world *world, int event)
{
	if (event < SITES) {
		return model_failover(model, world, event);
	}
	event -= SITES;
	if (event < SITES) {
		return model_cancel(model, world, event);
	}
	event -= SITES;
	return event / SITES != event % SITES &&
	       model_return(model, world, event / SITES, event % SITES);
}

static void model_walk(struct model *model, const struct world *world, int depth)
{
	for (int event = 0; depth > 0 && event < SITES + SITES + SITES * SITES; event++) {
		struct world next = *world;
		size_t made = model->made_count;

		if (model_step(model, &next, event)) {
			model->interleavings++;
			model_check(model, &next, world);
			model_walk(model, &next, depth - 1);
		}
		model->made_count = made;
	}
}

static void model_begin(struct world *world, struct model *model)
{
	for (int i = 0; i < SITES; i++) {
		epoch_first(relationship, sites[0], &world->known[i]);
		world->before[i] = -1;
	}
	model_record(model, &world->known[0]);
}

/* When all have heard of all, one site at most thinks that it is primary, or they stand in conflict
 * and the next failover ends it. */
static void test_settles(void)
{
	struct model model = {0};
	struct world world;

	model_begin(&world, &model);
	CU_ASSERT(model_failover(&model, &world, 1));
	CU_ASSERT(model_failover(&model, &world, 2));
	CU_ASSERT_EQUAL(epoch_judge(&world.known[1], &world.known[2], sites[1]), EPOCH_CONFLICT);
	CU_ASSERT_EQUAL(epoch_judge(&world.known[0], &world.known[2], sites[0]), EPOCH_LOST);
	CU_ASSERT(model_cancel(&model, &world, 2));
	CU_ASSERT_EQUAL(epoch_judge(&world.known[1], &world.known[2], sites[1]), EPOCH_LOST);
	CU_ASSERT_EQUAL(epoch_judge(&world.known[0], &world.known[2], sites[0]), EPOCH_GRANTED);
	CU_ASSERT(model_return(&model, &world, 0, 2));
	CU_ASSERT(model_return(&model, &world, 1, 2));
	CU_ASSERT(epoch_is_held_by(&world.known[0], sites[0]));
	CU_ASSERT_FALSE(epoch_is_held_by(&world.known[1], sites[1]));
	CU_ASSERT_FALSE(epoch_is_held_by(&world.known[2], sites[2]));
}

static void test_interleavings(void)
{
	struct model model = {0}, mistaken = {.cancel_lowers = true};
	struct golden golden;
	struct world world;

	model_begin(&world, &model);
	model_walk(&model, &world, DEPTH);
	CU_ASSERT_EQUAL(model.broken, 0);
	golden_begin(&golden);
	fprintf(golden.file, "%d sites, %d events: %" PRIu64 " steps\n", SITES, DEPTH,
		model.interleavings);
	fprintf(golden.file, "two primaries in one epoch, or a lowered epoch: %" PRIu64 "\n",
		model.broken);
	fprintf(golden.file, "two primaries in different epochs, not met yet: %" PRIu64 "\n",
		model.two_primaries);
	fprintf(golden.file, "met with the same number: %" PRIu64 "\n", model.conflicts);
	fprintf(golden.file, "met and taken over: %" PRIu64 "\n", model.takeovers);
	CU_ASSERT(golden_end(&golden, "cluster/epoch.golden"));
	model_begin(&world, &mistaken);
	model_walk(&mistaken, &world, 4);
	CU_ASSERT(mistaken.broken > 0);
}

static const struct unit_test tests[] = {
	{"text", test_text},	   {"raise", test_raise},
	{"far", test_far},	   {"messages", test_messages},
	{"settles", test_settles}, {"interleavings", test_interleavings},
};
UNIT_MAIN("epoch", tests)
