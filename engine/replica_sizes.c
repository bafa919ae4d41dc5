/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_sizes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/vm_status.h"

uint64_t replica_sizes_of(void *arg, const char *relationship)
{
	const struct engine *engine = arg;
	const struct table_vm *vm =
		cluster_table_find(&engine->table, relationship, VMREPLICA__ROLE__ROLE_REPLICA);
	uint64_t size_bytes = 0;

	for (size_t i = 0; vm != NULL && i < vm->status->n_disks; i++) {
		size_bytes += vm->status->disks[i]->size_bytes;
	}
	return size_bytes;
}

/* ---- for the receiver ---- */

/* The set while it is made; strings are the settings' and the table's. */
struct authorization_message {
	Vmreplica__Ipc__AuthorizationSet set;
	Vmreplica__Ipc__Authorization *entries;
	Vmreplica__Ipc__AuthorizedReplica *replicas;
};

static void message_destroy(struct authorization_message *message)
{
	free(message->entries);
	free(message->replicas);
	free(message->set.entries);
	free(message->set.replicas);
}

static int message_reserve(struct authorization_message *message, size_t entries, size_t replicas)
{
	vmreplica__ipc__authorization_set__init(&message->set);
	message->entries = calloc(entries + 1, sizeof(*message->entries));
	message->replicas = calloc(replicas + 1, sizeof(*message->replicas));
	message->set.entries = calloc(entries + 1, sizeof(*message->set.entries));
	message->set.replicas = calloc(replicas + 1, sizeof(*message->set.replicas));
	return message->entries == NULL || message->replicas == NULL ||
			       message->set.entries == NULL || message->set.replicas == NULL
		       ? -ENOMEM
		       : 0;
}

static void message_add_entries(struct authorization_message *message,
				const struct authorization_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		Vmreplica__Ipc__Authorization *entry = &message->entries[i];

		vmreplica__ipc__authorization__init(entry);
		entry->pattern = table->entries[i].pattern;
		entry->storage = table->entries[i].storage;
		entry->group = table->entries[i].group;
		entry->max_vms = table->entries[i].max_vms;
		entry->max_size_bytes = table->entries[i].max_size_bytes;
		message->set.entries[message->set.n_entries++] = entry;
	}
}

static void message_add_replicas(struct authorization_message *message, struct engine *engine,
				 const struct authorization_table *table,
				 const Vmreplica__Ipc__CibSettings *settings)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		Vmreplica__Ipc__AuthorizedReplica *replica =
			&message->replicas[message->set.n_replicas];
		const struct authorization_entry *entry;
		const char *site, *relationship;

		if (!authorization_resource_counts(settings->resources[i], &site, &relationship)) {
			continue;
		}
		entry = authorization_site_entry(table, site);
		if (entry == NULL || entry->max_size_bytes == 0) {
			continue;
		}
		vmreplica__ipc__authorized_replica__init(replica);
		replica->relationship = vm_status_borrow(relationship);
		replica->site = vm_status_borrow(site);
		replica->size_bytes = replica_sizes_of(engine, relationship);
		message->set.replicas[message->set.n_replicas++] = replica;
	}
}

int replica_sizes_pack(struct engine *engine, uint8_t **ret_packed, size_t *ret_len)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	struct authorization_message message = {.entries = NULL};
	struct authorization_table table = {0};
	uint8_t *packed = NULL;
	int rc = authorization_table_load(settings, &table, NULL);

	if (rc == 0) {
		rc = message_reserve(&message, table.count,
				     settings == NULL ? 0 : settings->n_resources);
	}
	if (rc == 0) {
		message_add_entries(&message, &table);
		message_add_replicas(&message, engine, &table, settings);
		*ret_len = protobuf_c_message_get_packed_size(&message.set.base);
		packed = malloc(*ret_len + 1);
		rc = packed == NULL ? -ENOMEM : 0;
	}
	if (rc == 0) {
		protobuf_c_message_pack(&message.set.base, packed);
		*ret_packed = packed;
	}
	message_destroy(&message);
	authorization_table_destroy(&table);
	return rc;
}

/* ---- for an import ---- */

int replica_sizes_admit(struct engine *engine, const char *site, const char *relationship,
			uint64_t size_bytes, char text[AUTHORIZATION_ROOM_LEN])
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	const struct authorization_entry *entry;
	struct authorization_table table = {0};
	struct authorization_usage usage;
	int rc = -EACCES;

	if (authorization_table_load(settings, &table, NULL) < 0) {
		snprintf(text, AUTHORIZATION_ROOM_LEN, "out of memory");
		return -ENOMEM;
	}
	entry = authorization_site_entry(&table, site);
	if (entry == NULL) {
		snprintf(text, AUTHORIZATION_ROOM_LEN,
			 "site %.100s is not authorized to replicate to here", site);
	} else {
		authorization_usage_of(&table, entry, settings, relationship, replica_sizes_of,
				       engine, &usage);
		rc = authorization_has_room(entry, &usage, size_bytes) ? 0 : -EACCES;
		authorization_explain_room(entry, &usage, size_bytes, text);
	}
	authorization_table_destroy(&table);
	return rc;
}
