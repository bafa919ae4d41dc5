/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of one ocf:vmreplica:vm resource, checked. Pure. */
#ifndef VMR_ENGINE_VM_SETTINGS_H
#define VMR_ENGINE_VM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ipc.pb-c.h"
#include "proto/limits.h"
#include "proto/network_map.h"
#include "proto/resync_policy.h"
#include "proto/status.pb-c.h"

#define VM_SETTINGS_ERROR_LEN 256
#define VM_SETTINGS_HOST_LEN  256

struct vm_settings {
	char resource[RESOURCE_ID_MAX + 1];
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char vm_resource[RESOURCE_ID_MAX + 1]; /* "" on the replica side */
	Vmreplica__Role role;
	char peer[VM_SETTINGS_HOST_LEN];      /* as configured; replica: the primary's site */
	char peer_host[VM_SETTINGS_HOST_LEN]; /* primary: the broker's name or address */
	uint16_t peer_port;
	char storage[PATH_LEN_MAX + 1]; /* replica */
	uint32_t frequency_s;
	uint32_t points, point_interval_s, app_interval_s; /* of the replica */
	char (*exclude_disks)[DISK_NAME_MAX + 1]; /* owned */
	size_t exclude_count;
	uint64_t bandwidth_bytes_per_s; /* 0 = unlimited */
	struct resync_policy resync;
	int32_t priority;	     /* higher first; default 0 */
	struct network_map networks; /* replica: what stands for the primary's networks here */
};

/* Parse count pairs (borrowed). resource is the Pacemaker id. Names that Pacemaker itself adds
 * (CRM_meta_*, crm_feature_set) are passed over; other unknown names are errors. 0, -EINVAL with a
 * sentence, -ENOMEM. */
int vm_settings_parse(const char *resource, const char *const *names, const char *const *values,
		      size_t count, struct vm_settings *ret_settings,
		      char error[VM_SETTINGS_ERROR_LEN]);
/* The same from a resource of the configuration. */
int vm_settings_from_resource(const Vmreplica__Ipc__CibResource *resource,
			      struct vm_settings *ret_settings, char error[VM_SETTINGS_ERROR_LEN]);
void vm_settings_destroy(struct vm_settings *settings);
/* Replace *settings by *from, which is left empty. */
void vm_settings_move(struct vm_settings *settings, struct vm_settings *from);
/* Exclude list as a NULL-terminated array of pointers into settings; the caller frees the array.
 * NULL when out of memory. */
const char **vm_settings_exclude_list(const struct vm_settings *settings);

/* Split "host", "host:port", "[v6]", "[v6]:port" or a bare v6 address. 0 or -EINVAL. Pure. */
int peer_address_parse(const char *text, uint16_t default_port, char ret_host[VM_SETTINGS_HOST_LEN],
		       uint16_t *ret_port);

#endif
