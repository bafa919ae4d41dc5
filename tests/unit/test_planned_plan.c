/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/planned_plan.h"

#include <string.h>

#include "engine/promise.h"
#include "golden.h"
#include "unit.h"

static bool is_verdict(enum planned_event event)
{
	return event == PLANNED_EVENT_TAKEN || event == PLANNED_EVENT_NOT_TAKEN ||
	       event == PLANNED_EVENT_LOST || event == PLANNED_EVENT_GRANTED ||
	       event == PLANNED_EVENT_LATER;
}

static void test_table(void)
{
	struct golden golden;

	golden_begin(&golden);
	for (int step = 0; step < PLANNED_STEPS; step++) {
		fprintf(golden.file, "%s\n", planned_step_to_string((enum planned_step)step));
		for (int event = 0; event < PLANNED_EVENTS; event++) {
			enum planned_step next = planned_plan_next((enum planned_step)step,
								   (enum planned_event)event);

			fprintf(golden.file, "  %-10s %s\n",
				planned_event_to_string((enum planned_event)event),
				next == (enum planned_step)step ? "-"
								: planned_step_to_string(next));
		}
	}
	for (int known = 0; known < PLANNED_EVENTS; known++) {
		for (int bits = 0; bits < 8 && is_verdict((enum planned_event)known); bits++) {
			fprintf(golden.file, "resumed, %s%s%s%s: %s\n",
				planned_event_to_string((enum planned_event)known),
				bits & 1 ? ", handed over" : "",
				bits & 2 ? ", final cycle done" : "",
				bits & 4 ? ", on the way back" : "",
				planned_step_to_string(planned_plan_resume(
					bits & 1, bits & 2, (enum planned_event)known, bits & 4)));
		}
	}
	CU_ASSERT(golden_end(&golden, "engine/planned-plan.golden"));
}

/* ---- what an epoch means, and a promise ---- */

static const struct epoch order = {5, "order", "B"}, before = {4, "first", "A"},
			  others = {5, "other", "B"}, higher = {6, "other", "B"},
			  given = {6, "other", "A"}, same_number = {5, "other", "A"},
			  far = {INT64_MAX, "other", "B"}, none = {0};

static void test_judge(void)
{
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &order, "A", false), PLANNED_EVENT_TAKEN);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &order, "A", true), PLANNED_EVENT_TAKEN);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &before, "A", false), PLANNED_EVENT_NOT_TAKEN);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &none, "A", false), PLANNED_EVENT_NOT_TAKEN);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &before, "A", true), PLANNED_EVENT_LATER);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &others, "A", false), PLANNED_EVENT_LOST);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &others, "A", true), PLANNED_EVENT_LATER);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &higher, "A", false), PLANNED_EVENT_LOST);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &given, "A", false), PLANNED_EVENT_GRANTED);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &given, "A", true), PLANNED_EVENT_LATER);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &same_number, "A", false), PLANNED_EVENT_LOST);
	CU_ASSERT_EQUAL(planned_plan_judge(&order, &far, "A", false), PLANNED_EVENT_LATER);
	CU_ASSERT_EQUAL(planned_plan_judge(&none, &given, "A", false), PLANNED_EVENT_NOT_TAKEN);
}

static enum promise_verdict promise(struct promise_facts facts)
{
	const char *why = NULL;
	enum promise_verdict verdict;

	facts.order = order;
	verdict = promise_judge(&facts, &why);
	CU_ASSERT_FATAL(why != NULL);
	CU_ASSERT_EQUAL(why[0] != '\0', verdict == PROMISE_LATER);
	return verdict;
}

static void test_promise(void)
{
	struct promise_facts facts = {.known = before, .is_replica = true};

	CU_ASSERT_EQUAL(promise(facts), PROMISE_GIVEN);
	facts.is_refused = true; /* asked again */
	CU_ASSERT_EQUAL(promise(facts), PROMISE_GIVEN);
	for (int known = 0; known < 6; known++) {
		static const struct epoch *const all[] = {&before, &order, &others,
							  &higher, &given, &far};

		for (int bits = 1; bits < 32; bits++) {
			bool safe = known == 0 && (bits & 7) == 1;

			facts = (struct promise_facts){.known = *all[known],
						       .is_replica = bits & 1,
						       .under_way = bits & 2,
						       .failed_over = bits & 4,
						       .is_refused = bits & 8,
						       .is_started = bits & 16};
			CU_ASSERT_EQUAL(promise(facts) == PROMISE_GIVEN, safe);
		}
	}
	CU_ASSERT_EQUAL(promise((struct promise_facts){.known = order, .is_replica = true}),
			PROMISE_TOO_LATE);
	CU_ASSERT_EQUAL(promise((struct promise_facts){.known = order, .is_refused = true}),
			PROMISE_LATER);
	CU_ASSERT_EQUAL(promise((struct promise_facts){
				.known = order, .is_refused = true, .is_started = true}),
			PROMISE_TOO_LATE);
	CU_ASSERT_EQUAL(promise((struct promise_facts){.known = others, .is_replica = true}),
			PROMISE_TOO_LATE);
	CU_ASSERT_EQUAL(promise((struct promise_facts){.known = others, .under_way = true}),
			PROMISE_LATER);
}

/* ---- both sides, whatever gets lost ---- */

/* B's own way, beside what it is ordered: an unplanned failover, and its cancel. */
enum other { OTHER_NONE, OTHER_BEGUN, OTHER_STANDS, OTHER_CANCELLED };

struct model {
	enum planned_step step; /* A's */
	bool ordered;		/* a TAKE is on its way, or lies somewhere */
	bool taken;		/* B holds the epoch: its VM runs, or will */
	bool refused;		/* B has promised not to take it */
	bool running;		/* A's VM */
	enum other other;
};

static unsigned long both_run, walks, lost, granted;

static const struct epoch *known_by_b(const struct model *model)
{
	return model->other == OTHER_STANDS	 ? &others
	       : model->other == OTHER_CANCELLED ? &given
	       : model->taken			 ? &order
						 : &before;
}

/* B's answer to CANCEL. */
static enum planned_event promised(const struct model *model)
{
	switch (promise((struct promise_facts){.known = *known_by_b(model),
					       .is_replica = true,
					       .under_way = model->other == OTHER_BEGUN,
					       .failed_over = model->other == OTHER_STANDS ||
							      model->taken})) {
	case PROMISE_GIVEN:
		return PLANNED_EVENT_DONE;
	case PROMISE_TOO_LATE:
		return planned_plan_judge(&order, known_by_b(model), "A", false);
	case PROMISE_LATER:
		break;
	}
	return PLANNED_EVENT_LATER;
}

/* What A's step can meet, in this world. */
static bool event_is_possible(const struct model *model, enum planned_event event)
{
	bool asks = model->step == PLANNED_TAKE || model->step == PLANNED_ASK;
	bool says = event == PLANNED_EVENT_TAKEN || event == PLANNED_EVENT_NOT_TAKEN ||
		    event == PLANNED_EVENT_LOST || event == PLANNED_EVENT_GRANTED;

	if (event == PLANNED_EVENT_FORCE) {
		return false; /* the admin's own risk */
	}
	if (model->step == PLANNED_BACK_CANCEL) {
		return event == PLANNED_EVENT_LATER || event == promised(model);
	}
	if (says) {
		return asks && event == planned_plan_judge(&order, known_by_b(model), "A",
							   model->other == OTHER_BEGUN);
	}
	if (event == PLANNED_EVENT_UNKNOWN) {
		return asks;
	}
	/* TAKE is done when it is taken */
	return event != PLANNED_EVENT_DONE || !asks || model->taken;
}

static void model_check(const struct model *model)
{
	both_run += (model->taken || model->other == OTHER_STANDS) && model->running;
}

static void model_walk(struct model model, int depth);

/* A's engine does its step, then hears event. */
static void model_step(struct model model, enum planned_event event, int depth)
{
	enum planned_step was = model.step;

	model.ordered = model.ordered || was == PLANNED_TAKE;
	if (was == PLANNED_STOPPED && event == PLANNED_EVENT_DONE) {
		model.running = false;
	}
	if (was == PLANNED_BACK_CANCEL && event == PLANNED_EVENT_DONE) {
		model.refused = true;
	}
	model.step = planned_plan_next(was, event);
	model.running = model.running || planned_step_starts(model.step);
	walks++;
	lost += model.step == PLANNED_LOST;
	granted += event == PLANNED_EVENT_GRANTED;
	model_check(&model);
	model_walk(model, depth - 1);
}

/* B's admin fails over while A is silent, and may take it back. Once A has the promise, or goes on
 * by itself, that is that admin's own risk. */
static void other_walk(struct model model, int depth)
{
	bool may_begin = model.other == OTHER_NONE && !model.taken && !model.refused &&
			 !model.running && model.step >= PLANNED_TAKE &&
			 model.step <= PLANNED_BACK_CANCEL;

	if (may_begin || model.other == OTHER_BEGUN || model.other == OTHER_STANDS) {
		model.other++;
		model_check(&model);
		model_walk(model, depth - 1);
	}
}

static void model_walk(struct model model, int depth)
{
	if (depth == 0) {
		return;
	}
	other_walk(model, depth);
	for (int event = 0; event < PLANNED_EVENTS; event++) {
		if (event_is_possible(&model, (enum planned_event)event) &&
		    (event == PLANNED_EVENT_LATER ||
		     planned_plan_next(model.step, (enum planned_event)event) != model.step ||
		     model.step == PLANNED_TAKE)) {
			model_step(model, (enum planned_event)event, depth);
		}
	}
	/* the order arrives, now or much later */
	if (model.ordered && !model.taken && !model.refused && model.other == OTHER_NONE) {
		struct model next = model;

		next.taken = true;
		model_check(&next);
		model_walk(next, depth - 1);
	}
	/* A's engine dies and another goes on with what is durable */
	for (int undo = 0; undo < 2; undo++) {
		struct model next = model;
		bool over = model.step >= PLANNED_END;

		if (!over && model.step > PLANNED_HANDOVER) {
			bool final_done = model.step == PLANNED_TAKE || model.step == PLANNED_ASK ||
					  model.step == PLANNED_BACK_CANCEL;
			bool back = model.step >= PLANNED_BACK_CANCEL;

			if ((undo != 0) != back) {
				continue;
			}
			next.step = model.step == PLANNED_ROLE || model.step == PLANNED_REVERSE
					    ? PLANNED_ROLE
					    : planned_plan_resume(true, final_done,
								  PLANNED_EVENT_NOT_TAKEN, back);
			if (next.step != model.step) {
				next.running = next.running || planned_step_starts(next.step);
				model_check(&next);
				model_walk(next, depth - 1);
			}
		}
	}
}

/* At no moment do both sides run the VM, whatever is lost, late, cancelled or killed. */
static void test_never_both(void)
{
	struct model model = {.step = PLANNED_STOP, .running = true};

	both_run = walks = lost = granted = 0;
	model_walk(model, 11);
	CU_ASSERT_EQUAL(both_run, 0);
	CU_ASSERT(walks > 1000);
	CU_ASSERT(lost > 0);
	CU_ASSERT(granted > 0);
	/* the check finds what an admin's force risks */
	model = (struct model){.step = PLANNED_ASK, .ordered = true, .taken = true};
	model_step(model, PLANNED_EVENT_FORCE, 2);
	CU_ASSERT(both_run > 0);
}

static void test_words(void)
{
	CU_ASSERT(planned_step_can_cancel(PLANNED_FINAL));
	CU_ASSERT(planned_step_can_cancel(PLANNED_ASK));
	CU_ASSERT_FALSE(planned_step_can_cancel(PLANNED_ROLE));
	CU_ASSERT_FALSE(planned_step_can_cancel(PLANNED_END));
	CU_ASSERT_FALSE(planned_step_may_run(PLANNED_FINAL));
	CU_ASSERT_FALSE(planned_step_may_run(PLANNED_ASK));
	CU_ASSERT(planned_step_may_run(PLANNED_FAILED));
	CU_ASSERT_FALSE(planned_step_may_run(PLANNED_LOST));
	CU_ASSERT_FALSE(planned_step_can_cancel(PLANNED_LOST));
}

static const struct unit_test tests[] = {
	{"every step and event", test_table},
	{"what an epoch means", test_judge},
	{"what is promised", test_promise},
	{"never both", test_never_both},
	{"words", test_words},
};
UNIT_MAIN("planned-plan", tests)
