/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/routing_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/validate.h"

#define ROUTING_PARTS_MAX 4096u
#define ROUTING_NO_ROUND  UINT32_MAX /* next_part: wait for the first part of the next list */

/* Replace an owned string. 0 or -ENOMEM (then unchanged). */
static int text_set(char **text, const char *value)
{
	char *copy;

	if (*text != NULL && strcmp(*text, value) == 0) {
		return 0;
	}
	copy = strdup(value);
	if (copy == NULL) {
		return -ENOMEM;
	}
	free(*text);
	*text = copy;
	return 0;
}

/* ---- announcements ---- */

/* Drop the node's claims: all of them, or those that its present list did not name. */
static void table_sweep_claims(struct routing_table *table, const struct routing_node *node,
			       bool all)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		for (struct entry *entry = table->buckets[i]; entry != NULL; entry = entry->next) {
			struct claim **slot = &entry->claims;

			while (*slot != NULL) {
				struct claim *claim = *slot;

				if (claim->node == node && (all || claim->round != node->round)) {
					*slot = claim->next;
					claim_free(claim);
				} else {
					slot = &claim->next;
				}
			}
		}
	}
}

static struct claim *entry_claim_get(struct entry *entry, struct routing_node *node)
{
	struct claim *claim;

	for (claim = entry->claims; claim != NULL; claim = claim->next) {
		if (claim->node == node) {
			return claim;
		}
	}
	claim = calloc(1, sizeof(*claim));
	if (claim != NULL) {
		claim->node = node;
		claim->next = entry->claims;
		entry->claims = claim;
	}
	return claim;
}

/* A node that has let a VM go names it once more, with the time of that: on its way to another
 * node, or stopped. */
static bool status_is_moving(const Vmreplica__VmStatus *vm)
{
	return vm->paused_since_ms != 0;
}

static uint64_t status_size(const Vmreplica__VmStatus *vm)
{
	uint64_t size_bytes = 0;

	for (size_t i = 0; i < vm->n_disks; i++) {
		size_bytes += vm->disks[i]->size_bytes;
	}
	return size_bytes;
}

static int table_claim(struct routing_table *table, struct routing_node *node,
		       const Vmreplica__VmStatus *vm, int64_t now_ms)
{
	uint64_t size_bytes = status_size(vm);
	struct entry *entry;
	struct claim *claim;

	if (!validate_uuid(vm->relationship)) {
		return -EBADMSG;
	}
	entry = table_entry_get(table, vm->relationship);
	claim = entry == NULL ? NULL : entry_claim_get(entry, node);
	if (claim == NULL) {
		return -ENOMEM;
	}
	claim->round = node->round;
	claim->generation = vm->generation;
	claim->role = vm->role;
	claim->state = vm->state;
	claim->moving = status_is_moving(vm);
	claim->at_ms = now_ms;
	entry->size_bytes = size_bytes != 0 ? size_bytes : entry->size_bytes;
	if (text_set(&claim->vm, vm->name) < 0 || text_set(&claim->peer, vm->peer) < 0 ||
	    text_set(&claim->resource, vm->resource) < 0) {
		return -ENOMEM;
	}
	return 0;
}

static void node_clear_storages(struct routing_node *node)
{
	for (size_t i = 0; i < node->storage_count; i++) {
		free(node->storages[i].path);
		free(node->storages[i].id);
		free(node->storages[i].error);
	}
	free(node->storages);
	node->storages = NULL;
	node->storage_count = 0;
}

/* One slot per path: parts may repeat the list of storages. */
static struct routing_storage *node_storage_get(struct routing_node *node, const char *path)
{
	struct routing_storage *grown;

	for (size_t i = 0; i < node->storage_count; i++) {
		if (strcmp(node->storages[i].path, path) == 0) {
			return &node->storages[i];
		}
	}
	grown = reallocarray(node->storages, node->storage_count + 1, sizeof(*grown));
	if (grown == NULL) {
		return NULL;
	}
	node->storages = grown;
	grown += node->storage_count;
	memset(grown, 0, sizeof(*grown));
	grown->path = strdup(path);
	if (grown->path == NULL) {
		return NULL;
	}
	node->storage_count++;
	return grown;
}

static int node_take_storages(struct routing_node *node,
			      const Vmreplica__Cluster__Announcement *announcement)
{
	if (announcement->part == 0) {
		node_clear_storages(node);
	}
	for (size_t i = 0; i < announcement->n_storages; i++) {
		const Vmreplica__Cluster__Storage *said = announcement->storages[i];
		struct routing_storage *storage = node_storage_get(node, said->path);

		if (storage == NULL || text_set(&storage->id, said->id) < 0 ||
		    text_set(&storage->error, said->error) < 0) {
			return -ENOMEM;
		}
		storage->free_bytes = said->free_bytes;
		storage->writable = said->writable;
	}
	return 0;
}

static struct routing_node *table_node_get(struct routing_table *table, const char *name)
{
	struct routing_node *node = table->nodes;

	while (node != NULL && strcmp(node->name, name) != 0) {
		node = node->next;
	}
	if (node != NULL) {
		return node;
	}
	node = calloc(1, sizeof(*node));
	if (node == NULL || text_set(&node->name, name) < 0) {
		free(node);
		return NULL;
	}
	node->next_part = ROUTING_NO_ROUND;
	node->next = table->nodes;
	table->nodes = node;
	return node;
}

static bool announcement_is_sound(const Vmreplica__Cluster__Announcement *announcement)
{
	size_t name_len = strlen(announcement->node);

	return name_len > 0 && name_len <= NODE_NAME_MAX &&
	       strlen(announcement->host) <= NODE_NAME_MAX &&
	       strlen(announcement->name) <= NODE_NAME_MAX + SITE_NAME_MAX &&
	       announcement->port <= UINT16_MAX && announcement->parts > 0 &&
	       announcement->parts <= ROUTING_PARTS_MAX && announcement->part < announcement->parts;
}

/* Is this the part that the node's list goes on with? Messages of one sender keep their order
 * (AGREED), so a gap means that we joined in the middle: wait for the next list. */
static bool node_part_follows(struct routing_node *node,
			      const Vmreplica__Cluster__Announcement *announcement)
{
	if (announcement->part == 0) {
		node->round++;
		node->parts = announcement->parts;
		node->next_part = 0;
	}
	if (announcement->part != node->next_part || announcement->parts != node->parts ||
	    announcement->seq < node->seq) {
		node->next_part = ROUTING_NO_ROUND;
		return false;
	}
	node->seq = announcement->seq;
	node->next_part++;
	return true;
}

int routing_table_announce(struct routing_table *table,
			   const Vmreplica__Cluster__Announcement *announcement, int64_t now_ms)
{
	struct routing_node *node;
	int rc = 0;

	if (!announcement_is_sound(announcement)) {
		return -EBADMSG;
	}
	node = table_node_get(table, announcement->node);
	if (node == NULL) {
		return -ENOMEM;
	}
	if (node->boot != announcement->boot) {
		table_sweep_claims(table, node, true);
		node->boot = announcement->boot;
		node->seq = 0;
		node->complete = false;
	}
	if (text_set(&node->host, announcement->host) < 0 ||
	    text_set(&node->san, announcement->name) < 0 ||
	    text_set(&node->site, announcement->site) < 0) {
		rc = -ENOMEM;
	}
	node->port = (uint16_t)announcement->port;
	if (node_part_follows(node, announcement)) {
		rc = node_take_storages(node, announcement) < 0 ? -ENOMEM : rc;
		for (size_t i = 0; i < announcement->n_vms; i++) {
			int claimed = table_claim(table, node, announcement->vms[i], now_ms);

			rc = claimed < 0 ? claimed : rc;
		}
		if (node->next_part == node->parts) {
			table_sweep_claims(table, node, false);
			node->complete = true;
			node->announced_ms = now_ms;
			node->next_part = ROUTING_NO_ROUND;
		}
	}
	table_refresh(table);
	return rc;
}

void routing_table_engine_left(struct routing_table *table, const char *name)
{
	struct routing_node **slot = &table->nodes;
	struct routing_node *node;

	while (*slot != NULL && strcmp((*slot)->name, name) != 0) {
		slot = &(*slot)->next;
	}
	node = *slot;
	if (node == NULL) {
		return;
	}
	table_sweep_claims(table, node, true);
	*slot = node->next;
	table_refresh(table);
	routing_node_free(node);
}

/* ---- the cluster database ---- */

const char *routing_parameter(const Vmreplica__Ipc__CibResource *resource, const char *name)
{
	for (size_t i = 0; i < resource->n_parameters; i++) {
		if (strcmp(resource->parameters[i]->name, name) == 0) {
			return resource->parameters[i]->value;
		}
	}
	return NULL;
}

static Vmreplica__Role role_parse(const char *text)
{
	if (text != NULL && strcmp(text, "primary") == 0) {
		return VMREPLICA__ROLE__ROLE_PRIMARY;
	}
	return text != NULL && strcmp(text, "replica") == 0 ? VMREPLICA__ROLE__ROLE_REPLICA
							    : VMREPLICA__ROLE__ROLE_UNKNOWN;
}

static int table_configure(struct routing_table *table, const Vmreplica__Ipc__CibResource *resource)
{
	const char *relationship = routing_parameter(resource, "relationship");
	const char *vm = routing_parameter(resource, "vm");
	const char *peer = routing_parameter(resource, "peer");
	struct entry *entry;

	if (strcmp(resource->type, ROUTING_RESOURCE_TYPE) != 0 || relationship == NULL ||
	    !validate_uuid(relationship)) {
		return 0; /* not ours, or not yet complete: the agent's validation tells the admin
			   */
	}
	entry = table_entry_get(table, relationship);
	if (entry == NULL) {
		return -ENOMEM;
	}
	if (text_set(&entry->vm, vm == NULL ? "" : vm) < 0 ||
	    text_set(&entry->peer, peer == NULL ? "" : peer) < 0 ||
	    text_set(&entry->resource, resource->id) < 0) {
		return -ENOMEM;
	}
	entry->role = role_parse(routing_parameter(resource, "role"));
	entry->configured = true;
	return 0;
}

int routing_table_set_settings(struct routing_table *table,
			       const Vmreplica__Ipc__CibSettings *settings)
{
	int rc = 0;

	for (size_t i = 0; i < table->bucket_count; i++) {
		for (struct entry *entry = table->buckets[i]; entry != NULL; entry = entry->next) {
			entry->configured = false;
		}
	}
	for (size_t i = 0; i < settings->n_resources; i++) {
		if (table_configure(table, settings->resources[i]) < 0) {
			rc = -ENOMEM;
		}
	}
	table_refresh(table);
	return rc;
}

void routing_table_set_placement(struct routing_table *table, const struct placement *placement)
{
	struct placement *old = table->placement;

	/* The count of references is the one thing of a snapshot that changes. */
	table->placement = placement_ref((struct placement *)placement);
	table_refresh(table);
	placement_unref(old); /* after the routes stopped borrowing from it */
}
