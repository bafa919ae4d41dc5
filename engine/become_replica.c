/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/become_replica.h"

#include <errno.h>
#include <stdio.h>

#include "cluster/authorization.h"
#include "engine/failover_place.h"
#include "engine/standing.h"
#include "engine/store_directory.h"
#include "engine/switch_change.h"

static void change_init(struct switch_change *change, const struct peer_contact *contact,
			bool standalone)
{
	switch_change_init(change);
	change->request.resource = (char *)(uintptr_t)contact->resource; /* it is only read */
	if (!standalone) { /* there the VM has no resource, and libvirt knows it no more */
		change->request.vm_resource = (char *)(uintptr_t)contact->vm_resource;
		change->request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
		change->request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	}
}

/* As enrollment does. The VM, too: when it comes home its images are there. */
static void bind_to_storage(struct switch_change *change, const struct engine *engine,
			    const char *storage)
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
	char broker[ENGINE_ADDRESS_LEN];
	struct switch_change change;
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
		switch_change_vm_parameter(&change, "config", config);
		switch_change_setting(&change, STANDING_DEFINED, contact->relationship, definition);
	}
	bind_to_storage(&change, engine, entry->storage);
	switch_change_parameter(&change, "role", "replica");
	switch_change_parameter(&change, "peer", peer_site);
	switch_change_parameter(&change, "storage", entry->storage);
	switch_change_setting(&change, EPOCH_SETTING, contact->relationship,
			      epoch_format(epoch, epoch_text));
	switch_change_setting(&change, STANDING_ADOPT, contact->relationship,
			      adopt_order_encode(adopt, adopt_text));
	switch_change_setting(&change, STANDING_HANDOVER, contact->relationship, "");
	switch_change_setting(&change, STANDING_FAILOVER, contact->relationship, "");
	switch_change_setting(&change, STANDING_CHAIN, contact->relationship, "");
	switch_change_setting(&change, STANDING_BROKER, contact->relationship,
			      peer_contact_format(contact, broker));
	switch_change_setting(&change, STANDING_WAY, contact->relationship, "");
	switch_change_setting(&change, STANDING_STAYS, contact->relationship, "");
	if (stays != NULL) { /* only as long as nobody here has promised to stay since */
		switch_change_expect(&change, STANDING_STAYS, contact->relationship, stays);
	}
	result = cluster->ops->switch_role(cluster, &change.request, done, arg);
	authorization_table_destroy(&table);
	if (result < 0) {
		done(arg, result, "Pacemaker is not reached");
	}
}
