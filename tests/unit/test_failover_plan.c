/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every state of a failover with every event, and the text that an order is kept as. */
#include <stdio.h>
#include <string.h>

#include "engine/failover_order.h"
#include "engine/failover_plan.h"
#include "tests/unit/golden.h"
#include "unit.h"

#define PRIMARY VMREPLICA__ROLE__ROLE_PRIMARY
#define REPLICA VMREPLICA__ROLE__ROLE_REPLICA

static const char *const events[FAILOVER_EVENTS] = {"done", "failed", "later", "resumed"};

static void print_state(FILE *out, struct failover_state state)
{
	fprintf(out, "%s%s", state.undo ? "undo " : "", failover_step_to_string(state.step));
}

static void test_table(void)
{
	struct golden golden;

	golden_begin(&golden);
	for (int kind = 0; kind <= VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_REVERSE; kind++) {
		for (int way = 0; way < 2; way++) {
			for (int step = 0; step < FAILOVER_STEPS; step++) {
				struct failover_state state = {(enum failover_step)step, way == 1};

				if (!failover_plan_has((Vmreplica__Admin__FailoverKind)kind,
						       state)) {
					continue;
				}
				fprintf(golden.file, "%s: ",
					failover_kind_to_string(
						(Vmreplica__Admin__FailoverKind)kind));
				print_state(golden.file, state);
				for (int event = 0; event < FAILOVER_EVENTS; event++) {
					fprintf(golden.file, " | %s -> ", events[event]);
					print_state(golden.file,
						    failover_plan_next(
							    (Vmreplica__Admin__FailoverKind)kind,
							    state, (enum failover_event)event));
				}
				fputc('\n', golden.file);
			}
		}
	}
	CU_ASSERT(golden_end(&golden, "engine/failover-plan.golden"));
}

/* Whatever happens, each kind comes to an end, and never without having taken its order out. */
static void test_ends(void)
{
	for (int i = 0; i <= VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_REVERSE; i++) {
		Vmreplica__Admin__FailoverKind kind = (Vmreplica__Admin__FailoverKind)i;
		struct failover_state state = failover_plan_first(kind, false), before = state;

		for (int fail = 0; fail < 8 && state.step != STEP_NONE; fail++) {
			state = failover_plan_first(kind, false);
			for (int step = 0; step < 32 && state.step != STEP_END; step++) {
				bool fails = step >= fail && state.step != STEP_FORGET;

				/* what is tried again gets through in the end */
				fails = fails && (step == 0 || before.step != state.step);
				before = state;
				state = failover_plan_next(kind, state,
							   fails ? EVENT_FAILED : EVENT_DONE);
			}
			CU_ASSERT_EQUAL(state.step, STEP_END);
			CU_ASSERT(before.step == STEP_FORGET || before.step == STEP_RECORD);
		}
	}
	CU_ASSERT_EQUAL(
		failover_plan_first(VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_NONE, false).step,
		STEP_NONE);
}

/* Behind its point of no return a planned failover ends with the change of role alone: given up,
 * the VM would run nowhere. */
static void test_planned_goes_forward(void)
{
	Vmreplica__Admin__FailoverKind planned = VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED;
	static const enum failover_step forward[] = {STEP_DEFINITION, STEP_RESOURCE, STEP_START,
						     STEP_RUNNING, STEP_ROLE};
	struct failover_state state;

	for (size_t i = 0; i < sizeof(forward) / sizeof(forward[0]); i++) {
		state = (struct failover_state){forward[i], false};
		state = failover_plan_next(planned, state, EVENT_FAILED);
		CU_ASSERT_EQUAL(state.step, forward[i]);
		CU_ASSERT_FALSE(state.undo);
	}
	state = (struct failover_state){STEP_TAKEOVER, false};
	state = failover_plan_next(planned, state, EVENT_FAILED);
	CU_ASSERT_EQUAL(state.step, STEP_RELEASE); /* the receiver knows whether it was taken */
	CU_ASSERT(state.undo);
	CU_ASSERT_EQUAL(failover_plan_next(planned, state, EVENT_FAILED).step, STEP_RELEASE);
	/* but what was promised not to be taken is given back */
	state = failover_plan_first(planned, true);
	CU_ASSERT_EQUAL(state.step, STEP_STOP);
	CU_ASSERT_EQUAL(failover_plan_next(planned, state, EVENT_FAILED).step, STEP_STOP);
	state = failover_plan_next(planned, state, EVENT_DONE);
	CU_ASSERT_EQUAL(state.step, STEP_RELEASE);
	state = failover_plan_next(planned, state, EVENT_DONE);
	CU_ASSERT_EQUAL(state.step, STEP_FORGET);
	CU_ASSERT(state.undo);
}

static void test_order(void)
{
	static const char *const wrong[] = {
		"",
		"unplanned-failover",
		"commit 00c0ffee do latest 0 - - -",
		"something 00c0ffee do latest 0 - - - -",
		"commit 00c0ffe do latest 0 - - - -",
		"commit ../../ab do latest 0 - - - -", /* it is a file's name */
		"commit 00c0ffee done latest 0 - - - -",
		"commit 00c0ffee do last 0 - - - -",
		"commit 00c0ffee do 12x 0 - - - -",
		"commit 00c0ffee do -12 0 - - - -",
		"commit 00c0ffee do 12 1 - - - -",
		"commit 00c0ffee do 12 -1 - - - -",
		"commit 00c0ffee do 12 0 - - - - more",
		"commit 00c0ffee do 12 0 - - - 123",
		"test-failover 00c0ffee do 12 0 - - '/> -",
	};
	struct failover_order order = {0}, read;
	char text[FAILOVER_ORDER_LEN];

	order.kind = VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED;
	strcpy(order.job, "00c0ffee");
	order.seq = UINT64_MAX;
	order.epoch.number = 3;
	strcpy(order.epoch.lineage, "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11");
	strcpy(order.epoch.site, "b.example");
	CU_ASSERT_STRING_EQUAL(failover_order_encode(&order, text),
			       "unplanned-failover 00c0ffee do 18446744073709551615 3 "
			       "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11 b.example - -");
	CU_ASSERT_FATAL(failover_order_decode(text, &read));
	CU_ASSERT_EQUAL(read.seq, UINT64_MAX);
	CU_ASSERT_EQUAL(read.epoch.number, 3);
	CU_ASSERT_STRING_EQUAL(read.epoch.site, "b.example");
	order.forced = true;
	CU_ASSERT_STRING_EQUAL(failover_order_encode(&order, text),
			       "unplanned-failover 00c0ffee force 18446744073709551615 3 "
			       "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11 b.example - -");
	CU_ASSERT_FATAL(failover_order_decode(text, &read));
	CU_ASSERT(read.forced && !read.undo);
	memset(&order, 0, sizeof(order));
	order.kind = VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST;
	strcpy(order.job, "00c0ffee");
	order.latest = order.undo = true;
	strcpy(order.network, "isolated");
	CU_ASSERT_STRING_EQUAL(failover_order_encode(&order, text),
			       "test-failover 00c0ffee undo latest 0 - - isolated -");
	CU_ASSERT_FATAL(failover_order_decode(text, &read));
	CU_ASSERT(read.latest && read.undo);
	CU_ASSERT_STRING_EQUAL(read.network, "isolated");
	CU_ASSERT_STRING_EQUAL(read.epoch.lineage, "");
	CU_ASSERT(failover_order_decode("commit 00c0ffee do 12 0 - - - -", &read));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_FALSE(failover_order_decode(wrong[i], &read));
	}
}

/* An engine that died once the roles had changed left nothing undone. */
static void test_orphans(void)
{
	static const char *const changing[] = {"role", "8 role", "9 reverse replication"};
	static const char *const others[] = {"", "end", "takeover", "7 take", "6 final cycle"};

	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
		CU_ASSERT(failover_plan_orphan_is_done(changing[i], PRIMARY, true));
		CU_ASSERT(failover_plan_orphan_is_done(changing[i], REPLICA, false));
		/* the epoch is there, the role has not followed */
		CU_ASSERT_FALSE(failover_plan_orphan_is_done(changing[i], PRIMARY, false));
		CU_ASSERT_FALSE(failover_plan_orphan_is_done(changing[i], REPLICA, true));
		CU_ASSERT_FALSE(failover_plan_orphan_is_done(changing[i],
							     VMREPLICA__ROLE__ROLE_UNKNOWN, false));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		CU_ASSERT_FALSE(failover_plan_orphan_is_done(others[i], PRIMARY, true));
		CU_ASSERT_FALSE(failover_plan_orphan_is_done(others[i], REPLICA, false));
	}
}

static const struct unit_test tests[] = {{"table", test_table},
					 {"ends", test_ends},
					 {"planned goes forward", test_planned_goes_forward},
					 {"order", test_order},
					 {"orphans", test_orphans}};
UNIT_MAIN("failover-plan", tests)
