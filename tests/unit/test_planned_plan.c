/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/planned_plan.h"

#include "golden.h"
#include "unit.h"

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
	for (int bits = 0; bits < 16; bits++) {
		fprintf(golden.file, "resumed%s%s%s%s: %s\n", bits & 1 ? ", handed over" : "",
			bits & 2 ? ", final cycle done" : "", bits & 4 ? ", epoch lost" : "",
			bits & 8 ? ", on the way back" : "",
			planned_step_to_string(
				planned_plan_resume(bits & 1, bits & 2, bits & 4, bits & 8)));
	}
	CU_ASSERT(golden_end(&golden, "engine/planned-plan.golden"));
}

/* ---- both sides, whatever gets lost ---- */

struct model {
	enum planned_step step; /* A's */
	bool ordered;		/* a TAKE is on its way, or lies somewhere */
	bool taken;		/* B holds the epoch: its VM runs, or will */
	bool refused;		/* B has promised not to take it */
	bool running;		/* A's VM */
};

static unsigned long both_run, walks;

/* What A's step can meet, in this world. B's answers are true when they were given. */
static bool event_is_possible(const struct model *model, enum planned_event event)
{
	bool asks = model->step == PLANNED_TAKE || model->step == PLANNED_ASK ||
		    model->step == PLANNED_BACK_CANCEL;

	switch (event) {
	case PLANNED_EVENT_FORCE:
		return false; /* the admin's own risk */
	case PLANNED_EVENT_TAKEN:
		return asks && model->taken;
	case PLANNED_EVENT_NOT_TAKEN:
		return asks && !model->taken;
	case PLANNED_EVENT_UNKNOWN:
		return asks;
	case PLANNED_EVENT_DONE:
		/* TAKE is done when it is taken; the promise is given only before that */
		return model->step == PLANNED_TAKE || model->step == PLANNED_ASK ? model->taken
		       : model->step == PLANNED_BACK_CANCEL			 ? !model->taken
										 : true;
	default:
		return true;
	}
}

static void model_check(const struct model *model)
{
	both_run += model->taken && model->running;
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
	model_check(&model);
	model_walk(model, depth - 1);
}

static void model_walk(struct model model, int depth)
{
	if (depth == 0) {
		return;
	}
	for (int event = 0; event < PLANNED_EVENTS; event++) {
		if (event_is_possible(&model, (enum planned_event)event) &&
		    (event == PLANNED_EVENT_LATER ||
		     planned_plan_next(model.step, (enum planned_event)event) != model.step ||
		     model.step == PLANNED_TAKE)) {
			model_step(model, (enum planned_event)event, depth);
		}
	}
	/* the order arrives, now or much later */
	if (model.ordered && !model.taken && !model.refused) {
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
					    : planned_plan_resume(true, final_done, false, back);
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

	both_run = walks = 0;
	model_walk(model, 11);
	CU_ASSERT_EQUAL(both_run, 0);
	CU_ASSERT(walks > 1000);
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
}

static const struct unit_test tests[] = {
	{"every step and event", test_table},
	{"never both", test_never_both},
	{"words", test_words},
};
UNIT_MAIN("planned-plan", tests)
