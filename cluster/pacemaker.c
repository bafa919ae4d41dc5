/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ops on Corosync (group, map, quorum) and Pacemaker (through vmreplica-cib). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cib_client.h"
#include "cluster/cmap.h"
#include "cluster/cpg.h"
#include "cluster/implementations.h"
#include "cluster/quorum.h"
#include "common/log.h"
#include "proto/limits.h"

struct pacemaker {
	struct group *group;
	struct map_watch *map;
	struct quorum_watch *quorum;
	struct cib_client *cib;
	char quorum_text[QUORUM_TEXT_LEN]; /* as told last */
	bool quorum_told, quorate;	   /* as told last */
	bool name_checked;
};

static void pacemaker_message_cb(void *arg, const Vmreplica__Cluster__Message *message,
				 bool from_self)
{
	struct cluster *cluster = arg;

	if (cluster->callbacks.message_cb != NULL) {
		cluster->callbacks.message_cb(cluster->arg, message, from_self);
	}
}

static void pacemaker_member_cb(void *arg, const char *node, const char *member, bool joined)
{
	struct cluster *cluster = arg;

	log_info("%s on %s %s the cluster's group", member, node, joined ? "joined" : "left");
	if (cluster->callbacks.member_cb != NULL) {
		cluster->callbacks.member_cb(cluster->arg, node, member, joined);
	}
}

static void pacemaker_placement_cb(void *arg, const struct placement *placement)
{
	struct cluster *cluster = arg;

	if (cluster->callbacks.placement_cb != NULL) {
		cluster->callbacks.placement_cb(cluster->arg, placement);
	}
}

static void pacemaker_settings_cb(void *arg, const Vmreplica__Ipc__CibSettings *settings)
{
	struct cluster *cluster = arg;

	if (cluster->callbacks.settings_cb != NULL) {
		cluster->callbacks.settings_cb(cluster->arg, settings);
	}
}

/* Tell of quorum when it or its sentence changed. */
static void pacemaker_tell_quorum(struct cluster *cluster, const struct quorum_state *state)
{
	struct pacemaker *pacemaker = cluster->private_data;
	char text[QUORUM_TEXT_LEN];

	if (!state->quorate) {
		map_watch_refresh(pacemaker->map);
	}
	(void)quorum_text(state, map_watch_map(pacemaker->map), text);
	if (pacemaker->quorum_told && state->quorate == pacemaker->quorate &&
	    strcmp(text, pacemaker->quorum_text) == 0) {
		return;
	}
	pacemaker->quorum_told = true;
	pacemaker->quorate = state->quorate;
	memcpy(pacemaker->quorum_text, text, sizeof(text));
	if (state->quorate) {
		log_notice("the cluster has quorum");
	} else {
		log_warning("%s", text);
	}
	if (cluster->callbacks.quorum_cb != NULL) {
		cluster->callbacks.quorum_cb(cluster->arg, state->quorate, text);
	}
}

static void pacemaker_quorum_cb(void *arg, const struct quorum_state *state)
{
	pacemaker_tell_quorum(arg, state);
}

/* Announcements carry the node's name of vmreplica.conf, placement carries Corosync's: they must be
 * the same. */
static void pacemaker_check_name(struct cluster *cluster)
{
	struct pacemaker *pacemaker = cluster->private_data;
	const struct cluster_map *map = map_watch_map(pacemaker->map);

	if (pacemaker->name_checked || map->local >= map->node_count) {
		return;
	}
	pacemaker->name_checked = true;
	/* Without a name in the nodelist Pacemaker takes the host's, as we do. */
	if (map->nodes[map->local].named &&
	    strcmp(map->nodes[map->local].name, cluster->config->node) != 0) {
		log_error("this node is called %s here and %s by corosync: set [node] name in "
			  "vmreplica.conf "
			  "to the name that crm_mon shows",
			  cluster->config->node, map->nodes[map->local].name);
	}
}

static void pacemaker_map_cb(void *arg)
{
	struct cluster *cluster = arg;
	struct pacemaker *pacemaker = cluster->private_data;

	pacemaker_check_name(cluster);
	if (pacemaker->quorum_told) {
		pacemaker_tell_quorum(cluster, quorum_watch_state(pacemaker->quorum));
	}
}

static void pacemaker_stop(struct cluster *cluster)
{
	struct pacemaker *pacemaker = cluster->private_data;

	if (pacemaker == NULL) {
		return;
	}
	cluster->private_data = NULL;
	cib_client_free(pacemaker->cib);
	group_free(pacemaker->group);
	quorum_watch_free(pacemaker->quorum);
	map_watch_free(pacemaker->map);
	free(pacemaker);
}

static int pacemaker_start(struct cluster *cluster)
{
	static const struct group_callbacks group_callbacks = {
		.message_cb = pacemaker_message_cb,
		.member_cb = pacemaker_member_cb,
	};
	static const struct cib_client_callbacks cib_callbacks = {
		.placement_cb = pacemaker_placement_cb,
		.settings_cb = pacemaker_settings_cb,
	};
	struct pacemaker *pacemaker = calloc(1, sizeof(*pacemaker));

	if (pacemaker == NULL) {
		return -ENOMEM;
	}
	cluster->private_data = pacemaker;
	pacemaker->map = map_watch_new(cluster->loop, pacemaker_map_cb, cluster);
	pacemaker->quorum = quorum_watch_new(cluster->loop, pacemaker_quorum_cb, cluster);
	pacemaker->group = group_new(cluster->loop, cluster->config->node, cluster->member_name,
				     &group_callbacks, cluster);
	pacemaker->cib =
		cib_client_new(cluster->loop, cluster->config->node, &cib_callbacks, cluster);
	if (pacemaker->map == NULL || pacemaker->quorum == NULL || pacemaker->group == NULL ||
	    pacemaker->cib == NULL) {
		pacemaker_stop(cluster);
		return -ENOMEM;
	}
	return 0;
}

static int pacemaker_multicast(struct cluster *cluster, const Vmreplica__Cluster__Message *message)
{
	struct pacemaker *pacemaker = cluster->private_data;

	return pacemaker != NULL ? group_send(pacemaker->group, message) : -ENOTCONN;
}

static bool pacemaker_is_quorate(struct cluster *cluster)
{
	struct pacemaker *pacemaker = cluster->private_data;

	return pacemaker != NULL && quorum_watch_state(pacemaker->quorum)->quorate;
}

static const struct placement *pacemaker_placement(struct cluster *cluster)
{
	struct pacemaker *pacemaker = cluster->private_data;

	return pacemaker != NULL ? cib_client_placement(pacemaker->cib) : NULL;
}

static const Vmreplica__Ipc__CibSettings *pacemaker_settings(struct cluster *cluster)
{
	struct pacemaker *pacemaker = cluster->private_data;

	return pacemaker != NULL ? cib_client_settings(pacemaker->cib) : NULL;
}

static const char *pacemaker_node_address(struct cluster *cluster)
{
	struct pacemaker *pacemaker = cluster->private_data;
	const struct cluster_map *map;
	const char *address;

	if (pacemaker == NULL) {
		return NULL;
	}
	address =
		placement_node_address(cib_client_placement(pacemaker->cib), cluster->config->node,
				       cluster->config->replication_address);
	if (address != NULL) {
		return address;
	}
	map = map_watch_map(pacemaker->map);
	if (map->local >= map->node_count || map->nodes[map->local].address[0] == '\0') {
		return NULL;
	}
	return map->nodes[map->local].address;
}

static int pacemaker_request(struct cluster *cluster, enum frame_type type,
			     ProtobufCMessage *message, uint64_t *id, cluster_done_cb done,
			     void *arg)
{
	struct pacemaker *pacemaker = cluster->private_data;

	if (pacemaker == NULL) {
		return -ENOTCONN;
	}
	/* Pacemaker would take the change (measured), and a minority's newer epoch would win over
	 * the majority's when they meet again. */
	if (!quorum_watch_state(pacemaker->quorum)->quorate) {
		return cib_client_refuse(pacemaker->cib, -EHOSTUNREACH,
					 pacemaker->quorum_told
						 ? pacemaker->quorum_text
						 : "corosync has not answered yet: try again",
					 done, arg);
	}
	return cib_client_request(pacemaker->cib, type, message, id, done, arg);
}

static int pacemaker_create_vm(struct cluster *cluster, Vmreplica__Ipc__CibCreateVm *request,
			       cluster_done_cb done, void *arg)
{
	return pacemaker_request(cluster, FRAME_CIB_CREATE_VM, &request->base, &request->id, done,
				 arg);
}

static int pacemaker_update_vm(struct cluster *cluster, Vmreplica__Ipc__CibUpdateVm *request,
			       cluster_done_cb done, void *arg)
{
	return pacemaker_request(cluster, FRAME_CIB_UPDATE_VM, &request->base, &request->id, done,
				 arg);
}

static int pacemaker_create_domain(struct cluster *cluster,
				   Vmreplica__Ipc__CibCreateDomain *request, cluster_done_cb done,
				   void *arg)
{
	return pacemaker_request(cluster, FRAME_CIB_CREATE_DOMAIN, &request->base, &request->id,
				 done, arg);
}

static int pacemaker_delete_domain(struct cluster *cluster,
				   Vmreplica__Ipc__CibDeleteDomain *request, cluster_done_cb done,
				   void *arg)
{
	return pacemaker_request(cluster, FRAME_CIB_DELETE_DOMAIN, &request->base, &request->id,
				 done, arg);
}

static int pacemaker_switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
				 cluster_done_cb done, void *arg)
{
	return pacemaker_request(cluster, FRAME_CIB_SWITCH, &request->base, &request->id, done,
				 arg);
}

/* protobuf-c's strings are not const, and packing only reads them. */
static char *borrowed(const char *text)
{
	char *plain;

	memcpy(&plain, &text, sizeof(plain));
	return plain;
}

static int pacemaker_delete_vm(struct cluster *cluster, const char *resource, cluster_done_cb done,
			       void *arg)
{
	Vmreplica__Ipc__CibDeleteVm request = VMREPLICA__IPC__CIB_DELETE_VM__INIT;

	request.resource = borrowed(resource);
	return pacemaker_request(cluster, FRAME_CIB_DELETE_VM, &request.base, &request.id, done,
				 arg);
}

static int pacemaker_set_setting(struct cluster *cluster, const char *name, const char *value,
				 cluster_done_cb done, void *arg)
{
	Vmreplica__Ipc__CibSetSetting request = VMREPLICA__IPC__CIB_SET_SETTING__INIT;

	request.name = borrowed(name);
	request.value = borrowed(value != NULL ? value : "");
	return pacemaker_request(cluster, FRAME_CIB_SET_SETTING, &request.base, &request.id, done,
				 arg);
}

static int pacemaker_set_health(struct cluster *cluster, const char *vm, const char *value)
{
	Vmreplica__Ipc__CibSetHealth request = VMREPLICA__IPC__CIB_SET_HEALTH__INIT;
	const struct pacemaker *pacemaker = cluster->private_data;
	char attribute[sizeof("vmreplica-") + RESOURCE_ID_MAX];

	if (snprintf(attribute, sizeof(attribute), "vmreplica-%s", vm) >= (int)sizeof(attribute)) {
		return -EINVAL;
	}
	request.attribute = attribute;
	request.value = borrowed(value != NULL ? value : "");
	return pacemaker == NULL
		       ? -ENOTCONN
		       : cib_client_tell(pacemaker->cib, FRAME_CIB_SET_HEALTH, &request.base);
}

const struct cluster_ops cluster_pacemaker_ops = {
	.name = "pacemaker",
	.start = pacemaker_start,
	.stop = pacemaker_stop,
	.multicast = pacemaker_multicast,
	.is_quorate = pacemaker_is_quorate,
	.placement = pacemaker_placement,
	.settings = pacemaker_settings,
	.node_address = pacemaker_node_address,
	.create_vm = pacemaker_create_vm,
	.delete_vm = pacemaker_delete_vm,
	.update_vm = pacemaker_update_vm,
	.set_setting = pacemaker_set_setting,
	.create_domain = pacemaker_create_domain,
	.delete_domain = pacemaker_delete_domain,
	.switch_role = pacemaker_switch_role,
	.set_health = pacemaker_set_health,
};
