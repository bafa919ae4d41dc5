/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/enroll.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "broker/locate.h"
#include "broker/replica_resource.h"
#include "cluster/authorize.h"
#include "common/cleanup.h"
#include "proto/validate.h"

#define ENROLL_CANDIDATES_MAX 128u

#define DENY(plan, word, ...) replica_deny((plan)->code, (plan)->reason, word, __VA_ARGS__)

/* ---- checks ---- */

static bool disks_are_sound(const Vmreplica__Wire__Enroll *enroll, struct enroll_plan *plan)
{
	if (enroll->n_disks == 0 || enroll->n_disks > DISKS_MAX) {
		DENY(plan, "disks", "%s has %zu disks to replicate: 1 to %u are possible",
		     enroll->vm, enroll->n_disks, DISKS_MAX);
		return false;
	}
	for (size_t i = 0; i < enroll->n_disks; i++) {
		const Vmreplica__Wire__Disk *disk = enroll->disks[i];

		if (!validate_disk_name(disk->name) || disk->size_bytes == 0 ||
		    disk->size_bytes > DISK_SIZE_MAX) {
			DENY(plan, "disks",
			     "disk %.32s of %s has an impossible name or size (%" PRIu64 " bytes)",
			     disk->name, enroll->vm, disk->size_bytes);
			return false;
		}
		for (size_t j = 0; j < i; j++) {
			if (strcmp(disk->name, enroll->disks[j]->name) == 0) {
				DENY(plan, "disks", "disk %s of %s is named twice", disk->name,
				     enroll->vm);
				return false;
			}
		}
	}
	return true;
}

static bool request_is_sound(const struct enroll_world *world,
			     const Vmreplica__Wire__Enroll *enroll, struct enroll_plan *plan)
{
	if (!validate_uuid(enroll->relationship) || !validate_vm_name(enroll->vm) ||
	    !validate_site_name(enroll->site)) {
		DENY(plan, "malformed", "the relationship, VM or site name is malformed");
		return false;
	}
	if (strcasecmp(enroll->site, world->own_site) == 0) {
		DENY(plan, "same-site",
		     "both sides call themselves %s: give each site its own name in vmreplica.conf",
		     enroll->site);
		return false;
	}
	if (enroll->frequency_s < FREQUENCY_MIN_S || enroll->frequency_s > FREQUENCY_MAX_S) {
		DENY(plan, "frequency",
		     "a replication frequency of %u s is not possible: choose %u to %u",
		     enroll->frequency_s, FREQUENCY_MIN_S, FREQUENCY_MAX_S);
		return false;
	}
	return disks_are_sound(enroll, plan);
}

/* The peer is who it says it is, and an entry lets it in. NULL with the denial in plan otherwise.
 */
static const struct authorization_entry *peer_entry(const struct enroll_world *world,
						    const char *site, const char *const *names,
						    char code[REPLICA_CODE_LEN],
						    char reason[REASON_MAX + 1])
{
	const struct authorization_entry *entry =
		authorization_match_name(world->authorizations, site);
	char joined[256];

	locate_names_join(names, joined, sizeof(joined));
	if (!replica_names_contain(names, site)) {
		replica_deny(
			code, reason, "identity",
			"the certificate (%s) does not carry the site name %.64s: issue it with "
			"that name",
			joined, site);
		return NULL;
	}
	if (entry == NULL) {
		entry = authorization_match(world->authorizations, names);
	}
	if (entry == NULL) {
		replica_deny(code, reason, "not-authorized",
			     "no authorization entry matches %s: on this cluster run vmreplica "
			     "authorize add %.64s "
			     "--storage DIRECTORY",
			     joined, site);
	}
	return entry;
}

/* ---- choosing the node ---- */

/* On how many nodes the storage with this id is seen. An empty id (no marker file yet) stands for
 * one node's own. */
static size_t count_storage_id(const struct routing_table *routes, const char *path, const char *id)
{
	size_t count = 0;

	for (const struct routing_node *node = routing_table_nodes(routes); node != NULL;
	     node = node->next) {
		const struct routing_storage *storage = replica_node_storage(node, path);

		count += storage != NULL && storage->id != NULL && id[0] != '\0' &&
			 strcmp(storage->id, id) == 0;
	}
	return count;
}

static size_t collect_candidates(const struct routing_table *routes, const char *path,
				 struct placement_candidate *candidates, const char **ret_error)
{
	size_t count = 0;

	for (const struct routing_node *node = routing_table_nodes(routes);
	     node != NULL && count < ENROLL_CANDIDATES_MAX; node = node->next) {
		const struct routing_storage *storage = replica_node_storage(node, path);

		if (storage == NULL) {
			continue;
		}
		if (storage->error != NULL && storage->error[0] != '\0') {
			*ret_error = storage->error;
		}
		candidates[count++] = (struct placement_candidate){
			.node = node->name,
			.free_bytes = storage->free_bytes,
			.replicas = routing_table_replicas_on(routes, node->name),
			.writable = storage->writable,
		};
	}
	return count;
}

static bool choose_node(const struct enroll_world *world, const struct authorization_entry *entry,
			struct enroll_plan *plan)
{
	cleanup_free struct placement_candidate *candidates =
		calloc(ENROLL_CANDIDATES_MAX, sizeof(*candidates));
	const struct routing_storage *storage;
	const char *error = "", *why = "";
	const char *node;
	size_t count;

	if (candidates == NULL) {
		DENY(plan, "busy", "the broker is out of memory: try again");
		return false;
	}
	count = collect_candidates(world->routes, entry->storage, candidates, &error);
	if (count == 0) {
		DENY(plan, "no-storage",
		     "no node of %s offers %.256s: start vmreplica-engine there and make that "
		     "directory (see "
		     "vmreplica check)",
		     world->own_site, entry->storage);
		return false;
	}
	node = placement_choose(world->placement, candidates, count, world->reserve_bytes, &why);
	if (node == NULL) {
		DENY(plan, "no-room", "no node of %s can take the replica in %.128s: %s%s%.128s",
		     world->own_site, entry->storage, why, error[0] == '\0' ? "" : "; ", error);
		return false;
	}
	storage =
		replica_node_storage(routing_table_find_node(world->routes, node), entry->storage);
	snprintf(plan->node, sizeof(plan->node), "%s", node);
	if (count_storage_id(world->routes, entry->storage,
			     storage->id == NULL ? "" : storage->id) < 2) {
		snprintf(plan->location_node, sizeof(plan->location_node), "%s", node);
	}
	return true;
}

/* ---- ENROLL ---- */

/* What a resource does not say is the agent's default. */
static bool number_differs(const Vmreplica__Ipc__CibResource *resource, const char *name,
			   uint32_t value, uint32_t unsaid)
{
	const char *text = routing_parameter(resource, name);
	char wanted[16];

	snprintf(wanted, sizeof(wanted), "%u", value);
	return text == NULL ? value != unsaid : strcmp(text, wanted) != 0;
}

static bool points_differ(const Vmreplica__Ipc__CibResource *resource,
			  const Vmreplica__PointSettings *points)
{
	return points != NULL &&
	       (number_differs(resource, "points", points->points, POINTS_DEFAULT) ||
		number_differs(resource, "point_interval", points->interval_s,
			       POINT_INTERVAL_DEFAULT_S) ||
		number_differs(resource, "app_interval", points->app_interval_s, 0));
}

void enroll_join_maps(const Vmreplica__Wire__Enroll *enroll, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < enroll->n_maps && used < size; i++) {
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i > 0 ? "," : "",
					 enroll->maps[i]);
	}
}

static bool map_differs(const Vmreplica__Wire__Enroll *enroll,
			const Vmreplica__Ipc__CibResource *resource)
{
	char maps[NETWORK_MAPS_MAX * (2 * NETWORK_NAME_MAX + 16)];

	enroll_join_maps(enroll, maps, sizeof(maps));
	return maps[0] != '\0' && !replica_resource_has(resource, "map", maps);
}

/* The relationship has a resource already: is it the same enrollment again? */
static void decide_existing(const struct enroll_world *world, const Vmreplica__Wire__Enroll *enroll,
			    const Vmreplica__Ipc__CibResource *resource, struct enroll_plan *plan)
{
	const struct route *route = routing_table_find(world->routes, enroll->relationship);
	const char *storage = routing_parameter(resource, "storage");
	const char *vm = routing_parameter(resource, "vm");
	char frequency[16];

	if (!replica_resource_has(resource, "role", "replica")) {
		DENY(plan, "own-relationship",
		     "%s is the primary side of this relationship (resource %s)", world->own_site,
		     resource->id);
		return;
	}
	if (!replica_resource_has(resource, "peer", enroll->site) || vm == NULL ||
	    strcmp(vm, enroll->vm) != 0) {
		DENY(plan, "relationship-taken",
		     "the relationship belongs to another VM or site here (resource %s)",
		     resource->id);
		return;
	}
	plan->outcome = ENROLL_EXISTS;
	snprintf(plan->resource, sizeof(plan->resource), "%s", resource->id);
	snprintf(plan->storage, sizeof(plan->storage), "%s", storage != NULL ? storage : "");
	snprintf(plan->node, sizeof(plan->node), "%s", route != NULL ? route->node : "");
	snprintf(frequency, sizeof(frequency), "%u", enroll->frequency_s);
	plan->update_frequency = !replica_resource_has(resource, "frequency", frequency) ||
				 points_differ(resource, enroll->points);
	plan->update_map = map_differs(enroll, resource);
}

static uint64_t size_of(void *arg, const char *relationship)
{
	const struct route *route = routing_table_find(arg, relationship);

	return route != NULL ? route->size_bytes : 0;
}

static uint64_t disks_size(const Vmreplica__Wire__Enroll *enroll)
{
	uint64_t size_bytes = 0; /* 64 disks of a PiB at most (disks_are_sound) */

	for (size_t i = 0; i < enroll->n_disks; i++) {
		size_bytes += enroll->disks[i]->size_bytes;
	}
	return size_bytes;
}

/* What the entry lets in, in VMs and in bytes. */
static bool entry_has_room(const struct enroll_world *world, const Vmreplica__Wire__Enroll *enroll,
			   const struct authorization_entry *entry, struct enroll_plan *plan)
{
	char why[AUTHORIZATION_ROOM_LEN];
	struct authorization_usage usage;

	authorization_usage_of(world->authorizations, entry, world->settings, NULL, size_of,
			       (void *)(uintptr_t)world->routes, &usage);
	for (size_t i = 0; i < world->pending_count; i++) {
		const struct enroll_pending *pending = &world->pending[i];

		if (strcmp(pending->relationship, enroll->relationship) != 0 &&
		    replica_resource_find(world->settings, pending->relationship) == NULL &&
		    authorization_site_entry(world->authorizations, pending->site) == entry) {
			authorization_usage_add(&usage, pending->size_bytes);
		}
	}
	if (entry->max_vms != 0 && usage.vms >= entry->max_vms) {
		DENY(plan, "max-vms",
		     "the authorization entry %s allows %u VMs and has %u: raise its --max-vms",
		     entry->pattern, entry->max_vms, usage.vms);
		return false;
	}
	plan->size_bytes = disks_size(enroll);
	if (!authorization_has_room(entry, &usage, plan->size_bytes)) {
		DENY(plan, "max-size", "%s",
		     authorization_explain_room(entry, &usage, plan->size_bytes, why));
		return false;
	}
	return true;
}

static void decide_new(const struct enroll_world *world, const Vmreplica__Wire__Enroll *enroll,
		       const struct authorization_entry *entry, struct enroll_plan *plan)
{
	replica_resource_id(enroll->vm, enroll->site, plan->resource);
	if (replica_resource_find_id(world->settings, plan->resource) != NULL) {
		DENY(plan, "name-taken",
		     "%s has a resource %s of another relationship: unprotect that one first, or "
		     "delete the resource",
		     world->own_site, plan->resource);
		return;
	}
	if (!entry_has_room(world, enroll, entry, plan)) {
		return;
	}
	snprintf(plan->storage, sizeof(plan->storage), "%s", entry->storage);
	if (choose_node(world, entry, plan)) {
		plan->outcome = ENROLL_CREATE;
		snprintf(plan->vm, sizeof(plan->vm), "%s", enroll->vm);
		snprintf(plan->site, sizeof(plan->site), "%s", enroll->site);
	}
}

void enroll_decide(const struct enroll_world *world, const Vmreplica__Wire__Enroll *enroll,
		   const char *const *names, struct enroll_plan *ret_plan)
{
	const Vmreplica__Ipc__CibResource *existing;
	const struct authorization_entry *entry;

	memset(ret_plan, 0, sizeof(*ret_plan));
	ret_plan->outcome = ENROLL_DENIED;
	if (!request_is_sound(world, enroll, ret_plan)) {
		return;
	}
	entry = peer_entry(world, enroll->site, names, ret_plan->code, ret_plan->reason);
	if (entry == NULL) {
		return;
	}
	if (world->settings == NULL || world->placement == NULL) {
		DENY(ret_plan, "starting",
		     "the broker has not read the cluster's configuration yet: try again");
		return;
	}
	existing = replica_resource_find(world->settings, enroll->relationship);
	if (existing != NULL) {
		decide_existing(world, enroll, existing, ret_plan);
	} else {
		decide_new(world, enroll, entry, ret_plan);
	}
}
