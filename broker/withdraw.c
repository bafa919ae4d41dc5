/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/withdraw.h"

#include <stdio.h>
#include <string.h>

#include "broker/locate.h"
#include "broker/replica_domain.h"
#include "broker/replica_resource.h"
#include "cluster/epoch.h"
#include "cluster/nvpair_list.h"
#include "cluster/standing_order.h"
#include "cluster/vm_resource.h"

#define DENY(plan, word, ...) replica_deny((plan)->code, (plan)->reason, word, __VA_ARGS__)

/* Whose engine can destroy the store: the owner, else (it is stopped) any that has the storage. */
static const char *withdraw_node(const struct enroll_world *world, const struct route *route,
				 const char *storage)
{
	if (route != NULL && routing_table_find_node(world->routes, route->node) != NULL) {
		return route->node;
	}
	for (const struct routing_node *node = routing_table_nodes(world->routes); node != NULL;
	     node = node->next) {
		const struct routing_storage *seen = replica_node_storage(node, storage);

		if (seen != NULL && seen->writable) {
			return node->name;
		}
	}
	return "";
}

/* What replicates the replica on to another site (engine/extended.h): its vm_resource is the
 * replica's resource. */
static const Vmreplica__Ipc__CibResource *extended_find(const Vmreplica__Ipc__CibSettings *settings,
							const char *replica)
{
	for (size_t i = 0; i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->type, VM_RESOURCE_AGENT) == 0 &&
		    replica_resource_has(settings->resources[i], "vm_resource", replica)) {
			return settings->resources[i];
		}
	}
	return NULL;
}

static const char *setting_find(const struct enroll_world *world, const char *prefix,
				const char *relationship)
{
	char name[STANDING_NAME_LEN];

	snprintf(name, sizeof(name), "%s%s", prefix, relationship);
	return nvpair_find(world->settings->settings, world->settings->n_settings, name);
}

/* Its outcome is in the store and not yet in the settings. */
static bool is_failing_over(const struct enroll_world *world, const char *relationship)
{
	return setting_find(world, STANDING_FAILOVER, relationship) != NULL;
}

/* Failed over to here: the VM's own disks lie in the store, whether it runs at the moment or not.
 */
static bool is_held_here(const struct enroll_world *world, const char *relationship)
{
	struct epoch epoch;

	return epoch_parse(setting_find(world, EPOCH_SETTING, relationship), &epoch) == 0 &&
	       epoch_is_held_by(&epoch, world->own_site);
}

void withdraw_decide(const struct enroll_world *world, const Vmreplica__Wire__Withdraw *withdraw,
		     const char *const *names, struct withdraw_plan *ret_plan)
{
	const Vmreplica__Ipc__CibResource *resource, *extended;
	const char *storage, *vm, *in_use;

	memset(ret_plan, 0, sizeof(*ret_plan));
	ret_plan->outcome = WITHDRAW_DENIED;
	if (!replica_names_contain(names, withdraw->site)) {
		char joined[256];

		DENY(ret_plan, "identity",
		     "the certificate (%s) does not carry the site name %.64s",
		     locate_names_join(names, joined, sizeof(joined)), withdraw->site);
		return;
	}
	if (world->settings == NULL) {
		DENY(ret_plan, "starting",
		     "the broker has not read the cluster's configuration yet: try again");
		return;
	}
	resource = replica_resource_find(world->settings, withdraw->relationship);
	if (resource == NULL) {
		ret_plan->outcome = WITHDRAW_GONE;
		return;
	}
	if (!replica_resource_has(resource, "role", "replica") ||
	    !replica_resource_has(resource, "peer", withdraw->site)) {
		DENY(ret_plan, "other-peer", "the relationship does not belong to %.64s",
		     withdraw->site);
		return;
	}
	extended = extended_find(world->settings, resource->id);
	if (extended != NULL) {
		const char *peer = routing_parameter(extended, "peer");

		DENY(ret_plan, "extended",
		     "the replica is replicated on from here to %.64s (extended replication): "
		     "first, here, vmreplica unprotect %s",
		     peer != NULL ? peer : "another site", extended->id);
		return;
	}
	if (is_failing_over(world, withdraw->relationship)) {
		DENY(ret_plan, "failing-over",
		     "a failover of it is under way at %.64s: vmreplica jobs there shows it",
		     world->own_site);
		return;
	}
	if (is_held_here(world, withdraw->relationship)) {
		DENY(ret_plan, "failed-over",
		     "the VM has failed over to %.64s and its disks are here: first cancel the "
		     "failover there, or bring it back (vmreplica failover --planned)",
		     world->own_site);
		return;
	}
	in_use = replica_domain_in_use(world->settings, withdraw->relationship);
	if (in_use != NULL) {
		DENY(ret_plan, "in-use", "%s at %.64s: %s", resource->id, world->own_site, in_use);
		return;
	}
	storage = routing_parameter(resource, "storage");
	storage = storage != NULL ? storage : "";
	vm = routing_parameter(resource, "vm");
	ret_plan->outcome = WITHDRAW_DELETE;
	ret_plan->keep_store = withdraw->keep_store;
	snprintf(ret_plan->resource, sizeof(ret_plan->resource), "%s", resource->id);
	snprintf(ret_plan->site, sizeof(ret_plan->site), "%s", withdraw->site);
	snprintf(ret_plan->vm, sizeof(ret_plan->vm), "%s", vm != NULL ? vm : "");
	snprintf(ret_plan->storage, sizeof(ret_plan->storage), "%s", storage);
	snprintf(ret_plan->node, sizeof(ret_plan->node), "%s",
		 withdraw_node(world, routing_table_find(world->routes, withdraw->relationship),
			       storage));
}
