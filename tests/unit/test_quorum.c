/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said about missing quorum, and which processes of the group are known. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/members.h"
#include "cluster/quorum.h"
#include "common/quorum_steps.h"
#include "tests/unit/unit.h"

static struct cluster_map_node three[] = {
	{.id = 1, .name = "a1"},
	{.id = 2, .name = "a2"},
	{.id = 3, .name = "a3"},
};

static void test_sentences(void)
{
	struct cluster_map map = {.nodes = three, .node_count = 3};
	uint32_t present[] = {1};
	struct quorum_state state = {.connected = true, .quorate = true};
	char text[QUORUM_TEXT_LEN];

	CU_ASSERT_STRING_EQUAL(quorum_text(&state, &map, text), "");
	state.quorate = false;
	state.connected = false;
	CU_ASSERT_PTR_NOT_NULL(strstr(quorum_text(&state, &map, text), "corosync does not run"));
	state.connected = true;
	state.nodes = present;
	state.node_count = 1;
	(void)quorum_text(&state, &map, text);
	CU_ASSERT_PTR_EQUAL(strstr(text, "no quorum, missing a2, a3: "), text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "corosync-quorumtool -e VOTES"));
	map.node_count = 2;
	map.wait_for_all = true;
	(void)quorum_text(&state, &map, text);
	CU_ASSERT_PTR_EQUAL(strstr(text, "no quorum, missing a2: "), text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "pcs quorum unblock"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "corosync-cmapctl -s quorum.cancel_wait_for_all u8 1"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "vmreplica failover VM --unplanned"));
	map.node_count = 1;
	CU_ASSERT_PTR_NOT_NULL(strstr(quorum_text(&state, &map, text), "corosync-quorumtool -s"));
}

/* Names without end fit all the same, and the steps are not lost. */
static void test_many_names(void)
{
	struct cluster_map_node *nodes = calloc(64, sizeof(*nodes));
	struct cluster_map map = {.nodes = nodes, .node_count = 64};
	struct quorum_state state = {.connected = true};
	char text[QUORUM_TEXT_LEN];

	CU_ASSERT_PTR_NOT_NULL_FATAL(nodes);
	for (uint32_t i = 0; i < 64; i++) {
		nodes[i].id = i + 1;
		memset(nodes[i].name, 'n', 40);
	}
	(void)quorum_text(&state, &map, text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, ", ...: start enough"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "that are left"));
	free(nodes);
}

static void test_members(void)
{
	struct members members = {0};
	struct member gone;

	CU_ASSERT_EQUAL(members_learn(&members, 1, 100, "a1", "engine"), 1);
	CU_ASSERT_EQUAL(members_learn(&members, 1, 100, "a1", "engine"), 0);
	CU_ASSERT_EQUAL(members_learn(&members, 1, 101, "a1", "broker"), 1);
	CU_ASSERT_EQUAL(members_learn(&members, 2, 100, "a2", "engine"), 1);
	CU_ASSERT_EQUAL(members_learn(&members, 3, 1, "", "engine"), -EINVAL);
	CU_ASSERT_EQUAL(members_learn(&members, 3, 1, "a3", ""), -EINVAL);
	CU_ASSERT_EQUAL(members_learn(&members, 3, 1, "a3", "a-name-that-is-too-long"), -EINVAL);
	CU_ASSERT_FALSE(members_forget(&members, 2, 101, &gone));
	CU_ASSERT_TRUE(members_forget(&members, 1, 100, &gone));
	CU_ASSERT_STRING_EQUAL(gone.node, "a1");
	CU_ASSERT_STRING_EQUAL(gone.name, "engine");
	CU_ASSERT_FALSE(members_forget(&members, 1, 100, &gone));
	/* a process that comes back is new */
	CU_ASSERT_EQUAL(members_learn(&members, 1, 100, "a1", "engine"), 1);
	for (uint32_t pid = 0; pid < 100; pid++) {
		CU_ASSERT_EQUAL(members_learn(&members, 9, pid, "a9", "engine"), 1);
	}
	for (int left = 103; left > 0; left--) {
		CU_ASSERT_TRUE(members_pop(&members, &gone));
	}
	CU_ASSERT_FALSE(members_pop(&members, &gone));
	members_destroy(&members);
}

static void test_report(void)
{
	static const char alone[] =
		"Quorum information\n------------------\nDate:             Mon Mar  2 2026\n"
		"Nodes:            1\nQuorate:          No\n\nExpected votes:   2\n"
		"Highest expected: 2\nTotal votes:      1\n"
		"Quorum:           1 Activity blocked\nFlags:            2Node WaitForAll \n";
	static const char both[] = "Quorate:          Yes\nExpected votes:   3\nTotal votes:      "
				   "2\nFlags:            Quorate\n\nWaitForAll\n";
	struct quorum_report report = {0};

	CU_ASSERT_EQUAL(quorum_report_parse(alone, &report), 0);
	CU_ASSERT_FALSE(report.quorate);
	CU_ASSERT_TRUE(report.wait_for_all);
	CU_ASSERT_EQUAL(report.votes, 1);
	CU_ASSERT_EQUAL(report.expected, 2);
	CU_ASSERT_EQUAL(quorum_report_parse(both, &report), 0);
	CU_ASSERT_TRUE(report.quorate);
	CU_ASSERT_FALSE(report.wait_for_all);
	CU_ASSERT_EQUAL(report.votes, 2);
	CU_ASSERT_EQUAL(quorum_report_parse("Quorate:", &report), 0);
	CU_ASSERT_FALSE(report.quorate);
	CU_ASSERT_EQUAL(quorum_report_parse("", &report), -EBADMSG);
	CU_ASSERT_EQUAL(quorum_report_parse("Cannot initialize QUORUM service\n", &report),
			-EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(quorum_steps(true), "pcs quorum unblock"));
	CU_ASSERT_PTR_NOT_NULL(strstr(quorum_steps(false), "corosync-quorumtool -e VOTES"));
}

static const struct unit_test tests[] = {
	{"sentences", test_sentences},
	{"many names", test_many_names},
	{"report", test_report},
	{"members", test_members},
};
UNIT_MAIN("quorum", tests)
