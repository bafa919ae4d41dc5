/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Placement against golden texts: each fixture is what the real crm_mon printed
 * (tests/fixtures/placement/generate.py). */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/placement.h"
#include "common/cleanup.h"
#include "tests/unit/files.h"
#include "tests/unit/unit.h"

static const char *yes(bool value)
{
	return value ? "yes" : "no";
}

static void print_node(FILE *out, const struct placement_node *node)
{
	fprintf(out, "node %s %s%s%s%s%s%s%s%s\n", node->name, node->online ? "online" : "offline",
		node->standby ? " standby" : "", node->maintenance ? " maintenance" : "",
		node->pending ? " pending" : "", node->unclean ? " unclean" : "",
		node->shutdown ? " shutdown" : "",
		node->replication_address != NULL ? " address " : "",
		node->replication_address != NULL ? node->replication_address : "");
}

static const char *state_word(enum placement_state state)
{
	switch (state) {
	case PLACEMENT_UNKNOWN:
		return "unknown";
	case PLACEMENT_STOPPED:
		return "stopped";
	case PLACEMENT_RUNNING:
		return "running";
	case PLACEMENT_MOVING:
		return "moving";
	}
	return "unknown";
}

static void print_resource(FILE *out, const struct placement_resource *resource)
{
	fprintf(out, "%s %s %s %s on %s%s%s%s%s%s%s%s%s%s\n", resource->id, resource->agent,
		resource->role, state_word(resource->state),
		resource->node != NULL ? resource->node : "-",
		resource->managed ? "" : " unmanaged", resource->failed ? " failed" : "",
		resource->blocked ? " blocked" : "", resource->orphaned ? " orphaned" : "",
		resource->maintenance ? " maintenance" : "",
		resource->pending != NULL ? " pending " : "",
		resource->pending != NULL ? resource->pending : "",
		resource->why != NULL ? ": " : "", resource->why != NULL ? resource->why : "");
}

static char *placement_text(const struct placement *placement)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		return NULL;
	}
	fprintf(out, "dc %s quorum %s stonith %s maintenance %s\n",
		placement->dc != NULL ? placement->dc : "-", yes(placement->quorate),
		yes(placement->stonith_enabled), yes(placement->maintenance_mode));
	for (size_t i = 0; i < placement->node_count; i++) {
		print_node(out, &placement->nodes[i]);
	}
	for (size_t i = 0; i < placement->resource_count; i++) {
		print_resource(out, &placement->resources[i]);
	}
	fclose(out);
	return text;
}

/* One fixture; what came out is left beside the test when it is not what was expected. */
static void check_fixture(const char *xml_path)
{
	cleanup_free char *xml = NULL;
	cleanup_free char *expected = NULL;
	cleanup_free char *text = NULL;
	struct placement *placement = NULL;
	char path[4096];
	size_t len = 0;

	xml = file_read(xml_path, &len);
	snprintf(path, sizeof(path), "%.*s.txt", (int)(strlen(xml_path) - strlen(".xml")),
		 xml_path);
	expected = file_read(path, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(xml);
	CU_ASSERT_EQUAL_FATAL(placement_parse(xml, len, &placement, NULL), 0);
	text = placement_text(placement);
	placement_unref(placement);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	if (expected == NULL || strcmp(text, expected) != 0) {
		fprintf(stderr, "%s gives\n%s", xml_path, text);
		CU_FAIL("placement differs from the golden text");
	}
}

static void test_fixtures(void)
{
	glob_t found;

	CU_ASSERT_EQUAL_FATAL(glob(TEST_FIXTURES "/placement/*.xml", 0, NULL, &found), 0);
	CU_ASSERT(found.gl_pathc >= 16);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		check_fixture(found.gl_pathv[i]);
	}
	globfree(&found);
}

static void test_find(void)
{
	cleanup_free char *xml = NULL;
	struct placement *placement = NULL;
	const struct placement_resource *resource;
	size_t len = 0;

	xml = file_read(TEST_FIXTURES "/placement/group.xml", &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(xml);
	CU_ASSERT_EQUAL_FATAL(placement_parse(xml, len, &placement, NULL), 0);
	resource = placement_find(placement, "vmreplica-broker");
	CU_ASSERT_PTR_NOT_NULL_FATAL(resource);
	CU_ASSERT_STRING_EQUAL(resource->node, "a1");
	CU_ASSERT_PTR_NULL(placement_find(placement, "vmreplica"));
	CU_ASSERT_PTR_NULL(placement_find(placement, "zzz"));
	CU_ASSERT_PTR_NULL(placement_find(placement, ""));
	CU_ASSERT_TRUE(placement_agent_runs_on(placement, "ocf:vmreplica:engine", "a2"));
	CU_ASSERT_FALSE(placement_agent_runs_on(placement, "ocf:vmreplica:engine", "a3"));
	CU_ASSERT_FALSE(placement_agent_runs_on(placement, "ocf:vmreplica:broker", "a2"));
	CU_ASSERT_PTR_NOT_NULL(placement_find_node(placement, "a1"));
	CU_ASSERT_PTR_NULL(placement_find_node(placement, "b1"));
	/* a reference outlives the first owner */
	CU_ASSERT_PTR_EQUAL(placement_ref(placement), placement);
	placement_unref(placement);
	CU_ASSERT_STRING_EQUAL(placement_find(placement, "web1")->node, "a1");
	placement_unref(placement);
	placement_unref(NULL);
}

/* Nothing that is cut short or tampered with gives a snapshot, and none of it crashes. */
static void test_malformed(void)
{
	static const char *const bad[] = {
		"",
		"<",
		"plain text",
		"<pacemaker-result/>",
		"<other><summary/><nodes/></other>",
		"<pacemaker-result><summary/><nodes><node "
		"online=\"true\"/></nodes></pacemaker-result>",
		"<pacemaker-result><summary/><nodes/><resources><resource id=\"a\"/></resources>"
		"</pacemaker-result>",
		"<!DOCTYPE x><pacemaker-result><summary/><nodes/></pacemaker-result>",
		"<!DOCTYPE x [<!ENTITY a \"aaaa\">]><pacemaker-result><summary/><nodes/>"
		"</pacemaker-result>",
	};
	cleanup_free char *xml = NULL;
	size_t len = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct placement *placement = NULL;
		const char *error = NULL;

		CU_ASSERT_EQUAL(placement_parse(bad[i], strlen(bad[i]), &placement, &error),
				-EBADMSG);
		CU_ASSERT_PTR_NULL(placement);
		CU_ASSERT_PTR_NOT_NULL(error);
	}
	xml = file_read(TEST_FIXTURES "/placement/running.xml", &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(xml);
	while (len > 0 && xml[len - 1] == '\n') {
		len--;
	}
	for (size_t cut = 1; cut < len; cut++) {
		struct placement *placement = NULL;

		CU_ASSERT_EQUAL(placement_parse(xml, cut, &placement, NULL), -EBADMSG);
		CU_ASSERT_PTR_NULL(placement);
	}
}

/* Groups in groups without end are refused instead of followed. */
static void test_nesting(void)
{
	cleanup_free char *xml = NULL;
	size_t size = 0;
	struct placement *placement = NULL;
	FILE *out = open_memstream(&xml, &size);

	fprintf(out, "<pacemaker-result><summary/><nodes/><resources>");
	for (int i = 0; i < 100; i++) {
		fprintf(out, "<group>");
	}
	for (int i = 0; i < 100; i++) {
		fprintf(out, "</group>");
	}
	fprintf(out, "</resources></pacemaker-result>");
	fclose(out);
	CU_ASSERT_EQUAL(placement_parse(xml, size, &placement, NULL), -EBADMSG);
}

/* The attribute is the cluster's word and goes before the node's own file. */
static void test_address(void)
{
	cleanup_free char *xml = NULL;
	struct placement *placement = NULL;
	size_t len = 0;

	xml = file_read(TEST_FIXTURES "/placement/running.xml", &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(xml);
	CU_ASSERT_EQUAL_FATAL(placement_parse(xml, len, &placement, NULL), 0);
	CU_ASSERT_STRING_EQUAL(placement_node_address(placement, "a1", "192.0.2.99"), "192.0.2.11");
	CU_ASSERT_STRING_EQUAL(placement_node_address(placement, "a1", ""), "192.0.2.11");
	CU_ASSERT_STRING_EQUAL(placement_node_address(placement, "a2", "192.0.2.99"), "192.0.2.99");
	CU_ASSERT_STRING_EQUAL(placement_node_address(NULL, "a1", "192.0.2.99"), "192.0.2.99");
	CU_ASSERT_PTR_NULL(placement_node_address(placement, "a2", ""));
	CU_ASSERT_PTR_NULL(placement_node_address(placement, "other", NULL));
	placement_unref(placement);
}

static const struct unit_test tests[] = {
	{"golden fixtures", test_fixtures},
	{"find", test_find},
	{"malformed", test_malformed},
	{"nesting", test_nesting},
	{"address", test_address},
};
UNIT_MAIN("placement", tests)
