/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small worlds for the broker's tests: announcements, settings and placement without a cluster. */
#ifndef VMR_TESTS_BROKER_FIXTURE_H
#define VMR_TESTS_BROKER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/routing_table.h"
#include "cluster/authorization.h"
#include "cluster/placement.h"

#define REL_1 "11111111-1111-4111-8111-111111111111"
#define REL_2 "22222222-2222-4222-8222-222222222222"
#define REL_3 "33333333-3333-4333-8333-333333333333"

static inline char *text(const char *literal)
{
	return (char *)(uintptr_t)literal; /* the messages only lend it */
}

/* ---- announcements ---- */

struct fixture_announcement {
	Vmreplica__Cluster__Announcement message;
	Vmreplica__VmStatus vms[4], *vm_list[4];
	Vmreplica__Cluster__Storage storages[2], *storage_list[2];
};

static inline void announce_init(struct fixture_announcement *a, const char *node, const char *host,
				 uint64_t boot, uint64_t seq)
{
	vmreplica__cluster__announcement__init(&a->message);
	a->message.node = text(node);
	a->message.host = text(host);
	a->message.port = 8651;
	a->message.name = text(strcmp(node, "b1") == 0 ? "b1.b.example" : "b2.b.example");
	a->message.site = text("b.example");
	a->message.boot = boot;
	a->message.seq = seq;
	a->message.parts = 1;
	a->message.vms = a->vm_list;
	a->message.storages = a->storage_list;
}

static inline Vmreplica__VmStatus *announce_vm(struct fixture_announcement *a,
					       const char *relationship, uint64_t generation)
{
	Vmreplica__VmStatus *vm = &a->vms[a->message.n_vms];

	vmreplica__vm_status__init(vm);
	vm->relationship = text(relationship);
	vm->name = text("web1");
	vm->peer = text("a.example");
	vm->resource = text("web1-a-replica");
	vm->role = VMREPLICA__ROLE__ROLE_REPLICA;
	vm->state = VMREPLICA__STATE__STATE_REPLICATING;
	vm->generation = generation;
	a->vm_list[a->message.n_vms++] = vm;
	return vm;
}

static inline void announce_storage(struct fixture_announcement *a, const char *path,
				    const char *id, uint64_t free_bytes, bool writable)
{
	Vmreplica__Cluster__Storage *storage = &a->storages[a->message.n_storages];

	vmreplica__cluster__storage__init(storage);
	storage->path = text(path);
	storage->id = text(id);
	storage->free_bytes = free_bytes;
	storage->writable = writable;
	a->storage_list[a->message.n_storages++] = storage;
}

/* ---- settings ---- */

#define FIXTURE_SETTINGS 8

struct fixture_settings {
	Vmreplica__Ipc__CibSettings message;
	Vmreplica__Ipc__CibNvpair pairs[FIXTURE_SETTINGS], *pair_list[FIXTURE_SETTINGS];
	Vmreplica__Ipc__CibResource resources[4], *resource_list[4];
	Vmreplica__Ipc__CibNvpair parameters[4][8], *parameter_list[4][8];
	char values[FIXTURE_SETTINGS][AUTHORIZATION_VALUE_LEN];
	char names[FIXTURE_SETTINGS][AUTHORIZATION_NAME_LEN + 64];
};

static inline void settings_init(struct fixture_settings *s)
{
	vmreplica__ipc__cib_settings__init(&s->message);
	s->message.settings = s->pair_list;
	s->message.resources = s->resource_list;
}

static inline void settings_set(struct fixture_settings *s, const char *name, const char *value)
{
	size_t i = s->message.n_settings++;

	if (i >= FIXTURE_SETTINGS) {
		abort();
	}
	snprintf(s->names[i], sizeof(s->names[i]), "%s", name);
	snprintf(s->values[i], sizeof(s->values[i]), "%s", value);
	vmreplica__ipc__cib_nvpair__init(&s->pairs[i]);
	s->pairs[i].name = s->names[i];
	s->pairs[i].value = s->values[i];
	s->pair_list[i] = &s->pairs[i];
}

static inline void settings_authorize(struct fixture_settings *s, const char *pattern,
				      const char *storage, const char *group, uint32_t max_vms)
{
	char name[sizeof(s->names[0])], value[sizeof(s->values[0])];

	authorization_setting_name(pattern, name);
	snprintf(value, sizeof(value), "pattern=%s storage=%s group=%s max-vms=%u", pattern,
		 storage, group, max_vms);
	settings_set(s, name, value);
}

static inline void settings_parameter(struct fixture_settings *s, size_t resource, const char *name,
				      const char *value)
{
	Vmreplica__Ipc__CibResource *message = &s->resources[resource];
	Vmreplica__Ipc__CibNvpair *pair = &s->parameters[resource][message->n_parameters];

	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = text(name);
	pair->value = text(value);
	s->parameter_list[resource][message->n_parameters++] = pair;
}

static inline void settings_resource(struct fixture_settings *s, const char *id,
				     const char *relationship, const char *role, const char *peer)
{
	size_t i = s->message.n_resources++;

	vmreplica__ipc__cib_resource__init(&s->resources[i]);
	s->resources[i].id = text(id);
	s->resources[i].type = text(ROUTING_RESOURCE_TYPE);
	s->resources[i].parameters = s->parameter_list[i];
	s->resource_list[i] = &s->resources[i];
	settings_parameter(s, i, "relationship", relationship);
	settings_parameter(s, i, "vm", "web1");
	settings_parameter(s, i, "role", role);
	settings_parameter(s, i, "peer", peer);
	settings_parameter(s, i, "storage", "/srv/replica");
	settings_parameter(s, i, "frequency", "30");
}

/* ---- placement: nodes b1 and b2 with their engines, and one replica's resource ---- */

struct fixture_placement {
	struct placement placement;
	struct placement_resource resources[4];
	struct placement_node nodes[2];
};

static inline void placement_init(struct fixture_placement *p, enum placement_state state,
				  const char *node, int64_t read_ms)
{
	memset(p, 0, sizeof(*p));
	/* Sorted by id, as a snapshot is. Never freed: the table's references come and go on top of
	 * these. */
	p->resources[0] = (struct placement_resource){.id = "vmreplica-engine:0",
						      .agent = "ocf:vmreplica:engine",
						      .role = "Started",
						      .node = "b1",
						      .state = PLACEMENT_RUNNING,
						      .managed = true};
	p->resources[1] = (struct placement_resource){.id = "vmreplica-engine:1",
						      .agent = "ocf:vmreplica:engine",
						      .role = "Started",
						      .node = "b2",
						      .state = PLACEMENT_RUNNING,
						      .managed = true};
	p->resources[2] = (struct placement_resource){.id = "web1-a-replica",
						      .agent = ROUTING_RESOURCE_TYPE,
						      .role = "Started",
						      .node = node,
						      .state = state,
						      .managed = true};
	p->nodes[0] = (struct placement_node){.name = "b1", .online = true};
	p->nodes[1] = (struct placement_node){.name = "b2", .online = true};
	p->placement = (struct placement){.references = 1000,
					  .quorate = true,
					  .resources = p->resources,
					  .resource_count = 3,
					  .nodes = p->nodes,
					  .node_count = 2,
					  .read_ms = read_ms};
}

#endif
