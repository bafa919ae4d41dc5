/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/adoption.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/relationship.h"
#include "engine/replica.h"

#define VM_AGENT	 "ocf:vmreplica:vm"
#define ADOPT_TIMEOUT_MS 60000
#define DETACH_MS	 20000

static void adopt(struct engine *engine, struct vm_settings *settings)
{
	if (settings->role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		if (engine_find_relationship(engine, settings->relationship) == NULL) {
			relationship_new(engine, settings);
		}
	} else if (engine_find_replica(engine, settings->relationship) == NULL) {
		replica_new(engine, settings, ADOPT_TIMEOUT_MS, NULL, NULL);
	}
}

static void adopt_resource(struct engine *engine, const Vmreplica__Ipc__CibResource *resource)
{
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN];

	if (vm_settings_from_resource(resource, &settings, error) < 0) {
		log_warning("resource %s: %s", resource->id, error);
		return;
	}
	adopt(engine, &settings);
	vm_settings_destroy(&settings);
}

/* A start or stop under way is its agent's business. */
static bool runs_here(const struct engine *engine, const struct placement *placement,
		      const char *id)
{
	const struct placement_resource *resource = placement_find(placement, id);

	return resource != NULL && resource->state == PLACEMENT_RUNNING && resource->node != NULL &&
	       strcmp(resource->node, engine->config->node) == 0;
}

static void adoption_cluster(struct engine *engine, const struct placement *placement,
			     const Vmreplica__Ipc__CibSettings *settings)
{
	if (engine->adopted) {
		return;
	}
	engine->adopted = true;
	for (size_t i = 0; i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		if (strcmp(resource->type, VM_AGENT) == 0 &&
		    runs_here(engine, placement, resource->id)) {
			adopt_resource(engine, resource);
		}
	}
}

/* ---- a host without a cluster: the files are the truth ---- */

static const Vmreplica__Ipc__CibResource *find_resource(const Vmreplica__Ipc__CibSettings *settings,
							const char *id)
{
	for (size_t i = 0; i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, id) == 0) {
			return settings->resources[i];
		}
	}
	return NULL;
}

static void standalone_detach_missing(struct engine *engine,
				      const Vmreplica__Ipc__CibSettings *settings)
{
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		if (!rel->stopping && find_resource(settings, rel->settings.resource) == NULL) {
			relationship_stop(rel, DETACH_MS, NULL, NULL);
		}
	}
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		if (!replica->stopping &&
		    find_resource(settings, replica->settings.resource) == NULL) {
			replica_stop(replica, false, DETACH_MS, NULL, NULL);
		}
	}
}

static void standalone_apply(struct engine *engine, const Vmreplica__Ipc__CibResource *resource)
{
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN];
	struct relationship *rel;
	struct replica *replica;

	if (vm_settings_from_resource(resource, &settings, error) < 0) {
		log_warning("%s: %s", resource->id, error);
		return;
	}
	rel = engine_find_relationship(engine, settings.relationship);
	replica = engine_find_replica(engine, settings.relationship);
	/* when its role has changed, it is attached in the new one once it is detached of the old
	 */
	if (rel != NULL && settings.role != VMREPLICA__ROLE__ROLE_PRIMARY) {
		if (!rel->stopping && !rel->gone) {
			relationship_stop(rel, DETACH_MS, NULL, NULL);
		}
	} else if (replica != NULL && settings.role != VMREPLICA__ROLE__ROLE_REPLICA) {
		if (!replica->stopping) {
			replica_stop(replica, false, DETACH_MS, NULL, NULL);
		}
	} else if (rel != NULL && settings.role == VMREPLICA__ROLE__ROLE_PRIMARY &&
		   !rel->stopping) {
		relationship_configure(rel, &settings);
	} else if (replica != NULL && !replica->stopping) {
		replica_configure(replica, &settings);
	} else {
		adopt(engine, &settings);
	}
	vm_settings_destroy(&settings);
}

static void adoption_standalone(struct engine *engine, const Vmreplica__Ipc__CibSettings *settings)
{
	standalone_detach_missing(engine, settings);
	for (size_t i = 0; i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->type, VM_AGENT) == 0) {
			standalone_apply(engine, settings->resources[i]);
		}
	}
}

void adoption_look(struct engine *engine)
{
	struct cluster *cluster = &engine->cluster;
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	const struct placement *placement;

	if (engine->stopping || settings == NULL) {
		return;
	}
	placement = cluster->ops->placement(cluster);
	if (engine->config->standalone) {
		adoption_standalone(engine, settings);
	} else if (placement != NULL) {
		adoption_cluster(engine, placement, settings);
	}
}
