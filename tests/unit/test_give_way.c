/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An old primary's side makes way, and the other side's cancel comes at any moment of it, with its
 * question whether this side stays, or without; the engine dies at any moment of it; another node
 * is faster. In the end this side is the replica, and has said so, or the primary that it was: with
 * its VM, its definition, its order and colocation, in the other side's higher epoch. */
#include <stdio.h>
#include <string.h>

#include "engine/give_way.h"
#include "engine/standing.h"
#include "give_way_world.h"
#include "tempdir.h"
#include "unit.h"

#define MOMENTS 24 /* more than there are */
#define ROUNDS	40

static bool answered(const char *word)
{
	return strncmp(world.answer, word, strlen(word)) == 0;
}

/* As the other side's job gives it, until it is done; moments of it at most. */
static void makes_way(unsigned int moments)
{
	world_order(give_way_ordered, JOB);
	for (unsigned int i = 0; i < moments; i++) {
		if (!world_works()) {
			world_ticks();
		}
	}
}

/* Everything that still goes on by itself. */
static void goes_on(void)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		while (world_works()) {
		}
		world_ticks();
	}
}

static bool is_replica(void)
{
	return strcmp(world.role, "replica") == 0;
}

/* As it was before, and given back. */
static void is_primary_again(unsigned int moment)
{
	struct epoch known = {0};
	bool good;

	epoch_parse(world_get(EPOCH_SETTING), &known);
	good = !is_replica() && world.runs && world.follows && world_definition_is_there() &&
	       strcmp(world.target, "Started") == 0 && strcmp(world.config, "its own") == 0 &&
	       epoch_equal(&known, &world_given) && world_get(STANDING_WAY) == NULL &&
	       world_get(STANDING_STAYS) == NULL && world.jobs == 0;
	CU_ASSERT(good);
	if (!good) {
		printf("\nafter %u moments: %s, target %s, %s, %s, epoch %d, %s, way %s, stays %s, "
		       "%u jobs",
		       moment, world.role, world.target, world.runs ? "runs" : "off",
		       world.follows ? "follows" : "follows nothing", (int)known.number,
		       world_definition_is_there() ? "defined" : "no definition",
		       world_get(STANDING_WAY), world_get(STANDING_STAYS), world.jobs);
	}
}

static void test_replica(void)
{
	for (int standalone = 0; standalone < 2; standalone++) {
		world_begin(standalone != 0);
		makes_way(MOMENTS);
		CU_ASSERT(is_replica());
		CU_ASSERT_STRING_EQUAL(world_get(EPOCH_SETTING), "4 " LINEAGE " b.example");
		CU_ASSERT_PTR_NULL(world_get(STANDING_WAY));
		CU_ASSERT_EQUAL(world.outcome_error, 0);
		CU_ASSERT_EQUAL(world.jobs, 0);
		world_order(give_way_ordered, JOB);
		CU_ASSERT_STRING_EQUAL(world.answer, "done");
		world_end();
	}
}

/* The cancel's question, as often as it takes. True: it stays. */
static bool stays(void)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		world_order(give_way_stay, JOB);
		while (world_works()) {
		}
		if (answered("done") || answered("refused")) {
			break;
		}
		world_ticks();
	}
	CU_ASSERT(answered("done") || answered("refused"));
	return answered("done");
}

static void cancelled_after(unsigned int moments, bool standalone, bool hangs, bool dies)
{
	world_begin(standalone);
	world.hangs = hangs;
	makes_way(moments);
	if (dies) {
		world_engine_dies();
	}
	if (!stays()) {
		CU_ASSERT(is_replica());
		CU_ASSERT(strstr(world.answer, "has become its replica") != NULL);
		world_end();
		return;
	}
	CU_ASSERT_FALSE(is_replica());
	goes_on(); /* nothing starts before it is given back */
	CU_ASSERT_FALSE(is_replica());
	CU_ASSERT_FALSE(world.ran_on_both);
	world_order(give_way_ordered, JOB); /* the same order, late */
	CU_ASSERT(answered("refused"));
	world.peer = world_given;
	goes_on();
	is_primary_again(moments);
	world_end();
}

static void test_cancelled(void)
{
	for (unsigned int moments = 0; moments < MOMENTS; moments++) {
		cancelled_after(moments, false, false, false);
		cancelled_after(moments, false, true, false);
		cancelled_after(moments, false, false, true);
		cancelled_after(moments, true, false, false);
	}
}

static bool has_heard(void)
{
	return strcmp(world_get(EPOCH_SETTING), "5 " LINEAGE " a.example") == 0;
}

/* The other side has raised its epoch for this one without a word: forced, with the line cut. */
static void given_back_after(unsigned int moments, bool dies)
{
	world_begin(false);
	makes_way(moments);
	if (dies) {
		world_engine_dies();
	}
	world.peer = world_given;
	goes_on();
	if (dies && world_get(STANDING_WAY) == NULL && world.runs && !has_heard()) {
		CU_ASSERT(world.follows); /* it had not begun: replication goes on, and hears it */
	} else if (!is_replica()) {
		is_primary_again(moments);
	}
	world_end();
}

/* Nobody here has heard of it before the change of role but who asks for that. */
static void test_asked(void)
{
	for (unsigned int moments = 0; moments < MOMENTS; moments++) {
		world_begin(false);
		world_engine.way_watches = 1; /* its answer does not come */
		makes_way(moments);
		world.peer = world_given;
		goes_on();
		world_engine.way_watches = 0;
		goes_on();
		if (!is_replica()) {
			is_primary_again(moments);
		}
		world_end();
	}
}

static void test_given_back(void)
{
	unsigned int replicas = 0;

	for (unsigned int moments = 0; moments < MOMENTS; moments++) {
		given_back_after(moments, false);
		replicas += is_replica();
		given_back_after(moments, true);
	}
	CU_ASSERT(replicas > 0 && replicas < MOMENTS); /* behind the change alone */
}

/* Nobody becomes a replica of a side that does not answer. */
static void test_silent(void)
{
	world_begin(false);
	world.peer_silent = true;
	makes_way(MOMENTS);
	goes_on();
	CU_ASSERT_FALSE(is_replica());
	CU_ASSERT_FALSE(world.runs);
	world.peer_silent = false;
	goes_on();
	CU_ASSERT(is_replica());
	world_end();
}

/* Started by an admin meanwhile, it is stopped, and what it wrote is read. */
static void test_silent_and_started(void)
{
	world_begin(true);
	world.peer_silent = true;
	makes_way(MOMENTS);
	goes_on();
	CU_ASSERT_FALSE(world.runs);
	world.runs = world.wrote = true;
	goes_on();
	CU_ASSERT(world.runs); /* nobody has asked for it yet */
	world.peer_silent = false;
	goes_on();
	CU_ASSERT(is_replica());
	CU_ASSERT_FALSE(world.runs);
	CU_ASSERT_FALSE(world.unread);
	world_end();
}

/* It was off when it was to make way: off it is again, but libvirt knows it. */
static void test_off(void)
{
	world_begin(true);
	world.runs = false;
	world.peer_silent = true;
	makes_way(MOMENTS);
	goes_on();
	world.peer_silent = false;
	world.peer = world_given;
	goes_on();
	CU_ASSERT_FALSE(is_replica());
	CU_ASSERT_FALSE(world.runs);
	CU_ASSERT(world.defined);
	world_end();
}

/* The VM does not stop for hours; the other side gives it back meanwhile. */
static void test_hangs(void)
{
	world_begin(false);
	world.hangs = true;
	makes_way(MOMENTS);
	goes_on();
	CU_ASSERT_EQUAL(world.jobs, 1);
	CU_ASSERT(world.runs);
	world.peer = world_given;
	goes_on();
	is_primary_again(MOMENTS);
	CU_ASSERT(strstr(world.outcome, "given back") != NULL);
	world_end();
}

static void promises(void)
{
	world_set(STANDING_STAYS, JOB);
}

static void raises(void)
{
	char text[EPOCH_TEXT_LEN];

	world.peer = world_given;
	world_set(EPOCH_SETTING, epoch_format(&world_given, text));
}

/* Another node of this side has given the word, or heard the epoch, in the moment of the change. */
static void test_faster(void)
{
	world_begin(false);
	world.before_change = promises;
	makes_way(MOMENTS);
	goes_on();
	CU_ASSERT_FALSE(is_replica());
	world.peer = world_given;
	goes_on();
	is_primary_again(0);
	world_end();
	world_begin(false);
	world.before_change = raises;
	makes_way(MOMENTS);
	goes_on();
	is_primary_again(0);
	world_end();
}

/* The change was made, and its answer is lost: once more is harmless; it stays the replica. */
static void test_answer_lost(void)
{
	world_begin(false);
	world.answer_lost = true;
	makes_way(MOMENTS);
	goes_on();
	CU_ASSERT(is_replica());
	CU_ASSERT_EQUAL(world.outcome_error, 0);
	world_end();
	world_begin(false);
	CU_ASSERT(stays()); /* an earlier one's, which the change takes out */
	world.answer_lost = true;
	world_order(give_way_ordered, LATER);
	goes_on();
	CU_ASSERT(is_replica());
	CU_ASSERT_EQUAL(world.outcome_error, 0);
	CU_ASSERT_PTR_NULL(world_get(STANDING_STAYS));
	world_end();
}

/* The cancel came to nothing there: a reverse that is ordered anew is carried out, and a VM that
 * was off on purpose stays off when that is cancelled in turn. */
static void test_again(void)
{
	world_begin(false);
	makes_way(6);
	CU_ASSERT(stays());
	world_order(give_way_ordered, LATER);
	goes_on();
	CU_ASSERT(is_replica());
	world_end();
	world_begin(false);
	strcpy(world.target, "Stopped");
	world.runs = false;
	makes_way(6);
	CU_ASSERT(stays());
	world.peer = world_given;
	goes_on();
	CU_ASSERT_FALSE(world.runs);
	CU_ASSERT_STRING_EQUAL(world.target, "Stopped");
	CU_ASSERT_PTR_NULL(world_get(STANDING_WAY));
	world_end();
}

/* An engine of ours dies in its middle, and the order comes again. */
static void test_killed(void)
{
	for (unsigned int moments = 0; moments < MOMENTS; moments++) {
		world_begin(false);
		makes_way(moments);
		world_engine_dies();
		world_order(give_way_ordered, JOB);
		goes_on();
		CU_ASSERT(is_replica());
		world_end();
	}
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"becomes the replica", test_replica},
	{"cancelled", test_cancelled},
	{"given back unasked", test_given_back},
	{"asked before the change", test_asked},
	{"other side silent", test_silent},
	{"started meanwhile", test_silent_and_started},
	{"off before", test_off},
	{"VM hangs", test_hangs},
	{"another node", test_faster},
	{"answer lost", test_answer_lost},
	{"again", test_again},
	{"engine killed", test_killed},
};
UNIT_MAIN("give-way", tests)
