/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/standalone_placement.h"

#include <errno.h>

#include "cluster/placement_build.h"

static int add_running(struct placement_builder *builder, const char *id, const char *agent,
		       const char *node)
{
	struct placement_resource *resource = placement_builder_resource(builder);

	if (resource == NULL) {
		return -ENOMEM;
	}
	resource->id = placement_builder_text(builder, id);
	resource->agent = placement_builder_text(builder, agent);
	resource->role = placement_builder_text(builder, "Started");
	resource->node = placement_builder_text(builder, node);
	resource->state = PLACEMENT_RUNNING;
	resource->managed = true;
	return resource->id != NULL && resource->agent != NULL && resource->role != NULL &&
			       resource->node != NULL
		       ? 0
		       : -ENOMEM;
}

struct placement *standalone_placement_make(const char *node,
					    const Vmreplica__Ipc__CibSettings *settings)
{
	struct placement_builder builder;
	struct placement_node *entry;
	int error;

	if (placement_builder_init(&builder) < 0) {
		return NULL;
	}
	error = add_running(&builder, "vmreplica-engine", "ocf:vmreplica:engine", node);
	if (error == 0) {
		error = add_running(&builder, "vmreplica-broker", "ocf:vmreplica:broker", node);
	}
	for (size_t i = 0; i < settings->n_resources && error == 0; i++) {
		error = add_running(&builder, settings->resources[i]->id,
				    settings->resources[i]->type, node);
	}
	entry = placement_builder_node(&builder);
	if (error < 0 || entry == NULL) {
		placement_builder_destroy(&builder);
		return NULL;
	}
	entry->name = placement_builder_text(&builder, node);
	entry->online = true;
	builder.placement->quorate = true;
	builder.placement->dc = entry->name;
	return placement_builder_finish(&builder);
}
