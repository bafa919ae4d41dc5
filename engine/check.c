/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/check_facts.h"
#include "engine/check_probe.h"
#include "engine/relationship.h"

#define CHECK_NODE_MS 45000
#define CLOCK_SKEW_MS 2000

/* One check under way. It ends when our own probe and every other node have answered. */
struct check {
	struct engine *engine; /* borrowed */
	check_reply_cb reply;
	void *arg;
	struct check_probe probe;
	struct check_list cluster; /* said once for the cluster, and what other nodes said */
	unsigned int waiting;
};

/* A question to another node. */
struct check_question {
	struct check *check;
	char node[NODE_NAME_MAX + 1];
	int64_t asked_ms; /* wall clock, to compare theirs */
};

static void check_finish(struct check *check)
{
	Vmreplica__Admin__CheckResponse response = VMREPLICA__ADMIN__CHECK_RESPONSE__INIT;
	struct check_list all = {.node = check->engine->config->node};

	response.n_lines = check->probe.list.count;
	response.lines = check->probe.list.lines;
	check_list_append(&all, &response);
	response.n_lines = check->cluster.count;
	response.lines = check->cluster.lines;
	check_list_append(&all, &response);
	response.n_lines = all.count;
	response.lines = all.lines;
	response.time_ms = clock_wall_ms();
	check->reply(check->arg, &response);
	check_list_destroy(&all);
	check_list_destroy(&check->cluster);
	check_list_destroy(&check->probe.list);
	check_replicas_destroy(&check->probe.replicas);
	free(check->probe.vms);
	free(check);
}

static void check_answered(struct check *check)
{
	if (--check->waiting == 0) {
		check_finish(check);
	}
}

static int probe_run(void *arg)
{
	struct check *check = arg;

	check_probe_run(&check->probe);
	return 0;
}

static void probe_done(void *arg, int result)
{
	struct check *check = arg;

	(void)result;
	check_answered(check);
}

/* The answer was made between asking and now: their clock must lie in there, give or take. */
static void compare_clocks(struct check *check, const struct check_question *question,
			   int64_t theirs_ms)
{
	int64_t now_ms = clock_wall_ms();
	int64_t skew_ms = 0;

	if (theirs_ms < question->asked_ms) {
		skew_ms = theirs_ms - question->asked_ms;
	} else if (theirs_ms > now_ms) {
		skew_ms = theirs_ms - now_ms;
	}
	if (skew_ms > CLOCK_SKEW_MS || skew_ms < -CLOCK_SKEW_MS) {
		check_list_add(&check->cluster, CHECK_WARNING, "clock", "run chrony on all nodes",
			       "the clock of %s is off by %lld ms", question->node,
			       (long long)skew_ms);
	}
}

static void node_answered(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct check_question *question = arg;
	struct check *check = question->check;

	if (error != 0 || response->check == NULL) {
		check_list_add(&check->cluster, CHECK_FAIL, "engine",
			       "look into its log; crm_mon shows its state",
			       "the engine of node %s did not answer: %s", question->node,
			       error != 0 ? strerror(-error) : response->text);
	} else {
		compare_clocks(check, question, response->check->time_ms);
		check_list_append(&check->cluster, response->check);
	}
	free(question);
	check_answered(check);
}

static void ask_node(struct check *check, const char *node,
		     const Vmreplica__Admin__CheckRequest *request)
{
	Vmreplica__Admin__CheckRequest local = VMREPLICA__ADMIN__CHECK_REQUEST__INIT;
	Vmreplica__Admin__Request envelope = VMREPLICA__ADMIN__REQUEST__INIT;
	struct check_question *question = calloc(1, sizeof(*question));

	if (question == NULL) {
		return;
	}
	question->check = check;
	question->asked_ms = clock_wall_ms();
	snprintf(question->node, sizeof(question->node), "%s", node);
	local.vm = request->vm;
	local.local = true;
	envelope.to = question->node;
	envelope.body_case = VMREPLICA__ADMIN__REQUEST__BODY_CHECK;
	envelope.check = &local;
	check->waiting++;
	if (forward_request(check->engine->forward, node, &envelope, CHECK_NODE_MS, node_answered,
			    question) != 0) {
		check->waiting--;
		check_list_add(&check->cluster, CHECK_FAIL, "engine",
			       "is Corosync up on this node?", "node %s cannot be asked", node);
		free(question);
	}
}

static void ask_others(struct check *check, const Vmreplica__Admin__CheckRequest *request)
{
	const struct cluster_table *table = &check->engine->table;

	for (size_t i = 0; i < table->node_count; i++) {
		const struct table_node *node = &table->nodes[i];

		if (node->present &&
		    strcmp(node->announcement->node, check->engine->config->node) != 0) {
			ask_node(check, node->announcement->node, request);
		}
	}
}

static void add_vm(struct check_probe *probe, const struct check_vm *vm)
{
	if (probe->vm_count < CHECK_VMS_MAX) {
		probe->vms[probe->vm_count++] = *vm;
	}
}

/* The VMs to look at: those protected here, or the one named; and the broker named, as if something
 * were to be protected there. */
static void collect_vms(struct check *check, const Vmreplica__Admin__CheckRequest *request)
{
	struct check_vm vm;

	for (const struct relationship *relationship = check->engine->relationships;
	     relationship != NULL; relationship = relationship->next) {
		if (request->vm[0] != '\0' && strcmp(request->vm, relationship->settings.vm) != 0) {
			continue;
		}
		vm = (struct check_vm){.port = relationship->settings.peer_port,
				       .frequency_s = relationship->settings.frequency_s,
				       .disks = true};
		snprintf(vm.vm, sizeof(vm.vm), "%s", relationship->settings.vm);
		snprintf(vm.relationship, sizeof(vm.relationship), "%s",
			 relationship->settings.relationship);
		snprintf(vm.host, sizeof(vm.host), "%s", relationship->settings.peer_host);
		add_vm(&check->probe, &vm);
	}
	if (request->peer[0] != '\0' && !request->local) {
		vm = (struct check_vm){0};
		snprintf(vm.vm, sizeof(vm.vm), "%s",
			 request->vm[0] != '\0' ? request->vm : "check");
		if (peer_address_parse(request->peer, BROKER_PORT, vm.host, &vm.port) == 0) {
			add_vm(&check->probe, &vm);
		} else {
			check_list_add(&check->cluster, CHECK_FAIL, "peer",
				       "give NAME, ADDRESS or ADDRESS:PORT", "%s is not an address",
				       request->peer);
		}
	}
}

int check_start(struct engine *engine, const Vmreplica__Admin__CheckRequest *request,
		check_reply_cb reply, void *arg)
{
	struct check *check = calloc(1, sizeof(*check));
	int error;

	if (check == NULL) {
		return -ENOMEM;
	}
	check->engine = engine;
	check->reply = reply;
	check->arg = arg;
	check->cluster.node = "";
	check->probe.list.node = engine->config->node;
	check->probe.config = engine->config;
	check->probe.config_path = engine->config_path;
	check->probe.libvirt = engine->libvirt;
	check->probe.tls = engine->tls;
	check->probe.vms = calloc(CHECK_VMS_MAX, sizeof(*check->probe.vms));
	if (check->probe.vms == NULL ||
	    check_replicas_collect(engine, request->vm, &check->probe.replicas) < 0) {
		free(check->probe.vms);
		free(check);
		return -ENOMEM;
	}
	check_facts_node(engine, &check->probe.list);
	collect_vms(check, request);
	check->waiting = 1;
	error = workers_submit(engine->task_workers, probe_run, probe_done, check);
	if (error != 0) {
		check_list_destroy(&check->cluster);
		check_list_destroy(&check->probe.list);
		check_replicas_destroy(&check->probe.replicas);
		free(check->probe.vms);
		free(check);
		return error;
	}
	if (!request->local) {
		check_facts_cluster(engine, &check->cluster);
		ask_others(check, request);
	}
	return 0;
}
