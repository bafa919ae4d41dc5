/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/placement_build.h"

#include <errno.h>
#include <libxml/tree.h>
#include <libxml/dict.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"

struct placement *placement_ref(struct placement *placement)
{
	__atomic_add_fetch(&placement->references, 1, __ATOMIC_RELAXED);
	return placement;
}

void placement_unref(struct placement *placement)
{
	if (placement == NULL ||
	    __atomic_sub_fetch(&placement->references, 1, __ATOMIC_ACQ_REL) > 0) {
		return;
	}
	free(placement->resources);
	free(placement->nodes);
	xmlDictFree(placement->strings);
	free(placement);
}

int placement_builder_init(struct placement_builder *builder)
{
	struct placement *placement = calloc(1, sizeof(*placement));
	xmlDict *dict = xmlDictCreate();

	if (placement == NULL || dict == NULL) {
		free(placement);
		xmlDictFree(dict);
		return -ENOMEM;
	}
	placement->references = 1;
	placement->strings = dict;
	placement->read_ms = clock_monotonic_ms();
	*builder = (struct placement_builder){.placement = placement};
	return 0;
}

void placement_builder_destroy(struct placement_builder *builder)
{
	placement_unref(builder->placement);
	builder->placement = NULL;
}

const char *placement_builder_text(struct placement_builder *builder, const char *text)
{
	if (text == NULL) {
		return NULL;
	}
	return (const char *)xmlDictLookup(builder->placement->strings, (const xmlChar *)text, -1);
}

/* Room for one more entry of size bytes in *array; the new entry is zeroed. */
static void *array_add(void **array, size_t *count, size_t *room, size_t size)
{
	char *entry;

	if (*count == *room) {
		size_t wanted = *room == 0 ? 32 : *room * 2;
		void *grown = reallocarray(*array, wanted, size);

		if (grown == NULL) {
			return NULL;
		}
		*array = grown;
		*room = wanted;
	}
	entry = (char *)*array + *count * size;
	memset(entry, 0, size);
	(*count)++;
	return entry;
}

struct placement_resource *placement_builder_resource(struct placement_builder *builder)
{
	struct placement *placement = builder->placement;

	return array_add((void **)&placement->resources, &placement->resource_count,
			 &builder->resource_room, sizeof(struct placement_resource));
}

struct placement_node *placement_builder_node(struct placement_builder *builder)
{
	struct placement *placement = builder->placement;

	return array_add((void **)&placement->nodes, &placement->node_count, &builder->node_room,
			 sizeof(struct placement_node));
}

static int resource_compare(const void *a, const void *b)
{
	const struct placement_resource *one = a;
	const struct placement_resource *two = b;
	int order = strcmp(one->id, two->id);

	if (order != 0) {
		return order;
	}
	/* instances of a clone: those that run first, then by node */
	if ((one->node == NULL) != (two->node == NULL)) {
		return one->node == NULL ? 1 : -1;
	}
	return one->node == NULL ? 0 : strcmp(one->node, two->node);
}

static int node_compare(const void *a, const void *b)
{
	const struct placement_node *one = a;
	const struct placement_node *two = b;

	return strcmp(one->name, two->name);
}

void placement_builder_sort(struct placement_builder *builder)
{
	struct placement *placement = builder->placement;

	if (placement->resource_count > 0) {
		qsort(placement->resources, placement->resource_count,
		      sizeof(*placement->resources), resource_compare);
	}
	if (placement->node_count > 0) {
		qsort(placement->nodes, placement->node_count, sizeof(*placement->nodes),
		      node_compare);
	}
}

struct placement *placement_builder_finish(struct placement_builder *builder)
{
	placement_builder_sort(builder);
	return steal_ptr(builder->placement);
}
