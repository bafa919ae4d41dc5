/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both sides of a planned failover, with all that may come between: orders and answers that are
 * lost, late or of an owner that is silent, engines and whole sites that go and return, the
 * replica's side failing over by itself, cancelling, giving back what it took, the old primary's
 * side failing over from its own disks. Every state that can be reached is looked at:
 *
 *   - the VM may never run on both sides;
 *   - from each there is a way, by what happens by itself and by commands that exist (none of them
 *     with --force), to one side that runs the VM and no job under way;
 *   - where the other side cannot take the VM, without any command.
 *
 * What the sides may do is in planned_world.c.
 */
#include "planned_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/planned_plan.h"
#include "unit.h"

/* ---- the states that were reached, and how they follow each other ---- */

#define STATES_MAX 200000u
#define NEXT_MAX   40u

static struct world states[STATES_MAX];
static uint32_t table[1u << 19], next_of[STATES_MAX][NEXT_MAX];
static uint8_t next_count[STATES_MAX];
static size_t count, at;
static unsigned long both;

static uint32_t hash(const struct world *world)
{
	const uint8_t *bytes = (const uint8_t *)world;
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < sizeof(*world); i++) {
		sum = (sum ^ bytes[i]) * 16777619u;
	}
	return sum & (sizeof(table) / sizeof(table[0]) - 1);
}

/* The index, added when it is new. */
static uint32_t state_index(const struct world *world)
{
	uint32_t slot = hash(world);

	while (table[slot] != 0 && memcmp(&states[table[slot] - 1], world, sizeof(*world)) != 0) {
		slot = (slot + 1) & (sizeof(table) / sizeof(table[0]) - 1);
	}
	if (table[slot] == 0) {
		CU_ASSERT_FATAL(count < STATES_MAX);
		states[count++] = *world;
		table[slot] = (uint32_t)count;
		both += world->a_runs && world->b_runs && world->b_up;
	}
	return table[slot] - 1;
}

void world_to(const struct world *world)
{
	uint32_t index = state_index(world);

	if (index != at) {
		CU_ASSERT_FATAL(next_count[at] < NEXT_MAX);
		next_of[at][next_count[at]++] = index;
	}
}

/* One side runs the VM, and nothing is under way: `reverse` there does the rest. */
static bool is_good(const struct world *w)
{
	return w->step >= PLANNED_END && w->b_up && w->job == NOTHING && w->a_runs != w->b_runs &&
	       !(w->broken && w->b_runs);
}

static void explore(void)
{
	struct world begin;

	memset(table, 0, sizeof(table));
	memset(next_count, 0, sizeof(next_count));
	count = both = 0;
	memset(&begin, 0, sizeof(begin)); /* padding is compared */
	begin.step = PLANNED_STOP;
	begin.a_runs = begin.b_up = true;
	for (int kind = 0; kind < 4; kind++) {
		begin.broken = kind == 1 && !without.admins; /* its admin gives it back */
		begin.unfit = kind == 2;
		begin.fails = kind == 3;
		state_index(&begin);
	}
	for (at = 0; at < count; at++) {
		const struct world world = states[at];

		world_moves(&world);
	}
}

static bool leads_out(const bool *out, size_t i)
{
	for (size_t k = 0; k < next_count[i]; k++) {
		size_t next = next_of[i][k];

		/* to switch it off is no way out of B's troubles */
		if (out[next] && (states[next].b_up || !states[i].b_up)) {
			return true;
		}
	}
	return false;
}

static void print_state(const struct world *w)
{
	printf("\nA: %s%s%s%s, epoch %d; B:%s%s%s%s%s job %d, store %d, settings %d",
	       planned_step_to_string((enum planned_step)w->step), w->a_runs ? " runs" : "",
	       w->replica ? " replica" : "", w->pending ? " pending" : "", w->a_epoch,
	       w->b_up ? "" : " down", w->b_runs ? " runs" : "", w->primary ? " primary" : "",
	       w->refused ? " refused" : "", w->failed_over ? " failed over" : "", w->job, w->store,
	       w->settings);
}

/* States from which no way leads to a good one. */
static size_t dead_ends(bool tells)
{
	bool *out = calloc(count, sizeof(*out)), news = true;
	size_t dead = 0;

	for (size_t i = 0; i < count; i++) {
		out[i] = is_good(&states[i]);
	}
	while (news) {
		news = false;
		for (size_t i = count; i-- > 0;) {
			if (!out[i] && leads_out(out, i)) {
				out[i] = news = true;
			}
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (!out[i] && dead++ < 5 && tells) {
			print_state(&states[i]);
		}
	}
	free(out);
	return dead;
}

static size_t count_states(bool (*holds)(const struct world *w))
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		found += holds(&states[i]);
	}
	return found;
}

static bool is_over_from_own_disks(const struct world *w)
{
	return w->a_runs && w->a_epoch == OWN;
}

static bool is_granted(const struct world *w)
{
	return w->a_runs && w->replica && w->a_epoch == GIVEN;
}

static bool is_lost(const struct world *w)
{
	return w->step == PLANNED_LOST;
}

/* A has gone back, and B's store holds the epoch. */
static bool is_back_too_early(const struct world *w)
{
	return w->a_runs && w->store == ORDER &&
	       (w->step == PLANNED_BACK_RUNNING || w->step == PLANNED_FAILED);
}

static void test_world(void)
{
	explore();
	printf("%zu states: ", count);
	CU_ASSERT_EQUAL(both, 0);
	for (size_t i = 0, shown = 0; both > 0 && i < count && shown < 5; i++) {
		if (states[i].a_runs && states[i].b_runs && states[i].b_up) {
			print_state(&states[i]);
			shown++;
		}
	}
	CU_ASSERT_EQUAL(dead_ends(true), 0);
	CU_ASSERT_EQUAL(count_states(is_back_too_early), 0);
	/* it has been everywhere */
	CU_ASSERT(count > 500);
	CU_ASSERT(count_states(is_good) > 0);
	CU_ASSERT(count_states(is_lost) > 0);
	CU_ASSERT(count_states(is_granted) > 0);
	CU_ASSERT(count_states(is_over_from_own_disks) > 0);
}

/* Each rule is needed: without it two run, or there is no way out. */
static void test_missed(void)
{
	without.asking = true;
	explore();
	CU_ASSERT(both > 0);
	without.asking = false;
	without.promise = true;
	explore();
	CU_ASSERT(both > 0);
	without.promise = false;
	without.own_disks = true;
	explore();
	CU_ASSERT_EQUAL(both, 0);
	CU_ASSERT(dead_ends(false) > 0);
	without.own_disks = false;
	without.giving_back = true;
	explore();
	CU_ASSERT_EQUAL(both, 0);
	CU_ASSERT(dead_ends(false) > 0);
	without.giving_back = false;
}

/* Without an admin's word. */
static void test_by_itself(void)
{
	without.admins = true;
	explore();
	CU_ASSERT_EQUAL(both, 0);
	CU_ASSERT_EQUAL(dead_ends(true), 0);
	without.refusing = true;
	explore();
	CU_ASSERT_EQUAL(both, 0);
	CU_ASSERT(dead_ends(false) > 0);
	without.refusing = without.admins = false;
}

static const struct unit_test tests[] = {
	{"never both, and always a way out", test_world},
	{"what would be missed", test_missed},
	{"a way out by itself", test_by_itself},
};
UNIT_MAIN("planned-world", tests)
