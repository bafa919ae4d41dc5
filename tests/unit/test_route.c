/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Golden table: what is known about a relationship, and who is judged to own it. */
#include <string.h>

#include "broker/route.h"
#include "unit.h"

struct route_case {
	const char *what;
	struct route_evidence evidence;
	const char *owner; /* NULL = nobody */
	bool moving;
	enum route_source source;
};

#define PLACED(state, node, ms)                                                                    \
	.placement_known = true, .placement = (state), .placed_on = (node), .placement_ms = (ms)
#define ENGINE(complete, ms)                                                                       \
	.placed_engine_known = true, .placed_engine_complete = (complete), .placed_engine_ms = (ms)
#define CLAIM(node, ms) .claimed_by = (node), .claim_ms = (ms)

static const struct route_case cases[] = {
	{"nothing known", {0}, NULL, true, ROUTE_SOURCE_NONE},
	{"both agree",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), ENGINE(true, 5), CLAIM("b1", 5)},
	 "b1",
	 false,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"announced before the first placement",
	 {CLAIM("b1", 5)},
	 "b1",
	 false,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"placed, its engine silent",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10)},
	 "b1",
	 true,
	 ROUTE_SOURCE_PLACEMENT},
	{"placed, its engine's list not complete",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), ENGINE(false, 0)},
	 "b1",
	 false,
	 ROUTE_SOURCE_PLACEMENT},
	{"placed, its engine does not name it",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), ENGINE(true, 12)},
	 "b1",
	 true,
	 ROUTE_SOURCE_PLACEMENT},
	{"stopped", {PLACED(PLACEMENT_STOPPED, NULL, 10)}, NULL, true, ROUTE_SOURCE_PLACEMENT},
	{"pending on its node",
	 {PLACED(PLACEMENT_MOVING, "b1", 10), ENGINE(true, 12), CLAIM("b1", 12)},
	 "b1",
	 true,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"pending, nobody claims",
	 {PLACED(PLACEMENT_MOVING, "b1", 10), ENGINE(true, 12)},
	 "b1",
	 true,
	 ROUTE_SOURCE_PLACEMENT},
	{"moved: new owner speaks, old has not yet",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), ENGINE(true, 5), CLAIM("b2", 12)},
	 "b2",
	 true,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"moved: both engines spoke after the snapshot",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), ENGINE(true, 11), CLAIM("b2", 12)},
	 "b2",
	 false,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"moved: the old node's engine is gone",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), CLAIM("b2", 12)},
	 "b2",
	 false,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"placement newer than a foreign claim",
	 {PLACED(PLACEMENT_RUNNING, "b1", 20), ENGINE(true, 11), CLAIM("b2", 12)},
	 "b2",
	 true,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"old snapshot says stopped",
	 {PLACED(PLACEMENT_STOPPED, NULL, 10), CLAIM("b1", 12)},
	 "b1",
	 false,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"new snapshot says stopped",
	 {PLACED(PLACEMENT_STOPPED, NULL, 20), CLAIM("b1", 12)},
	 "b1",
	 true,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"a failed monitor does not stop replication",
	 {PLACED(PLACEMENT_UNKNOWN, NULL, 20), CLAIM("b1", 12)},
	 "b1",
	 false,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"unknown and unclaimed",
	 {PLACED(PLACEMENT_UNKNOWN, NULL, 20)},
	 NULL,
	 true,
	 ROUTE_SOURCE_PLACEMENT},
	{"two claims of one generation",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), ENGINE(true, 12), CLAIM("b1", 12),
	  .claim_contested = true},
	 "b1",
	 true,
	 ROUTE_SOURCE_ANNOUNCEMENT},
	{"the owner hands over",
	 {PLACED(PLACEMENT_RUNNING, "b1", 10), ENGINE(true, 12), CLAIM("b1", 12),
	  .claim_moving = true},
	 "b1",
	 true,
	 ROUTE_SOURCE_ANNOUNCEMENT},
};

static void test_golden(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_verdict verdict;
		bool same_owner;

		memset(&verdict, 0xff, sizeof(verdict));
		route_judge(&cases[i].evidence, &verdict);
		same_owner = cases[i].owner == NULL
				     ? verdict.owner == NULL
				     : verdict.owner != NULL &&
					       strcmp(verdict.owner, cases[i].owner) == 0;
		if (!same_owner || verdict.moving != cases[i].moving ||
		    verdict.source != cases[i].source) {
			printf("\n  case: %s\n", cases[i].what);
		}
		CU_ASSERT_TRUE(same_owner);
		CU_ASSERT_EQUAL(verdict.moving, cases[i].moving);
		CU_ASSERT_EQUAL(verdict.source, cases[i].source);
		CU_ASSERT_EQUAL(verdict.why != NULL, cases[i].moving);
	}
}

static void test_words(void)
{
	CU_ASSERT_STRING_EQUAL(route_source_to_string(ROUTE_SOURCE_ANNOUNCEMENT), "announcement");
	CU_ASSERT_STRING_EQUAL(route_source_to_string(ROUTE_SOURCE_PLACEMENT), "placement");
	CU_ASSERT_STRING_EQUAL(route_source_to_string(ROUTE_SOURCE_NONE), "none");
}

static const struct unit_test tests[] = {
	{"golden table", test_golden},
	{"words", test_words},
};
UNIT_MAIN("route", tests)
