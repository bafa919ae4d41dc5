/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Golden table: route, quorum, authorization and relay mode to the broker's answer. */
#include "broker/locate.h"

#include <string.h>

#include "broker_fixture.h"
#include "unit.h"

static const char *const of_a[] = {"a1.a.example", "a.example", NULL};
static const char *const of_x[] = {"x.other", NULL};
static const char *const no_names[] = {NULL};

static const struct route standing = {.relationship = REL_1,
				      .vm = "web1",
				      .resource = "web1-a-replica",
				      .peer = "a.example",
				      .role = VMREPLICA__ROLE__ROLE_REPLICA,
				      .configured = true,
				      .why = "",
				      .node = "b1",
				      .host = "192.0.2.11",
				      .name = "b1.b.example",
				      .port = 8651,
				      .source = ROUTE_SOURCE_ANNOUNCEMENT};
static struct route moving, stopped, hostless, primary, of_other, of_partner;

struct locate_case {
	const char *what;
	const char *const *names;
	const struct route *route;
	enum relay_mode relay;
	bool wanted, quorate, settled;
	uint32_t version;
	enum locate_answer answer;
	const char *code;   /* DENIED */
	const char *reason; /* a part of it */
	uint32_t retry_ms;  /* MOVING */
};

static const struct locate_case cases[] = {
	{"redirect", of_a, &standing, RELAY_AUTO, false, true, true, 1, LOCATE_REDIRECT, "", "", 0},
	{"redirect, relay off", of_a, &standing, RELAY_NEVER, false, true, true, 1, LOCATE_REDIRECT,
	 "", "", 0},
	{"relay when asked for", of_a, &standing, RELAY_AUTO, true, true, true, 1, LOCATE_RELAY, "",
	 "", 0},
	{"relay always", of_a, &standing, RELAY_ALWAYS, false, true, true, 1, LOCATE_RELAY, "", "",
	 0},
	{"relay never", of_a, &standing, RELAY_NEVER, true, true, true, 1, LOCATE_DENIED,
	 "relay-disabled", "make 192.0.2.11 port 8651 reachable", 0},
	{"moving", of_a, &moving, RELAY_AUTO, false, true, true, 1, LOCATE_MOVING, "",
	 "its resource is moving", LOCATE_RETRY_MOVING_MS},
	{"moving is not relayed", of_a, &moving, RELAY_ALWAYS, true, true, true, 1, LOCATE_MOVING,
	 "", "", LOCATE_RETRY_MOVING_MS},
	{"stopped", of_a, &stopped, RELAY_AUTO, false, true, true, 1, LOCATE_MOVING, "", "stopped",
	 LOCATE_RETRY_STOPPED_MS},
	{"address unknown", of_a, &hostless, RELAY_AUTO, false, true, true, 1, LOCATE_MOVING, "",
	 "where it listens", LOCATE_RETRY_MOVING_MS},
	{"unknown", of_a, NULL, RELAY_AUTO, false, true, true, 1, LOCATE_NOT_FOUND, "",
	 "no VM here", 0},
	{"unknown, just started", of_a, NULL, RELAY_AUTO, false, true, false, 1, LOCATE_MOVING, "",
	 "just started", LOCATE_RETRY_STARTING_MS},
	{"entries not read yet", of_x, NULL, RELAY_AUTO, false, true, false, 1, LOCATE_MOVING, "",
	 "just started", LOCATE_RETRY_STARTING_MS},
	{"the primary is here", of_a, &primary, RELAY_AUTO, false, true, true, 1, LOCATE_NOT_FOUND,
	 "", "primary", 0},
	{"no entry", of_x, &standing, RELAY_AUTO, false, true, true, 1, LOCATE_DENIED,
	 "not-authorized", "x.other", 0},
	{"no entry says nothing of what exists", of_x, NULL, RELAY_AUTO, false, true, true, 1,
	 LOCATE_DENIED, "not-authorized", "vmreplica authorize add", 0},
	{"no name", no_names, &standing, RELAY_AUTO, false, true, true, 1, LOCATE_DENIED,
	 "not-authorized", "has no DNS name", 0},
	{"another site's", of_a, &of_other, RELAY_AUTO, false, true, true, 1, LOCATE_DENIED,
	 "other-peer", "b.example", 0},
	{"another site's of the same trust group", of_a, &of_partner, RELAY_AUTO, false, true, true,
	 1, LOCATE_REDIRECT, "", "", 0},
	{"no quorum", of_a, &standing, RELAY_AUTO, false, false, true, 1, LOCATE_DENIED,
	 "no-quorum", "missing b2", 0},
	{"no quorum, no entry", of_x, NULL, RELAY_AUTO, false, false, false, 1, LOCATE_DENIED,
	 "no-quorum", "", 0},
	{"version too old", of_a, &standing, RELAY_AUTO, false, true, true, 0, LOCATE_DENIED,
	 "version", "update", 0},
	{"version too new", of_a, &standing, RELAY_AUTO, false, true, true,
	 PROTOCOL_VERSION_MAX + 1, LOCATE_DENIED, "version", "update", 0},
};

static void make_routes(void)
{
	moving = stopped = hostless = primary = of_other = of_partner = standing;
	moving.moving = true;
	moving.why = "its resource is moving";
	stopped.moving = true;
	stopped.why = "its resource is stopped";
	stopped.node = "";
	hostless.host = "";
	primary.role = VMREPLICA__ROLE__ROLE_PRIMARY;
	of_other.peer = "b.example";
	of_partner.peer = "c.example";
}

static void check(const struct locate_case *c, const struct locate_output *output)
{
	bool right = output->answer == c->answer && strcmp(output->code, c->code) == 0 &&
		     strstr(output->reason, c->reason) != NULL && output->retry_ms == c->retry_ms;

	if (!right) {
		printf("\n  case %s: %s %s %s %u\n", c->what,
		       locate_answer_to_string(output->answer), output->code, output->reason,
		       output->retry_ms);
	}
	CU_ASSERT_TRUE(right);
}

static void test_golden(void)
{
	struct fixture_settings settings = {0};
	struct authorization_table table;

	make_routes();
	settings_init(&settings);
	settings_authorize(&settings, "a.example", "/srv/a", "gold", 0);
	settings_authorize(&settings, "c.example", "/srv/c", "gold", 0);
	settings_authorize(&settings, "b.example", "/srv/b", "-", 0);
	CU_ASSERT_EQUAL_FATAL(authorization_table_load(&settings.message, &table, NULL), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct locate_input input = {
			.version_min = cases[i].version,
			.version_max = cases[i].version,
			.relationship = REL_1,
			.relay_wanted = cases[i].wanted,
			.names = cases[i].names,
			.authorizations = &table,
			.route = cases[i].route,
			.relay = cases[i].relay,
			.quorate = cases[i].quorate,
			.missing = "no quorum, missing b2: start it",
			.settled = cases[i].settled,
		};
		struct locate_output output;

		memset(&output, 0xff, sizeof(output));
		locate_decide(&input, &output);
		check(&cases[i], &output);
	}
	authorization_table_destroy(&table);
}

/* Highest common version or a denial that names both ranges. */
static void test_versions(void)
{
	struct locate_input input = {.names = of_a, .quorate = true, .missing = ""};
	struct locate_output output;

	CU_ASSERT_EQUAL(PROTOCOL_VERSION_MAX, 1); /* else these ranges want new numbers */
	input.version_min = 1;
	input.version_max = 2;
	CU_ASSERT_TRUE(locate_connection_may_ask(&input, &output));
	input.version_min = 2;
	input.version_max = 3;
	CU_ASSERT_FALSE(locate_connection_may_ask(&input, &output));
	CU_ASSERT_EQUAL(output.answer, LOCATE_DENIED);
	CU_ASSERT_STRING_EQUAL(output.code, "version");
	CU_ASSERT_PTR_NOT_NULL(strstr(output.reason, "versions 2 to 3, this side 1 to 1"));
}

static void test_join(void)
{
	char buf[16];

	CU_ASSERT_STRING_EQUAL(locate_names_join(NULL, buf, sizeof(buf)), "");
	CU_ASSERT_STRING_EQUAL(locate_names_join(of_x, buf, sizeof(buf)), "x.other");
	CU_ASSERT_STRING_EQUAL(locate_names_join(of_a, buf, sizeof(buf)),
			       "a1.a.example, a"); /* cut, terminated */
}

static const struct unit_test tests[] = {
	{"golden table", test_golden},
	{"versions", test_versions},
	{"names in a sentence", test_join},
};
UNIT_MAIN("locate", tests)
