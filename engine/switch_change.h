/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change of the configuration (CibSwitch, cluster/cluster.h switch_role) with what it points at,
 * put together piece by piece. Values and resources are borrowed until the request has been given
 * away, which takes a copy of it. Never blocks, never fails.
 */
#ifndef VMR_ENGINE_SWITCH_CHANGE_H
#define VMR_ENGINE_SWITCH_CHANGE_H

#include <stddef.h>

#include "engine/standing.h"
#include "proto/ipc.pb-c.h"

#define SWITCH_CHANGE_PAIRS 16 /* of all kinds together: more is a mistake of ours, and ends us */

struct switch_change {
	Vmreplica__Ipc__CibSwitch request; /* all but the lists is the caller's to fill in */
	Vmreplica__Ipc__CibNvpair pairs[SWITCH_CHANGE_PAIRS];
	Vmreplica__Ipc__CibNvpair *parameters[SWITCH_CHANGE_PAIRS],
		*vm_parameters[SWITCH_CHANGE_PAIRS], *settings[SWITCH_CHANGE_PAIRS],
		*expected[SWITCH_CHANGE_PAIRS];
	char names[SWITCH_CHANGE_PAIRS][STANDING_NAME_LEN];
	size_t count;
};

/* Of nothing. */
void switch_change_init(struct switch_change *change);
/* Parameters of our own resource (request.resource), and of the VM's (request.vm_resource). */
void switch_change_parameter(struct switch_change *change, const char *name, const char *value);
void switch_change_vm_parameter(struct switch_change *change, const char *name, const char *value);
/* The relationship's setting of that prefix (cluster/standing_order.h); "" takes it out. */
void switch_change_setting(struct switch_change *change, const char *prefix,
			   const char *relationship, const char *value);
/* Only if the setting is that; "" = there is none. */
void switch_change_expect(struct switch_change *change, const char *prefix,
			  const char *relationship, const char *value);

#endif
