/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/standing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(STANDING_START_AT) <= sizeof(STANDING_SUSPENDED), "names have room");
_Static_assert(sizeof(STANDING_REVERSING) <= sizeof(STANDING_SUSPENDED), "names have room");
_Static_assert(sizeof(STANDING_RESYNC) <= sizeof(STANDING_SUSPENDED), "names have room");

void standing_name(const char *order, const char *relationship, char name[STANDING_NAME_LEN])
{
	snprintf(name, STANDING_NAME_LEN, "%s%s", order, relationship);
}

const char *standing_get(const struct engine *engine, const char *order, const char *relationship)
{
	char name[STANDING_NAME_LEN];

	standing_name(order, relationship, name);
	return engine_setting(engine, name);
}

bool standing_is_suspended(const struct engine *engine, const char *relationship)
{
	return standing_get(engine, STANDING_SUSPENDED, relationship) != NULL;
}

bool standing_is_released(const struct engine *engine, const char *relationship)
{
	const char *value = standing_get(engine, STANDING_SUSPENDED, relationship);

	return value != NULL && strcmp(value, STANDING_RELEASED) == 0;
}

void standing_set(struct engine *engine, const char *order, const char *relationship,
		  const char *value, cluster_done_cb done, void *arg)
{
	struct cluster *cluster = &engine->cluster;
	char name[STANDING_NAME_LEN];
	int result;

	standing_name(order, relationship, name);
	result = cluster->ops->set_setting(cluster, name, value, done, arg);
	if (result < 0) {
		done(arg, result, "Pacemaker is not reached");
	}
}
