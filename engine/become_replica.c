/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/become_replica.h"

#include <errno.h>
#include <stdio.h>

#include "cluster/authorization.h"
#include "engine/failover_place.h"
#include "engine/standing.h"
#include "engine/store_directory.h"

#define PAIRS 15

/* A request with what it points at. */
struct change {
	Vmreplica__Ipc__CibSwitch request;
	Vmreplica__Ipc__CibNvpair pairs[PAIRS], *parameters[PAIRS], *settings[PAIRS],
		*vm_parameters[1], *expected[1];
	char names[PAIRS][STANDING_NAME_LEN];
	size_t count;
};

static Vmreplica__Ipc__CibNvpair *add(struct change *change, const char *name, const char *value)
{
	Vmreplica__Ipc__CibNvpair *pair = &change->pairs[change->count++];

	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = (char *)(uintptr_t)name; /* the request is only read */
	pair->value = (char *)(uintptr_t)value;
	return pair;
}

static void add_parameter(struct change *change, const char *name, const char *value)
{
	change->parameters[change->request.n_parameters++] = add(change, name, value);
}

static void add_setting(struct change *change, const char *prefix, const char *relationship,
			const char *value)
{
	char *name = change->names[change->request.n_settings];

	standing_name(prefix, relationship, name);
	change->settings[change->request.n_settings++] = add(change, name, value);
}

/* Only as long as nobody here has promised to stay since. */
static void expect_stays(struct change *change, const char *relationship, const char *stays,
			 char name[STANDING_NAME_LEN])
{
	if (stays == NULL) {
		return;
	}
	standing_name(STANDING_STAYS, relationship, name);
	change->expected[0] = add(change, name, stays);
	change->request.expected = change->expected;
	change->request.n_expected = 1;
}

static void change_init(struct change *change, const struct peer_contact *contact, bool standalone)
{
	vmreplica__ipc__cib_switch__init(&change->request);
	change->count = 0;
	change->request.parameters = change->parameters;
	change->request.settings = change->settings;
	change->request.resource = (char *)(uintptr_t)contact->resource;
	if (!standalone) { /* there the VM has no resource, and libvirt knows it no more */
		change->request.vm_resource = (char *)(uintptr_t)contact->vm_resource;
		change->request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
		change->request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	}
}

/* As enrollment does. The VM, too: when it comes home its images are there. */
static void bind_to_storage(struct change *change, const struct engine *engine, const char *storage)
{
	enum failover_place place = failover_place_look(engine, storage);

	if (engine->config->standalone || place == FAILOVER_PLACE_UNKNOWN) {
		return;
	}
	change->request.relocate = true;
	if (place == FAILOVER_PLACE_HERE) {
		change->request.location_node = engine->config->node;
	}
}

void become_replica_switch(struct engine *engine, const struct peer_contact *contact,
			   const char *peer_site, const struct epoch *epoch,
			   const struct adopt_order *adopt, const char *definition,
			   const char *stays, cluster_done_cb done, void *arg)
{
	struct cluster *cluster = &engine->cluster;
	struct authorization_table table = {0};
	const struct authorization_entry *entry = NULL;
	char epoch_text[EPOCH_TEXT_LEN], adopt_text[ADOPT_LEN], config[PATH_LEN_MAX + 1];
	char broker[ENGINE_ADDRESS_LEN], stays_name[STANDING_NAME_LEN];
	struct change change;
	int result = authorization_table_load(engine_settings(engine), &table, NULL);

	if (result == 0) {
		entry = authorization_match_name(&table, peer_site);
	}
	if (entry == NULL) {
		authorization_table_destroy(&table);
		done(arg, -EACCES,
		     "the other site is not authorized here any more: vmreplica authorize add");
		return;
	}
	result = store_directory_definition(entry->storage, peer_site, contact->vm,
					    contact->relationship, config, sizeof(config));
	if (result < 0) {
		authorization_table_destroy(&table);
		done(arg, result, "the path of the replica's definition is too long");
		return;
	}
	change_init(&change, contact, engine->config->standalone);
	if (!engine->config->standalone) {
		change.vm_parameters[0] = add(&change, "config", config);
		change.request.vm_parameters = change.vm_parameters;
		change.request.n_vm_parameters = 1;
		add_setting(&change, STANDING_DEFINED, contact->relationship, definition);
	}
	bind_to_storage(&change, engine, entry->storage);
	add_parameter(&change, "role", "replica");
	add_parameter(&change, "peer", peer_site);
	add_parameter(&change, "storage", entry->storage);
	add_setting(&change, EPOCH_SETTING, contact->relationship, epoch_format(epoch, epoch_text));
	add_setting(&change, STANDING_ADOPT, contact->relationship,
		    adopt_order_encode(adopt, adopt_text));
	add_setting(&change, STANDING_HANDOVER, contact->relationship, "");
	add_setting(&change, STANDING_FAILOVER, contact->relationship, "");
	add_setting(&change, STANDING_CHAIN, contact->relationship, "");
	add_setting(&change, STANDING_BROKER, contact->relationship,
		    peer_contact_format(contact, broker));
	add_setting(&change, STANDING_WAY, contact->relationship, "");
	add_setting(&change, STANDING_STAYS, contact->relationship, "");
	expect_stays(&change, contact->relationship, stays, stays_name);
	result = cluster->ops->switch_role(cluster, &change.request, done, arg);
	authorization_table_destroy(&table);
	if (result < 0) {
		done(arg, result, "Pacemaker is not reached");
	}
}
