/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_facts.h"

#include <stdio.h>
#include <string.h>

#define BROKER_AGENT "ocf:vmreplica:broker"
#define ENGINE_AGENT "ocf:vmreplica:engine"

static void check_quorum(struct engine *engine, struct check_list *list)
{
	if (!engine->quorate) {
		check_list_add(
			list, CHECK_FAIL, "quorum", engine->missing,
			"this partition has no quorum: nobody acts, the broker answers nothing");
		return;
	}
	check_list_add(list, CHECK_OK, "quorum", NULL, "this partition has quorum");
}

/* two_node implies wait_for_all: after a blackout of the whole site a single node that comes back
 * waits for the other one. */
static void check_survivor(const struct placement *placement, struct check_list *list)
{
	if (placement->node_count != 2) {
		return;
	}
	check_list_add(list, CHECK_OK, "lone survivor", NULL,
		       "two nodes: after a blackout of both, a lone survivor waits for the other. "
		       "Make sure that "
		       "the other is off, then on the survivor: pcs quorum unblock");
}

static void check_fencing(const struct placement *placement, struct check_list *list)
{
	if (!placement->stonith_enabled) {
		check_list_add(
			list, CHECK_FAIL, "STONITH",
			"configure a fence device, then: pcs property set stonith-enabled=true",
			"fencing is off: two nodes could write one replica");
		return;
	}
	for (size_t i = 0; i < placement->resource_count; i++) {
		const struct placement_resource *resource = &placement->resources[i];

		if (strncmp(resource->agent, "stonith:", 8) == 0 &&
		    resource->state != PLACEMENT_STOPPED) {
			check_list_add(list, CHECK_OK, "STONITH", NULL, "enabled, %s runs",
				       resource->id);
			return;
		}
	}
	check_list_add(list, CHECK_FAIL, "STONITH", "create a fence device: pcs stonith create ...",
		       "enabled, but no fence device runs");
}

static void check_engines(const struct placement *placement, struct check_list *list)
{
	for (size_t i = 0; i < placement->node_count; i++) {
		const struct placement_node *node = &placement->nodes[i];

		if (!node->online) {
			check_list_add(list, CHECK_WARNING, "engine",
				       "bring the node back: pcs cluster start",
				       "node %s is offline and cannot be checked", node->name);
		} else if (!placement_agent_runs_on(placement, ENGINE_AGENT, node->name)) {
			check_list_add(list, CHECK_FAIL, "engine",
				       "start the engine clone there: pcs resource enable "
				       "vmreplica-engine-clone, pcs resource cleanup",
				       "no engine runs on node %s", node->name);
		} else {
			check_list_add(list, CHECK_OK, "engine", NULL, "runs on node %s",
				       node->name);
		}
	}
}

static void check_broker(const struct placement *placement, struct check_list *list)
{
	for (size_t i = 0; i < placement->resource_count; i++) {
		const struct placement_resource *resource = &placement->resources[i];

		if (strcmp(resource->agent, BROKER_AGENT) == 0 &&
		    resource->state == PLACEMENT_RUNNING) {
			check_list_add(list, CHECK_OK, "broker", NULL, "runs on node %s",
				       resource->node);
			return;
		}
	}
	check_list_add(list, CHECK_WARNING, "broker",
		       "the other side finds replicas here through it: README, \"broker group\"",
		       "no broker runs in this cluster");
}

/* libvirt-guests with ON_BOOT=start (its default on some distributions) starts what ran at the
 * host's shutdown, and asks no other side. */
static void check_guests(struct check_list *list)
{
	static const char *const files[] = {"/etc/default/libvirt-guests",
					    "/etc/sysconfig/libvirt-guests"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *file = fopen(files[i], "re");
		char line[256], value[32] = "", word[32];

		while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
			if (sscanf(line, " ON_BOOT = %31[^ \t\n#]", word) == 1) {
				memcpy(value, word, sizeof(value));
			}
		}
		if (file != NULL) {
			(void)fclose(file);
		}
		if (strstr(value, "start") != NULL) {
			check_list_add(list, CHECK_WARNING, "libvirt-guests",
				       "set ON_BOOT=ignore there: the engine starts protected VMs",
				       "%s has ON_BOOT=start: after a failover the VM could run "
				       "twice when this host boots",
				       files[i]);
		}
	}
}

void check_facts_cluster(struct engine *engine, struct check_list *list)
{
	const struct placement *placement = engine->cluster.ops->placement(&engine->cluster);

	if (engine->config->standalone) {
		check_list_add(list, CHECK_OK, "cluster", NULL, "standalone host, no cluster");
		check_guests(list);
		return;
	}
	check_quorum(engine, list);
	if (placement == NULL) {
		check_list_add(
			list, CHECK_FAIL, "placement",
			"is Pacemaker running here? pcs status; the log of vmreplica-cib says more",
			"the cluster's placement could not be read yet");
		return;
	}
	check_survivor(placement, list);
	check_fencing(placement, list);
	check_engines(placement, list);
	check_broker(placement, list);
}
