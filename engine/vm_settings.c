/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/vm_settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/rate.h"
#include "proto/validate.h"

__attribute__((format(printf, 2, 3))) static int settings_fail(char *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, VM_SETTINGS_ERROR_LEN, format, args);
	va_end(args);
	return -EINVAL;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	char *end;
	unsigned long port;

	if (text[0] < '0' || text[0] > '9') {
		return -EINVAL;
	}
	port = strtoul(text, &end, 10);
	if (*end != '\0' || port == 0 || port > 65535) {
		return -EINVAL;
	}
	*ret_port = (uint16_t)port;
	return 0;
}

int peer_address_parse(const char *text, uint16_t default_port, char ret_host[VM_SETTINGS_HOST_LEN],
		       uint16_t *ret_port)
{
	const char *first = strchr(text, ':'), *host = text, *end = text + strlen(text);
	const char *port_text = NULL;
	uint16_t port = default_port;

	if (text[0] == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
			return -EINVAL;
		}
		port_text = end[1] == ':' ? end + 2 : NULL;
	} else if (first != NULL && strchr(first + 1, ':') == NULL) {
		end = first; /* one colon only: more of them are a bare IPv6 address */
		port_text = first + 1;
	}
	if (end == host || end - host >= VM_SETTINGS_HOST_LEN ||
	    memchr(host, ' ', (size_t)(end - host)) != NULL ||
	    (port_text != NULL && parse_port(port_text, &port) < 0)) {
		return -EINVAL;
	}
	memcpy(ret_host, host, (size_t)(end - host));
	ret_host[end - host] = '\0';
	*ret_port = port;
	return 0;
}

static int set_text(char *field, size_t size, const char *value, bool (*is_valid)(const char *),
		    const char *name, char *error)
{
	if (strlen(value) >= size || (is_valid != NULL && !is_valid(value))) {
		return settings_fail(error, "parameter %s: \"%.60s\" is not valid", name, value);
	}
	memcpy(field, value, strlen(value) + 1);
	return 0;
}

static int set_role(struct vm_settings *settings, const char *value, char *error)
{
	if (strcmp(value, "primary") == 0) {
		settings->role = VMREPLICA__ROLE__ROLE_PRIMARY;
	} else if (strcmp(value, "replica") == 0) {
		settings->role = VMREPLICA__ROLE__ROLE_REPLICA;
	} else {
		return settings_fail(
			error, "parameter role: \"%.60s\" is neither primary nor replica", value);
	}
	return 0;
}

static int set_frequency(struct vm_settings *settings, const char *value, char *error)
{
	char *end;
	unsigned long seconds = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || (*end != '\0' && strcmp(end, "s") != 0) ||
	    seconds < FREQUENCY_MIN_S || seconds > FREQUENCY_MAX_S) {
		return settings_fail(error,
				     "parameter frequency: \"%.60s\" is not %u to %u seconds",
				     value, FREQUENCY_MIN_S, FREQUENCY_MAX_S);
	}
	settings->frequency_s = (uint32_t)seconds;
	return 0;
}

/* A whole number; name is for the error. */
static int set_number(uint32_t *to, const char *name, const char *value, uint32_t max, char *error)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || number > max) {
		return settings_fail(error, "parameter %s: \"%.60s\" is not 0 to %u", name, value,
				     max);
	}
	*to = (uint32_t)number;
	return 0;
}

static int set_exclude_disks(struct vm_settings *settings, const char *value, char *error)
{
	static const char separators[] = ", \t";

	for (value += strspn(value, separators); *value != '\0';) {
		size_t len = strcspn(value, separators);
		char name[DISK_NAME_MAX + 1] = "";
		void *grown;

		if (len <= DISK_NAME_MAX) {
			memcpy(name, value, len);
		}
		if (!validate_disk_name(name) || settings->exclude_count >= DISKS_MAX) {
			return settings_fail(
				error,
				"parameter exclude_disks: \"%.*s\" is not a disk's target name",
				(int)(len < 60 ? len : 60), value);
		}
		grown = reallocarray(settings->exclude_disks, settings->exclude_count + 1,
				     sizeof(*settings->exclude_disks));
		if (grown == NULL) {
			return -ENOMEM;
		}
		settings->exclude_disks = grown;
		memcpy(settings->exclude_disks[settings->exclude_count++], name, sizeof(name));
		value += len;
		value += strspn(value, separators);
	}
	return 0;
}

static int set_bandwidth(struct vm_settings *settings, const char *value, char *error)
{
	if (value[0] == '\0') {
		return 0;
	}
	if (rate_parse(value, &settings->bandwidth_bytes_per_s) < 0) {
		return settings_fail(error,
				     "parameter bandwidth: \"%.60s\" is not a rate such as 20M "
				     "(bytes per second)",
				     value);
	}
	return 0;
}

static int set_resync(struct vm_settings *settings, const char *value, char *error)
{
	return resync_policy_parse(value, &settings->resync) < 0
		       ? settings_fail(error,
				       "parameter resync: \"%.60s\" is none of automatic, manual, "
				       "or a window such as 18:30-06:00",
				       value)
		       : 0;
}

static int set_priority(struct vm_settings *settings, const char *value, char *error)
{
	char *end;
	long priority = strtol(value, &end, 10);

	if (value[0] == '\0' || *end != '\0' || priority < -1000 || priority > 1000) {
		return settings_fail(
			error, "parameter priority: \"%.60s\" is not a number from -1000 to 1000",
			value);
	}
	settings->priority = (int32_t)priority;
	return 0;
}

static int set_map(struct vm_settings *settings, const char *value, char *error)
{
	char why[NETWORK_MAP_ERROR_LEN];

	return network_map_parse(&settings->networks, value, why) < 0
		       ? settings_fail(error, "parameter map: %s", why)
		       : 0;
}

#define SET_TEXT(field, valid)                                                                     \
	set_text(settings->field, sizeof(settings->field), value, valid, name, error)

static int settings_set(struct vm_settings *settings, const char *name, const char *value,
			char *error)
{
	if (strcmp(name, "relationship") == 0) {
		return SET_TEXT(relationship, validate_uuid);
	} else if (strcmp(name, "vm") == 0) {
		return SET_TEXT(vm, validate_vm_name);
	} else if (strcmp(name, "vm_resource") == 0) {
		return SET_TEXT(vm_resource, value[0] == '\0' ? NULL : validate_resource_id);
	} else if (strcmp(name, "role") == 0) {
		return set_role(settings, value, error);
	} else if (strcmp(name, "peer") == 0) {
		return SET_TEXT(peer, NULL);
	} else if (strcmp(name, "storage") == 0) {
		return SET_TEXT(storage, value[0] == '\0' ? NULL : validate_absolute_path);
	} else if (strcmp(name, "frequency") == 0) {
		return set_frequency(settings, value, error);
	} else if (strcmp(name, "points") == 0) {
		return set_number(&settings->points, name, value, POINTS_MAX, error);
	} else if (strcmp(name, "point_interval") == 0) {
		return set_number(&settings->point_interval_s, name, value, POINT_INTERVAL_MAX_S,
				  error);
	} else if (strcmp(name, "app_interval") == 0) {
		return set_number(&settings->app_interval_s, name, value, POINT_INTERVAL_MAX_S,
				  error);
	} else if (strcmp(name, "exclude_disks") == 0) {
		return set_exclude_disks(settings, value, error);
	} else if (strcmp(name, "bandwidth") == 0) {
		return set_bandwidth(settings, value, error);
	} else if (strcmp(name, "resync") == 0) {
		return set_resync(settings, value, error);
	} else if (strcmp(name, "priority") == 0) {
		return set_priority(settings, value, error);
	} else if (strcmp(name, "map") == 0) {
		return set_map(settings, value, error);
	} else if (strncmp(name, "CRM_meta_", 9) == 0 || strcmp(name, "crm_feature_set") == 0) {
		return 0;
	}
	return settings_fail(error, "there is no parameter \"%.60s\"", name);
}

/* What the parameters need together. */
static int settings_check(struct vm_settings *settings, char *error)
{
	if (settings->relationship[0] == '\0' || settings->vm[0] == '\0' ||
	    settings->role == VMREPLICA__ROLE__ROLE_UNKNOWN || settings->peer[0] == '\0') {
		return settings_fail(error, "parameter %s is missing",
				     settings->relationship[0] == '\0' ? "relationship"
				     : settings->vm[0] == '\0'	       ? "vm"
				     : settings->peer[0] == '\0'       ? "peer"
								       : "role");
	}
	if (settings->role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		if (peer_address_parse(settings->peer, BROKER_PORT, settings->peer_host,
				       &settings->peer_port) < 0) {
			return settings_fail(
				error, "parameter peer: \"%.60s\" is not a broker's address[:port]",
				settings->peer);
		}
		return 0;
	}
	if (!validate_site_name(settings->peer)) {
		return settings_fail(error, "parameter peer: \"%.60s\" is not a site's name",
				     settings->peer);
	}
	if (settings->storage[0] == '\0') {
		return settings_fail(error, "parameter storage is missing (role=replica needs it)");
	}
	return 0;
}

int vm_settings_parse(const char *resource, const char *const *names, const char *const *values,
		      size_t count, struct vm_settings *ret_settings,
		      char error[VM_SETTINGS_ERROR_LEN])
{
	struct vm_settings settings = {.frequency_s = FREQUENCY_DEFAULT_S,
				       .points = POINTS_DEFAULT,
				       .point_interval_s = POINT_INTERVAL_DEFAULT_S};
	int result = set_text(settings.resource, sizeof(settings.resource), resource,
			      validate_resource_id, "resource", error);

	for (size_t i = 0; i < count && result == 0; i++) {
		result = settings_set(&settings, names[i], values[i], error);
	}
	if (result == 0) {
		result = settings_check(&settings, error);
	}
	if (result < 0) {
		if (result == -ENOMEM) {
			settings_fail(error, "out of memory");
		}
		vm_settings_destroy(&settings);
		return result;
	}
	*ret_settings = settings;
	return 0;
}

int vm_settings_from_resource(const Vmreplica__Ipc__CibResource *resource,
			      struct vm_settings *ret_settings, char error[VM_SETTINGS_ERROR_LEN])
{
	size_t count = resource->n_parameters;
	const char **names = calloc(count * 2 + 1, sizeof(*names));
	int result;

	if (names == NULL) {
		settings_fail(error, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		names[i] = resource->parameters[i]->name;
		names[count + i] = resource->parameters[i]->value;
	}
	result = vm_settings_parse(resource->id, names, names + count, count, ret_settings, error);
	free(names);
	return result;
}

void vm_settings_destroy(struct vm_settings *settings)
{
	free(settings->exclude_disks);
	*settings = (struct vm_settings){0};
}

void vm_settings_move(struct vm_settings *settings, struct vm_settings *from)
{
	vm_settings_destroy(settings);
	*settings = *from;
	*from = (struct vm_settings){0};
}

const char **vm_settings_exclude_list(const struct vm_settings *settings)
{
	const char **list = calloc(settings->exclude_count + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < settings->exclude_count; i++) {
		list[i] = settings->exclude_disks[i];
	}
	return list;
}
