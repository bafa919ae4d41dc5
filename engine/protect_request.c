/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an admin asks of protect: checked, and taken over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "engine/protect_job.h"
#include "proto/names.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"

bool protect_take_excluded(struct protect_job *job, const Vmreplica__Admin__ProtectRequest *request)
{
	for (size_t i = 0; i < request->n_exclude_disks; i++) {
		job->exclude[i] = strdup(request->exclude_disks[i]);
		if (job->exclude[i] == NULL) {
			return false;
		}
		job->exclude_count++;
	}
	return true;
}

bool protect_take_maps(struct protect_job *job, const Vmreplica__Admin__ProtectRequest *request)
{
	for (size_t i = 0; i < request->n_maps; i++) {
		job->maps[i] = strdup(request->maps[i]);
		if (job->maps[i] == NULL) {
			return false;
		}
		job->map_count++;
	}
	return true;
}

bool protect_maps_are_misused(const Vmreplica__Admin__ProtectRequest *request, char *text,
			      size_t size)
{
	struct network_map map = {0};
	char error[NETWORK_MAP_ERROR_LEN];

	for (size_t i = 0; i < request->n_maps; i++) {
		if (network_map_add(&map, request->maps[i], error) < 0) {
			snprintf(text, size, "%s", error);
			return true;
		}
	}
	return request->n_maps > NETWORK_MAPS_MAX;
}

/* What is wrong with the request itself, into text. */
bool protect_is_misused(const Vmreplica__Admin__ProtectRequest *request, char *text, size_t size)
{
	struct resync_policy policy;
	char host[VM_SETTINGS_HOST_LEN];
	uint16_t port;

	if (!validate_vm_name(request->vm) && !validate_resource_id(request->vm)) {
		snprintf(text, size,
			 "\"%.40s\" is not a VM's name (up to %u letters, digits and . _ - +)",
			 request->vm, VM_NAME_MAX);
	} else if (peer_address_parse(request->to, BROKER_PORT, host, &port) < 0 ||
		   strlen(request->to) >= VM_SETTINGS_HOST_LEN) {
		snprintf(text, size, "\"%.64s\" is not an address of a broker", request->to);
	} else if (request->frequency_s != 0 && (request->frequency_s < FREQUENCY_MIN_S ||
						 request->frequency_s > FREQUENCY_MAX_S)) {
		snprintf(text, size, "the frequency is %u to %u seconds", FREQUENCY_MIN_S,
			 FREQUENCY_MAX_S);
	} else if (validate_field_points(request->points) != NULL) {
		snprintf(text, size, "%s", validate_field_points(request->points));
	} else if (request->relationship[0] != '\0' && !validate_uuid(request->relationship)) {
		snprintf(text, size, "the relationship's id is not a UUID");
	} else if (request->resync[0] != '\0' &&
		   resync_policy_parse(request->resync, &policy) < 0) {
		snprintf(
			text, size,
			"resync \"%.40s\" is none of auto, manual, or a window such as 18:30-06:00",
			request->resync);
	} else if (request->n_exclude_disks > DISKS_MAX) {
		snprintf(text, size, "more than %u disks are excluded", DISKS_MAX);
	} else {
		for (size_t i = 0; i < request->n_exclude_disks; i++) {
			if (!validate_disk_name(request->exclude_disks[i])) {
				snprintf(text, size, "\"%.40s\" is not a disk's target name",
					 request->exclude_disks[i]);
				return true;
			}
		}
		return false;
	}
	return true;
}
