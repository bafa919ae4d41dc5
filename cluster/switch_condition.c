/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/switch_condition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/epoch.h"

__attribute__((format(printf, 2, 3))) static int stale(char error[VM_RESOURCE_ERROR_LEN],
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, VM_RESOURCE_ERROR_LEN, format, args);
	va_end(args);
	return -ESTALE;
}

int switch_condition_setting(const char *name, const char *value, const char *standing,
			     char error[VM_RESOURCE_ERROR_LEN])
{
	struct epoch known, wanted;

	if (strncmp(name, EPOCH_SETTING, sizeof(EPOCH_SETTING) - 1) != 0 || standing == NULL ||
	    epoch_parse(value, &wanted) < 0) {
		return 0; /* it may be taken out, with its relationship */
	}
	if (epoch_parse(standing, &known) < 0) {
		return stale(error, "%s cannot be read, and is not replaced", name);
	}
	return wanted.number >= known.number
		       ? 0
		       : stale(error,
			       "epoch %" PRIu64
			       " of %s is known by now: none goes back to %" PRIu64,
			       known.number, known.site, wanted.number);
}

int switch_condition_check(const Vmreplica__Ipc__CibSwitch *request, const char *role,
			   switch_setting_cb setting, void *arg, char error[VM_RESOURCE_ERROR_LEN])
{
	int result = 0;

	if (request->from_role[0] != '\0' &&
	    (role == NULL || strcmp(role, request->from_role) != 0)) {
		return stale(error, "%s is no %s any more", request->resource, request->from_role);
	}
	for (size_t i = 0; i < request->n_expected; i++) {
		const char *standing = setting(arg, request->expected[i]->name);

		if (strcmp(standing != NULL ? standing : "", request->expected[i]->value) != 0) {
			return stale(error, "%s has changed since", request->expected[i]->name);
		}
	}
	for (size_t i = 0; i < request->n_settings && result == 0; i++) {
		result = switch_condition_setting(request->settings[i]->name,
						  request->settings[i]->value,
						  setting(arg, request->settings[i]->name), error);
	}
	return result;
}
