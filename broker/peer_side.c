/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/peer_side.h"

#include <stdio.h>
#include <string.h>

#include "broker/locate.h"
#include "broker/routing_table.h"
#include "cluster/domain_resource.h"
#include "cluster/nvpair_list.h"
#include "cluster/standing_order.h"

#define DENY(side, word, ...) replica_deny((side)->code, (side)->reason, word, __VA_ARGS__)

/* "[v6]:port", "host:port" or "host" without the port. */
static void host_of(const char *peer, char *ret_host, size_t size)
{
	const char *end = strrchr(peer, ':');

	if (peer[0] == '[') {
		peer++;
		end = strchr(peer, ']');
	} else if (end != NULL && strchr(peer, ':') != end) {
		end = NULL; /* a bare IPv6 address */
	}
	snprintf(ret_host, size, "%.*s", end != NULL ? (int)(end - peer) : (int)strlen(peer), peer);
}

static bool is_their_relationship(const Vmreplica__Ipc__CibResource *resource, Vmreplica__Role role,
				  const struct peer_identity *peer, const char *site)
{
	const char *known = routing_parameter(resource, "peer");
	char host[SITE_NAME_MAX + 1];

	if (known == NULL) {
		return false;
	}
	if (role == VMREPLICA__ROLE__ROLE_REPLICA) {
		return replica_resource_has(resource, "peer", site);
	}
	host_of(known, host, sizeof(host));
	return peer->carries(peer->arg, host);
}

/* The VM's own resource: named by ours, or made by us and marked with the relationship. */
static const char *vm_resource_of(const struct peer_side_world *world,
				  const Vmreplica__Ipc__CibResource *resource)
{
	const char *relationship = routing_parameter(resource, "relationship");
	const char *named = routing_parameter(resource, "vm_resource");
	const Vmreplica__Ipc__CibResource *made;

	if (named != NULL && named[0] != '\0') {
		return named;
	}
	made = relationship != NULL ? domain_resource_find(world->settings, relationship, false)
				    : NULL;
	return made != NULL ? made->id : NULL;
}

/* What is not known counts as running: the asker may start the same VM. */
static bool vm_is_running(const struct peer_side_world *world,
			  const Vmreplica__Ipc__CibResource *resource)
{
	const char *id = vm_resource_of(world, resource);
	const struct placement_resource *place;

	if (id == NULL) {
		return false;
	}
	place = world->placement != NULL ? placement_find(world->placement, id) : NULL;
	return world->placement == NULL || (place != NULL && place->state != PLACEMENT_STOPPED) ||
	       (place != NULL && place->pending != NULL);
}

static void read_epoch(const struct peer_side_world *world, const char *relationship,
		       struct peer_side *side, const char *site)
{
	char name[sizeof(EPOCH_SETTING) + RELATIONSHIP_LEN];

	epoch_first(relationship,
		    side->role == VMREPLICA__ROLE__ROLE_PRIMARY ? world->own_site : site,
		    &side->epoch);
	snprintf(name, sizeof(name), "%s%s", EPOCH_SETTING, relationship);
	for (size_t i = 0; i < world->settings->n_settings; i++) {
		if (strcmp(world->settings->settings[i]->name, name) == 0) {
			epoch_parse(world->settings->settings[i]->value, &side->epoch);
		}
	}
}

/* A failover of it that was ordered here and is not over (engine/failover_order.h: its kind, its
 * job, "do", "force" or "undo", ...). The store has the new epoch from its begin, the settings only from the
 * VM's start: in between the owner alone knows, and it may be away. */
static bool is_failing_over(const struct peer_side_world *world, const char *relationship)
{
	char name[STANDING_NAME_LEN], kind[32], way[8];
	const char *order;

	snprintf(name, sizeof(name), "%s%s", STANDING_FAILOVER, relationship);
	order = nvpair_find(world->settings->settings, world->settings->n_settings, name);
	return order != NULL && sscanf(order, "%31s %*s %7s", kind, way) == 2 &&
	       (strcmp(way, "do") == 0 || strcmp(way, "force") == 0) &&
	       (strcmp(kind, "planned-failover") == 0 || strcmp(kind, "unplanned-failover") == 0);
}

void peer_side_judge(const struct peer_side_world *world, const struct peer_identity *peer,
		     const char *relationship, const char *site, struct peer_side *ret_side)
{
	const Vmreplica__Ipc__CibResource *resource;

	memset(ret_side, 0, sizeof(*ret_side));
	if (!replica_names_contain(peer->names, site)) {
		char joined[256];

		DENY(ret_side, "identity",
		     "the certificate (%s) does not carry the site name %.64s",
		     locate_names_join(peer->names, joined, sizeof(joined)), site);
		return;
	}
	if (world->settings == NULL) {
		ret_side->outcome = PEER_SIDE_STARTING;
		return;
	}
	ret_side->entry = authorization_match_name(world->authorizations, site);
	resource = replica_resource_find(world->settings, relationship);
	if (resource == NULL) {
		ret_side->outcome = PEER_SIDE_UNKNOWN;
		return;
	}
	ret_side->role = replica_resource_has(resource, "role", "replica")
				 ? VMREPLICA__ROLE__ROLE_REPLICA
				 : VMREPLICA__ROLE__ROLE_PRIMARY;
	if (!is_their_relationship(resource, ret_side->role, peer, site)) {
		DENY(ret_side, "other-peer",
		     "the relationship does not belong to %.64s: its peer here is %.64s", site,
		     routing_parameter(resource, "peer") != NULL
			     ? routing_parameter(resource, "peer")
			     : "missing");
		return;
	}
	ret_side->outcome = PEER_SIDE_OK;
	ret_side->resource = resource;
	ret_side->vm_running = vm_is_running(world, resource);
	read_epoch(world, relationship, ret_side, site);
	ret_side->failing_over = ret_side->role == VMREPLICA__ROLE__ROLE_REPLICA &&
				 is_failing_over(world, relationship);
}
