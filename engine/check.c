/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/check_facts.h"
#include "engine/check_guard.h"
#include "engine/check_probe.h"
#include "engine/check_unprotected.h"
#include "engine/extended.h"
#include "engine/inspect.h"
#include "engine/relationship.h"
#include "proto/validate.h"

#define CHECK_NODE_MS 45000
#define CLOCK_SKEW_MS 2000

/* One check under way. It ends when our own probe and every other node have answered. */
struct check {
	struct engine *engine; /* borrowed */
	check_reply_cb reply;
	void *arg;
	struct protect_vm vm;		 /* the one asked for; its name is "" for all */
	bool unprotected;		 /* that one does not replicate yet */
	bool local;			 /* asked by another node: this one alone */
	char peer[VM_SETTINGS_HOST_LEN]; /* a broker to be tried; "" = none */
	char vm_node[NODE_NAME_MAX + 1]; /* where the VM is looked at */
	struct check_list vm_lines;	 /* what was seen there */
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

static void check_free(struct check *check)
{
	check_list_destroy(&check->cluster);
	check_list_destroy(&check->vm_lines);
	check_list_destroy(&check->probe.list);
	check_replicas_destroy(&check->probe.replicas);
	check_storages_destroy(&check->probe.storages);
	protect_vm_destroy(&check->vm);
	authorization_table_destroy(&check->probe.authorizations);
	free(check->probe.vms);
	free(check);
}

static void check_finish(struct check *check)
{
	Vmreplica__Admin__CheckResponse response = VMREPLICA__ADMIN__CHECK_RESPONSE__INIT;
	struct check_list all = {.node = check->engine->config->node};

	response.n_lines = check->probe.list.count;
	response.lines = check->probe.list.lines;
	check_list_append(&all, &response);
	response.n_lines = check->vm_lines.count;
	response.lines = check->vm_lines.lines;
	check_list_append(&all, &response);
	response.n_lines = check->cluster.count;
	response.lines = check->cluster.lines;
	check_list_append(&all, &response);
	response.n_lines = all.count;
	response.lines = all.lines;
	response.time_ms = clock_wall_ms();
	check->reply(check->arg, 0, "", "", &response);
	check_list_destroy(&all);
	check_free(check);
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

static void ask_node(struct check *check, const char *node)
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
	local.vm = check->vm.name;
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

static void ask_others(struct check *check)
{
	const struct cluster_table *table = &check->engine->table;

	for (size_t i = 0; i < table->node_count; i++) {
		const struct table_node *node = &table->nodes[i];

		if (node->present &&
		    strcmp(node->announcement->node, check->engine->config->node) != 0) {
			ask_node(check, node->announcement->node);
		}
	}
}

static void add_vm(struct check_probe *probe, const struct check_vm *vm)
{
	if (probe->vm_count < CHECK_VMS_MAX) {
		probe->vms[probe->vm_count++] = *vm;
	}
}

/* The VMs to look at: those protected here, or the one asked for if it is; and the broker named, as
 * if something were to be protected there. */
static void collect_vms(struct check *check)
{
	const char *name = check->vm.name;
	struct check_vm vm;

	for (const struct relationship *relationship = check->engine->relationships;
	     relationship != NULL; relationship = relationship->next) {
		if (name[0] != '\0' && strcmp(name, relationship->settings.vm) != 0) {
			continue;
		}
		vm = (struct check_vm){
			.port = relationship->settings.peer_port,
			.frequency_s = relationship->settings.frequency_s,
			.disks = !extended_reads_store(check->engine, &relationship->settings)};
		snprintf(vm.vm, sizeof(vm.vm), "%s", relationship->settings.vm);
		snprintf(vm.relationship, sizeof(vm.relationship), "%s",
			 relationship->settings.relationship);
		snprintf(vm.host, sizeof(vm.host), "%s", relationship->settings.peer_host);
		add_vm(&check->probe, &vm);
	}
	if (check->peer[0] != '\0' && !check->local) {
		vm = (struct check_vm){0};
		snprintf(vm.vm, sizeof(vm.vm), "%s", name[0] != '\0' ? name : "check");
		if (peer_address_parse(check->peer, BROKER_PORT, vm.host, &vm.port) == 0) {
			add_vm(&check->probe, &vm);
		} else {
			check_list_add(&check->cluster, CHECK_FAIL, "peer",
				       "give NAME, ADDRESS or ADDRESS:PORT", "%s is not an address",
				       check->peer);
		}
	}
}

/* ---- a VM that is not protected yet ---- */

static void inspected_cb(void *arg, int error, const char *text,
			 const Vmreplica__Admin__InspectResponse *answer)
{
	struct check *check = arg;
	char item[VM_NAME_MAX + 8];

	if (error == 0) {
		check_unprotected_list(&check->vm_lines, check->vm.name, answer);
	} else {
		snprintf(item, sizeof(item), "disks %s", check->vm.name);
		check_list_add(&check->vm_lines, CHECK_FAIL, item,
			       "look at the VM where it runs: virsh list --all", "%s", text);
	}
	check_answered(check);
}

/* Where it runs, as protect does; one that is off is looked at from here. */
static void look_at_vm(struct check *check)
{
	struct cluster *cluster = &check->engine->cluster;
	const struct placement *placement = cluster->ops->placement(cluster);
	const struct placement_resource *resource =
		placement != NULL ? placement_find(placement, check->vm.resource) : NULL;
	const char *node = resource != NULL ? resource->node : NULL;
	int result;

	snprintf(check->vm_node, sizeof(check->vm_node), "%s",
		 node != NULL ? node : check->engine->config->node);
	check->vm_lines.node = check->vm_node;
	check->waiting++;
	result = inspect_vm(check->engine, node, check->vm.name, NULL, 0, inspected_cb, check);
	if (result < 0) { /* not the last answer: the worker's is still to come */
		inspected_cb(check, result, strerror(-result), NULL);
	}
}

/* ---- the course ---- */

/* 0 or a negative errno: nothing is under way then, and the check is still the caller's. */
static int check_begin(struct check *check)
{
	struct engine *engine = check->engine;
	int error = check_replicas_collect(engine, check->vm.name, &check->probe.replicas);

	if (error == 0) {
		error = check_storages_collect(engine, &check->probe.list, &check->probe.storages);
	}
	if (error != 0) {
		return error;
	}
	collect_vms(check);
	check->waiting = 1;
	error = workers_submit(engine->task_workers, probe_run, probe_done, check);
	if (error != 0) {
		return error;
	}
	if (!check->local) {
		check_facts_cluster(engine, &check->cluster);
		check_guards(engine_settings(engine), check->vm.name, &check->cluster);
		ask_others(check);
	}
	if (check->unprotected) {
		look_at_vm(check);
	}
	return 0;
}

static int choose_run(void *arg)
{
	struct check *check = arg;

	return protect_vm_choose(&check->vm);
}

static void choose_done(void *arg, int result)
{
	struct check *check = arg;
	char text[REASON_MAX];

	if (result == 0) {
		check->unprotected = true;
		result = check_begin(check);
	}
	if (result == 0) {
		return;
	}
	if (result == -ENOENT) {
		snprintf(text, sizeof(text), "no VM or resource is called %s", check->vm.asked);
		check->reply(check->arg, result, text,
			     "`vmreplica status` shows what replicates; any other must be a "
			     "resource of " VIRTUAL_DOMAIN_AGENT " (pcs resource)",
			     NULL);
	} else {
		snprintf(text, sizeof(text), "the check cannot be started: %s", strerror(-result));
		check->reply(check->arg, result, text, "try again", NULL);
	}
	check_free(check);
}

/* Which VM is meant: one that replicates, known at once, or a VirtualDomain, searched by a worker
 * that looks into domain files. 0 with the check begun or on its way, or a negative errno. */
static int check_find_vm(struct check *check)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(check->engine);
	const char *known = check_protected_name(settings, check->vm.asked);
	int error;

	if (check->vm.asked[0] == '\0' || known != NULL || check->local) {
		snprintf(check->vm.name, sizeof(check->vm.name), "%.*s", (int)VM_NAME_MAX,
			 known != NULL ? known : check->vm.asked);
		return check_begin(check);
	}
	if (check->engine->config->standalone && validate_vm_name(check->vm.asked)) {
		/* no resources here: libvirt alone knows it */
		snprintf(check->vm.name, sizeof(check->vm.name), "%.*s", (int)VM_NAME_MAX,
			 check->vm.asked);
		check->unprotected = true;
		return check_begin(check);
	}
	if (settings == NULL) {
		return -EAGAIN;
	}
	error = protect_vm_list(&check->vm, settings);
	return error != 0 ? error
			  : workers_submit(check->engine->task_workers, choose_run, choose_done,
					   check);
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
	check->local = request->local;
	snprintf(check->vm.asked, sizeof(check->vm.asked), "%s", request->vm);
	snprintf(check->peer, sizeof(check->peer), "%s", request->peer);
	check->cluster.node = "";
	check->probe.list.node = engine->config->node;
	check->probe.config = engine->config;
	check->probe.config_path = engine->config_path;
	check->probe.libvirt = engine->libvirt;
	check->probe.tls = engine->tls;
	check->probe.vms = calloc(CHECK_VMS_MAX, sizeof(*check->probe.vms));
	error = check->probe.vms != NULL
			? authorization_table_load(engine_settings(check->engine),
						   &check->probe.authorizations, NULL)
			: -ENOMEM;
	error = error == 0 ? check_find_vm(check) : error;
	if (error != 0) {
		check_free(check);
	}
	return error;
}
