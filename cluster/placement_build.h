/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a snapshot of placement: placement_parse.c from crm_mon's XML, standalone.c from its
 * files. */
#ifndef VMR_CLUSTER_PLACEMENT_BUILD_H
#define VMR_CLUSTER_PLACEMENT_BUILD_H

#include "cluster/placement.h"

struct placement_builder {
	struct placement *placement; /* one reference, until finish takes it out */
	size_t resource_room, node_room;
};

int placement_builder_init(struct placement_builder *builder); /* 0 or -ENOMEM */
void placement_builder_destroy(struct placement_builder *builder);
/* A copy of text that lives as long as the snapshot; names repeat, so one of each is kept. NULL for
 * NULL. */
const char *placement_builder_text(struct placement_builder *builder, const char *text);
/* A new entry, zeroed; NULL when out of memory. Valid until the next one is added. */
struct placement_resource *placement_builder_resource(struct placement_builder *builder);
struct placement_node *placement_builder_node(struct placement_builder *builder);
/* Sort what is there, so that placement_find and placement_find_node work on it. */
void placement_builder_sort(struct placement_builder *builder);
/* Sort, and hand the snapshot over with its one reference. */
struct placement *placement_builder_finish(struct placement_builder *builder);

#endif
