/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/cluster_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/vm_status.h"
#include "proto/message_copy.h"

void cluster_table_destroy(struct cluster_table *table)
{
	for (size_t i = 0; i < table->vm_count; i++) {
		vm_status_free(table->vms[i].status);
	}
	for (size_t i = 0; i < table->node_count; i++) {
		vmreplica__cluster__announcement__free_unpacked(table->nodes[i].announcement, NULL);
	}
	free(table->vms);
	free(table->nodes);
	*table = (struct cluster_table){0};
}

static struct table_node *table_find_node(const struct cluster_table *table, const char *node)
{
	for (size_t i = 0; i < table->node_count; i++) {
		if (strcmp(table->nodes[i].announcement->node, node) == 0) {
			return &table->nodes[i];
		}
	}
	return NULL;
}

const struct table_node *cluster_table_find_node(const struct cluster_table *table,
						 const char *node)
{
	return table_find_node(table, node);
}

/* The announcement without its VMs, copied. */
static Vmreplica__Cluster__Announcement *
announcement_copy_head(const Vmreplica__Cluster__Announcement *announcement)
{
	Vmreplica__Cluster__Announcement head = *announcement;

	head.n_vms = 0;
	return (Vmreplica__Cluster__Announcement *)message_copy(&head.base);
}

static int table_note_node(struct cluster_table *table,
			   const Vmreplica__Cluster__Announcement *announcement, int64_t now_ms)
{
	struct table_node *node = table_find_node(table, announcement->node);
	Vmreplica__Cluster__Announcement *copy = announcement_copy_head(announcement);

	if (copy == NULL) {
		return -ENOMEM;
	}
	if (node == NULL) {
		struct table_node *nodes =
			reallocarray(table->nodes, table->node_count + 1, sizeof(*nodes));

		if (nodes == NULL) {
			vmreplica__cluster__announcement__free_unpacked(copy, NULL);
			return -ENOMEM;
		}
		table->nodes = nodes;
		node = &nodes[table->node_count++];
	} else {
		vmreplica__cluster__announcement__free_unpacked(node->announcement, NULL);
	}
	*node = (struct table_node){.announcement = copy, .present = true, .received_ms = now_ms};
	return 0;
}

/* The node's own entry for a relationship. */
static struct table_vm *table_find_of_node(struct cluster_table *table, const char *node,
					   const Vmreplica__VmStatus *status)
{
	for (size_t i = 0; i < table->vm_count; i++) {
		struct table_vm *vm = &table->vms[i];

		if (vm->status->role == status->role && strcmp(vm->node, node) == 0 &&
		    strcmp(vm->status->relationship, status->relationship) == 0) {
			return vm;
		}
	}
	return NULL;
}

static struct table_vm *table_add_vm(struct cluster_table *table)
{
	struct table_vm *vms;

	if (table->vm_count >= CLUSTER_TABLE_VMS_MAX) {
		return NULL;
	}
	vms = reallocarray(table->vms, table->vm_count + 1, sizeof(*vms));
	if (vms == NULL) {
		return NULL;
	}
	table->vms = vms;
	vms[table->vm_count] = (struct table_vm){0};
	return &vms[table->vm_count++];
}

static int table_note_vm(struct cluster_table *table,
			 const Vmreplica__Cluster__Announcement *announcement,
			 const Vmreplica__VmStatus *status, int64_t now_ms)
{
	struct table_vm *vm = table_find_of_node(table, announcement->node, status);
	Vmreplica__VmStatus *copy = vm_status_copy(status);

	if (copy == NULL) {
		return -ENOMEM;
	}
	if (vm == NULL) {
		vm = table_add_vm(table);
	}
	if (vm == NULL) {
		vm_status_free(copy);
		return -ENOMEM;
	}
	if (status->paused_since_ms == 0) {
		vm->detached_ms = 0;
	} else if (vm->detached_ms == 0) {
		vm->detached_ms = now_ms;
	}
	vm_status_free(vm->status);
	vm->status = copy;
	snprintf(vm->node, sizeof(vm->node), "%s", announcement->node);
	vm->boot = announcement->boot;
	vm->seq = announcement->seq;
	vm->received_ms = now_ms;
	vm->gone = false;
	return 0;
}

/* The last part of a full list: what it did not name is no longer there. */
static void table_expire(struct cluster_table *table,
			 const Vmreplica__Cluster__Announcement *announcement)
{
	for (size_t i = 0; i < table->vm_count; i++) {
		struct table_vm *vm = &table->vms[i];

		if (strcmp(vm->node, announcement->node) == 0 &&
		    (vm->boot != announcement->boot || vm->seq != announcement->seq)) {
			vm->gone = true;
		}
	}
}

int cluster_table_announce(struct cluster_table *table,
			   const Vmreplica__Cluster__Announcement *announcement, int64_t now_ms)
{
	int result = table_note_node(table, announcement, now_ms);

	for (size_t i = 0; i < announcement->n_vms && result == 0; i++) {
		result = table_note_vm(table, announcement, announcement->vms[i], now_ms);
	}
	if (announcement->part + 1 >= announcement->parts) {
		table_expire(table, announcement);
	}
	return result;
}

void cluster_table_leave(struct cluster_table *table, const char *node)
{
	struct table_node *found = table_find_node(table, node);

	if (found != NULL) {
		found->present = false;
	}
	for (size_t i = 0; i < table->vm_count; i++) {
		if (strcmp(table->vms[i].node, node) == 0) {
			table->vms[i].gone = true;
		}
	}
}

static bool table_vm_is_better(const struct table_vm *a, const struct table_vm *b)
{
	if (b == NULL) {
		return true;
	}
	if (a->status->generation == b->status->generation && a->gone != b->gone) {
		return b->gone;
	}
	return vm_status_is_newer(a->status, b->status) != 0;
}

const struct table_vm *cluster_table_find(const struct cluster_table *table,
					  const char *relationship, Vmreplica__Role role)
{
	const struct table_vm *best = NULL;

	for (size_t i = 0; i < table->vm_count; i++) {
		const struct table_vm *vm = &table->vms[i];

		if ((role == VMREPLICA__ROLE__ROLE_UNKNOWN || vm->status->role == role) &&
		    strcmp(vm->status->relationship, relationship) == 0 &&
		    table_vm_is_better(vm, best)) {
			best = vm;
		}
	}
	return best;
}
