/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/switch_change.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void switch_change_init(struct switch_change *change)
{
	memset(change, 0, sizeof(*change));
	vmreplica__ipc__cib_switch__init(&change->request);
	change->request.parameters = change->parameters;
	change->request.vm_parameters = change->vm_parameters;
	change->request.settings = change->settings;
	change->request.expected = change->expected;
}

static Vmreplica__Ipc__CibNvpair *add(struct switch_change *change, const char *name,
				      const char *value)
{
	Vmreplica__Ipc__CibNvpair *pair = &change->pairs[change->count];

	if (change->count == SWITCH_CHANGE_PAIRS) {
		abort();
	}
	change->count++;
	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = (char *)(uintptr_t)name; /* the request is only read */
	pair->value = (char *)(uintptr_t)value;
	return pair;
}

static Vmreplica__Ipc__CibNvpair *add_standing(struct switch_change *change, const char *prefix,
					       const char *relationship, const char *value)
{
	Vmreplica__Ipc__CibNvpair *pair = add(change, "", value);

	pair->name = change->names[change->count - 1];
	standing_name(prefix, relationship, pair->name);
	return pair;
}

void switch_change_parameter(struct switch_change *change, const char *name, const char *value)
{
	change->parameters[change->request.n_parameters++] = add(change, name, value);
}

void switch_change_vm_parameter(struct switch_change *change, const char *name, const char *value)
{
	change->vm_parameters[change->request.n_vm_parameters++] = add(change, name, value);
}

void switch_change_setting(struct switch_change *change, const char *prefix,
			   const char *relationship, const char *value)
{
	change->settings[change->request.n_settings++] =
		add_standing(change, prefix, relationship, value);
}

void switch_change_expect(struct switch_change *change, const char *prefix,
			  const char *relationship, const char *value)
{
	change->expected[change->request.n_expected++] =
		add_standing(change, prefix, relationship, value);
}
