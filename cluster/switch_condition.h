/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May the settings change so, as they stand where the change is made? An epoch is never lowered,
 * whoever asks for it with whatever it last heard; and a change of role says under which conditions
 * it still means anything. Pure.
 */
#ifndef VMR_CLUSTER_SWITCH_CONDITION_H
#define VMR_CLUSTER_SWITCH_CONDITION_H

#include "cluster/vm_resource.h"

/* The value that the setting has at that moment; NULL: none. Borrowed for the call. */
typedef const char *(*switch_setting_cb)(void *arg, const char *name);

/* One setting that is to have value. 0, or -ESTALE with a sentence: it is an epoch below the one
 * that stands, or in the place of one that cannot be read. */
int switch_condition_setting(const char *name, const char *value, const char *standing,
			     char error[VM_RESOURCE_ERROR_LEN]);
/* The whole request. role: the resource's; NULL: it has none. 0, or -ESTALE with a sentence. */
int switch_condition_check(const Vmreplica__Ipc__CibSwitch *request, const char *role,
			   switch_setting_cb setting, void *arg, char error[VM_RESOURCE_ERROR_LEN]);

#endif
