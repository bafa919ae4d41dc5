/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each subcommand: what it asks, prints and returns. */
#include <errno.h>
#include <string.h>

#include "proto/limits.h"
#include "tests/unit/command_fixture.h"

static void test_refusal_has_text_and_advice(void)
{
	char text[] = "web9 is no VM of this cluster", advice[] = "See `virsh list`.";
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;

	answer.error = 2;
	answer.text = text;
	answer.advice = advice;
	RUN_SERVED(&answer, STATUS_FAILED, command_pause, "pause", "web9");
	CU_ASSERT_STRING_EQUAL(err_text,
			       "vmreplica: web9 is no VM of this cluster\n  See `virsh list`.\n");
	CU_ASSERT_STRING_EQUAL(out_text, "");
	answer.usage = true;
	RUN_SERVED(&answer, STATUS_USAGE, command_pause, "pause", "web9");
	CU_ASSERT_STRING_EQUAL(err_text, "vmreplica: web9 is no VM of this cluster\n");
}

static void test_lost_and_odd_answers(void)
{
	Vmreplica__Admin__StatusResponse status = VMREPLICA__ADMIN__STATUS_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;

	RUN_SERVED(NULL, STATUS_FAILED, command_resume, "resume", "web1");
	CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "vmreplica-engine closed the connection\n  "));
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_STATUS;
	answer.status = &status;
	RUN_SERVED(&answer, STATUS_FAILED, command_resume, "resume", "web1");
	CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "does not understand\n  "));
}

static void test_status_of_unknown_vm(void)
{
	Vmreplica__Admin__StatusResponse status = VMREPLICA__ADMIN__STATUS_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;

	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_STATUS;
	answer.status = &status;
	RUN_SERVED(&answer, STATUS_FAILED, command_status, "status", "web9");
	CU_ASSERT_STRING_EQUAL(server.request->status->vm, "web9");
	CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "VM web9 is not replicated to or from here\n"));
	RUN_SERVED(&answer, STATUS_DONE, command_status, "status");
	CU_ASSERT_STRING_EQUAL(out_text, "No VM is replicated to or from here.\n");
	RUN_SERVED(&answer, STATUS_DONE, command_status, "status", "--json");
	CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\"vms\": []"));
}

static void test_protect(void)
{
	char command[] = "pcs resource create web1-replica ...", *commands[] = {command};
	Vmreplica__Admin__ProtectResponse protect = VMREPLICA__ADMIN__PROTECT_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;
	const Vmreplica__Admin__ProtectRequest *asked;

	protect.n_commands = 1;
	protect.commands = commands;
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_PROTECT;
	answer.protect = &protect;
	RUN_SERVED(&answer, STATUS_DONE, command_protect, "protect", "web1", "--to",
		   "[fd00::1]:8650", "--frequency", "30", "--exclude-disk", "vdb", "--exclude-disk",
		   "vdc", "--bandwidth", "20M", "--dry-run");
	CU_ASSERT_STRING_EQUAL(out_text, "pcs resource create web1-replica ...\n");
	asked = server.request->protect;
	CU_ASSERT_STRING_EQUAL(asked->vm, "web1");
	CU_ASSERT_STRING_EQUAL(asked->to, "[fd00::1]:8650");
	CU_ASSERT_EQUAL(asked->frequency_s, 30);
	CU_ASSERT_EQUAL_FATAL(asked->n_exclude_disks, 2);
	CU_ASSERT_STRING_EQUAL(asked->exclude_disks[1], "vdc");
	CU_ASSERT_EQUAL(asked->bandwidth_bytes_per_s, 20u << 20);
	CU_ASSERT_TRUE(asked->dry_run);
	CU_ASSERT_EQUAL(strlen(asked->relationship), RELATIONSHIP_LEN);
	RUN_SERVED(&answer, STATUS_DONE, command_protect, "protect", "web1", "--to", "b");
	CU_ASSERT_PTR_NULL(strstr(out_text, "pcs"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "web1 is protected: "));
}

static void test_unprotect(void)
{
	char step[] = "resource web1-replica removed", *steps[] = {step};
	Vmreplica__Admin__UnprotectResponse unprotect = VMREPLICA__ADMIN__UNPROTECT_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;

	unprotect.n_steps = 1;
	unprotect.steps = steps;
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_UNPROTECT;
	answer.unprotect = &unprotect;
	RUN_SERVED(&answer, STATUS_DONE, command_unprotect, "unprotect", "--force", "web1");
	CU_ASSERT_TRUE(server.request->unprotect->force);
	CU_ASSERT_FALSE(server.request->unprotect->keep_replica);
	CU_ASSERT_STRING_EQUAL(out_text, "resource web1-replica removed\n");
}

static void test_authorize(void)
{
	char pattern[] = "*.example", storage[] = "/srv/replica";
	Vmreplica__Admin__AuthorizeEntry entry = VMREPLICA__ADMIN__AUTHORIZE_ENTRY__INIT;
	Vmreplica__Admin__AuthorizeEntry *entries[] = {&entry};
	Vmreplica__Admin__AuthorizeResponse list = VMREPLICA__ADMIN__AUTHORIZE_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;
	const Vmreplica__Admin__AuthorizeRequest *asked;

	entry.pattern = pattern;
	entry.storage = storage;
	entry.vms = 3;
	entry.size_bytes = 3ull << 30;
	entry.max_size_bytes = 2ull << 40;
	list.n_entries = 1;
	list.entries = entries;
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_AUTHORIZE;
	answer.authorize = &list;
	RUN_SERVED(&answer, STATUS_DONE, command_authorize, "authorize", "add", "*.example",
		   "--storage", "/srv/replica", "--max-vms", "7", "--group", "blue", "--max-size",
		   "2T");
	asked = server.request->authorize;
	CU_ASSERT_EQUAL(asked->op, VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__ADD);
	CU_ASSERT_STRING_EQUAL(asked->entry->pattern, "*.example");
	CU_ASSERT_STRING_EQUAL(asked->entry->storage, "/srv/replica");
	CU_ASSERT_STRING_EQUAL(asked->entry->group, "blue");
	CU_ASSERT_EQUAL(asked->entry->max_vms, 7);
	CU_ASSERT_EQUAL(asked->entry->max_size_bytes, 2ull << 40);
	CU_ASSERT_STRING_EQUAL(out_text, "*.example may replicate to here, into /srv/replica\n");
	RUN_SERVED(&answer, STATUS_DONE, command_authorize, "authorize", "list");
	CU_ASSERT_STRING_EQUAL(out_text,
			       "SITES      GROUP  VMS  AT MOST  SIZE     AT MOST  STORAGE\n"
			       "*.example  -      3    -        3.0 GiB  2.0 TiB  "
			       "/srv/replica\n");
	RUN_SERVED(&answer, STATUS_DONE, command_authorize, "authorize", "remove", "*.example");
	CU_ASSERT_EQUAL(server.request->authorize->op,
			VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__REMOVE);
}

static void test_sync(void)
{
	Vmreplica__Admin__SyncResponse sync_ = VMREPLICA__ADMIN__SYNC_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;

	sync_.seq = 18;
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_SYNC;
	answer.sync = &sync_;
	RUN_SERVED(&answer, STATUS_DONE, command_sync, "sync", "web1", "--wait", "--timeout", "9");
	CU_ASSERT_TRUE(server.request->sync->wait);
	CU_ASSERT_EQUAL(server.request->sync->timeout_s, 9);
	CU_ASSERT_STRING_EQUAL(out_text, "web1: cycle 18 is committed on the other side\n");
}

static void test_check_fails_on_a_fail(void)
{
	char item[] = "fencing", fail[] = "fail", ok[] = "ok", text[] = "stonith-enabled is false";
	char advice[] = "Set up fencing.", node[] = "b1";
	Vmreplica__Admin__CheckLine line = VMREPLICA__ADMIN__CHECK_LINE__INIT;
	Vmreplica__Admin__CheckLine *lines[] = {&line};
	Vmreplica__Admin__CheckResponse check = VMREPLICA__ADMIN__CHECK_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;

	line.item = item;
	line.verdict = fail;
	line.text = text;
	line.advice = advice;
	line.node = node;
	check.n_lines = 1;
	check.lines = lines;
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_CHECK;
	answer.check = &check;
	RUN_SERVED(&answer, STATUS_FAILED, command_check, "check", "--peer", "10.77.2.100");
	CU_ASSERT_STRING_EQUAL(server.request->check->peer, "10.77.2.100");
	CU_ASSERT_STRING_EQUAL(out_text, "fail     b1 fencing: stonith-enabled is false\n"
					 "           -> Set up fencing.\n");
	line.verdict = ok;
	RUN_SERVED(&answer, STATUS_DONE, command_check, "check", "--json");
	CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\"verdict\": \"ok\""));
}

static void test_locate_and_broker(void)
{
	char vm[] = "web1", owner[] = "b1", source[] = "CPG", redirect_[] = "REDIRECT";
	char relay[] = "auto", address[] = "10.77.2.100";
	Vmreplica__Admin__LocateResponse locate = VMREPLICA__ADMIN__LOCATE_RESPONSE__INIT;
	Vmreplica__Admin__BrokerResponse broker = VMREPLICA__ADMIN__BROKER_RESPONSE__INIT;
	Vmreplica__Admin__Route route = VMREPLICA__ADMIN__ROUTE__INIT, *routes[] = {&route};
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;

	locate.vm = route.vm = vm;
	locate.owner = locate.broker = locate.host = route.owner = broker.node = owner;
	locate.source = route.source = source;
	locate.answer = redirect_;
	locate.age_ms = route.age_ms = 3200;
	locate.port = 8651;
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_LOCATE;
	answer.locate = &locate;
	RUN_SERVED(&answer, STATUS_DONE, command_locate, "locate", "web1");
	CU_ASSERT_STRING_EQUAL(out_text, "web1: b1, known from CPG 3 s ago\n"
					 "The broker on b1 answers REDIRECT to b1 port 8651\n");
	broker.relay = relay;
	broker.address = address;
	broker.n_routes = 1;
	broker.routes = routes;
	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_BROKER;
	answer.broker = &broker;
	RUN_SERVED(&answer, STATUS_DONE, command_broker, "broker");
	CU_ASSERT_STRING_EQUAL(server.request->to, "@broker");
	CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "WITHOUT QUORUM"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(out_text, "\nweb1      unknown  b1     CPG         3 s  -\n"));
	RUN_SERVED(&answer, STATUS_DONE, command_broker, "broker", "--json");
	CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\"quorate\": false"));
}

static void test_agent(void)
{
	Vmreplica__Admin__AgentResponse agent = VMREPLICA__ADMIN__AGENT_RESPONSE__INIT;
	response_t answer = VMREPLICA__ADMIN__RESPONSE__INIT;
	const Vmreplica__Admin__AgentRequest *asked;

	answer.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_AGENT;
	answer.agent = &agent;
	RUN_SERVED(&answer, 7, command_agent, "agent", "vm", "monitor", "--resource",
		   "web1-replica", "--timeout", "5000", "vm=web1", "bandwidth=");
	asked = server.request->agent;
	CU_ASSERT_EQUAL(asked->op, VMREPLICA__ADMIN__AGENT_REQUEST__OP__MONITOR);
	CU_ASSERT_STRING_EQUAL(asked->resource, "web1-replica");
	CU_ASSERT_TRUE(asked->timeout_ms < 5000);
	CU_ASSERT_EQUAL_FATAL(asked->n_names, 2);
	CU_ASSERT_EQUAL_FATAL(asked->n_values, 2);
	CU_ASSERT_STRING_EQUAL(asked->names[1], "bandwidth");
	CU_ASSERT_STRING_EQUAL(asked->values[0], "web1");
	CU_ASSERT_STRING_EQUAL(asked->values[1], "");
	RUN_SERVED(&answer, STATUS_DONE, command_agent, "agent", "vm", "stop", "--resource", "x");
	RUN_SERVED(&answer, STATUS_DONE, command_agent, "agent", "ping", "broker");
	CU_ASSERT_EQUAL(server.request->agent->op, VMREPLICA__ADMIN__AGENT_REQUEST__OP__PING);
	agent.running = true;
	RUN_SERVED(&answer, STATUS_DONE, command_agent, "agent", "vm", "monitor", "--resource",
		   "x");
	answer.error = 22;
	RUN_SERVED(&answer, STATUS_FAILED, command_agent, "agent", "vm", "start", "--resource",
		   "x");
	answer.error = EAGAIN;
	RUN_SERVED(&answer, 4, command_agent, "agent", "vm", "start", "--resource", "x");
	answer.usage = true;
	RUN_SERVED(&answer, STATUS_USAGE, command_agent, "agent", "vm", "start", "--resource", "x");
}

static void test_no_daemon(void)
{
	CU_ASSERT_EQUAL(run(command_agent, "agent", "ping", "engine", "--socket", "/nonexistent",
			    "--timeout", "500", NULL),
			3);
	CU_ASSERT_EQUAL(run(command_sync, "sync", "web1", "--socket", "/nonexistent", NULL),
			STATUS_FAILED);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(err_text, "does not run on this node (/nonexistent)\n  Start"));
}

static const struct unit_test tests[] = {
	{"a refusal shows text and advice", test_refusal_has_text_and_advice},
	{"a lost answer and an odd one", test_lost_and_odd_answers},
	{"status of an unknown VM", test_status_of_unknown_vm},
	{"protect", test_protect},
	{"unprotect", test_unprotect},
	{"authorize", test_authorize},
	{"sync", test_sync},
	{"check fails when a line fails", test_check_fails_on_a_fail},
	{"locate and broker", test_locate_and_broker},
	{"agent", test_agent},
	{"no daemon", test_no_daemon},
};

int main(void)
{
	return command_suite_run("commands", tests, sizeof(tests) / sizeof(tests[0]));
}
