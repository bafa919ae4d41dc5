/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cib_lookup.h"
#include "cluster/nvpair_list.h"
#include "cluster/vm_resource.h"
#include "cluster/xml_tree.h"

static int add_pair_cb(void *arg, const char *name, const char *value)
{
	return nvpair_list_add(arg, name, value);
}

static int add_setting_cb(void *arg, const char *name, const char *value)
{
	if (strncmp(name, CIB_SETTING_PREFIX, sizeof(CIB_SETTING_PREFIX) - 1) != 0 ||
	    strcmp(value, CIB_SETTING_GONE) == 0) {
		return 0;
	}
	return nvpair_list_add(arg, name, value);
}

static int read_pairs(const xmlNode *configuration, const xmlNode *primitive, const char *kind,
		      Vmreplica__Ipc__CibNvpair ***ret_pairs, size_t *ret_count)
{
	struct nvpair_list list = {0};
	int result = cib_attributes_each(configuration, primitive, kind, add_pair_cb, &list);

	/* Handed over also on failure: the whole message is freed then. */
	*ret_pairs = list.pairs;
	*ret_count = list.count;
	return result;
}

/* "ocf:heartbeat:VirtualDomain", "stonith:fence_x"; NULL when out of memory or the class is not
 * known. */
static char *agent_name(const xmlNode *configuration, const xmlNode *primitive)
{
	const xmlNode *template = cib_resource_template(configuration, primitive);
	const xmlNode *source = template != NULL ? template : primitive;
	const char *class = xml_attribute(source, "class");
	const char *provider = xml_attribute(source, "provider");
	const char *type = xml_attribute(source, "type");
	char *name = NULL;

	if (class == NULL || type == NULL ||
	    asprintf(&name, "%s%s%s:%s", class, provider != NULL ? ":" : "",
		     provider != NULL ? provider : "", type) < 0) {
		return NULL;
	}
	return name;
}

static bool agent_matters(const char *agent)
{
	const char *type = strrchr(agent, ':');

	return strncmp(agent, "ocf:vmreplica:", strlen("ocf:vmreplica:")) == 0 ||
	       (strncmp(agent, "ocf:", strlen("ocf:")) == 0 && type != NULL &&
		strcmp(type, ":VirtualDomain") == 0);
}

static int add_resource(Vmreplica__Ipc__CibSettings *settings, const xmlNode *configuration,
			const xmlNode *primitive)
{
	const char *id = xml_attribute(primitive, "id");
	Vmreplica__Ipc__CibResource **grown;
	Vmreplica__Ipc__CibResource *resource;
	char *agent = agent_name(configuration, primitive);

	if (agent == NULL || id == NULL || !agent_matters(agent)) {
		free(agent);
		return 0;
	}
	grown = reallocarray(settings->resources, settings->n_resources + 1, sizeof(*grown));
	resource = grown != NULL ? malloc(sizeof(*resource)) : NULL;
	if (grown != NULL) {
		settings->resources = grown;
	}
	if (resource == NULL) {
		free(agent);
		return -ENOMEM;
	}
	vmreplica__ipc__cib_resource__init(resource);
	grown[settings->n_resources++] = resource;
	resource->type = agent;
	resource->id = strdup(id);
	if (resource->id == NULL) {
		return -ENOMEM;
	}
	if (read_pairs(configuration, primitive, "instance_attributes", &resource->parameters,
		       &resource->n_parameters) < 0) {
		return -ENOMEM;
	}
	return read_pairs(configuration, primitive, "meta_attributes", &resource->meta,
			  &resource->n_meta);
}

/* Primitives stand in groups, clones and bundles, three deep at most; the bound keeps a strange
 * document harmless. */
static int add_resources(Vmreplica__Ipc__CibSettings *settings, const xmlNode *configuration,
			 const xmlNode *parent, int depth)
{
	int result = 0;

	for (const xmlNode *node = parent != NULL ? parent->children : NULL;
	     node != NULL && result == 0; node = node->next) {
		if (xml_is(node, "primitive")) {
			result = add_resource(settings, configuration, node);
		} else if (cib_is_resource(node) && depth > 0) {
			result = add_resources(settings, configuration, node, depth - 1);
		}
	}
	return result;
}

static int add_settings(Vmreplica__Ipc__CibSettings *settings, const xmlNode *configuration)
{
	const xmlNode *crm_config = xml_child(configuration, "crm_config");
	const xmlNode *ours = NULL;
	struct nvpair_list list = {0};
	int result;

	for (const xmlNode *set = xml_child(crm_config, "cluster_property_set"); set != NULL;
	     set = xml_next(set, "cluster_property_set")) {
		const char *id = xml_attribute(set, "id");

		if (id != NULL && strcmp(id, CIB_SETTINGS_ID) == 0) {
			ours = set;
		}
	}
	result = ours != NULL ? cib_nvpairs_each(configuration, ours, add_setting_cb, &list) : 0;
	if (result == 0 && crm_config != NULL) {
		result = cib_attributes_each(configuration, crm_config, "cluster_property_set",
					     add_setting_cb, &list);
	}
	settings->settings = list.pairs;
	settings->n_settings = list.count;
	return result;
}

Vmreplica__Ipc__CibSettings *cib_settings_read(const xmlNode *configuration)
{
	Vmreplica__Ipc__CibSettings *settings = malloc(sizeof(*settings));

	if (settings == NULL) {
		return NULL;
	}
	vmreplica__ipc__cib_settings__init(settings);
	if (add_settings(settings, configuration) < 0 ||
	    add_resources(settings, configuration, xml_child(configuration, "resources"), 4) < 0) {
		vmreplica__ipc__cib_settings__free_unpacked(settings, NULL);
		return NULL;
	}
	return settings;
}
