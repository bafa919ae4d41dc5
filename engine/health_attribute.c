/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/health_attribute.h"

#include <stdio.h>
#include <string.h>

#include "proto/names.h"

static void attribute_text(const Vmreplica__VmStatus *status, char text[HEALTH_ATTRIBUTE_LEN])
{
	snprintf(text, HEALTH_ATTRIBUTE_LEN, "%s%s%.*s", health_to_string(status->health),
		 status->reason[0] != '\0' ? ": " : "", HEALTH_ATTRIBUTE_LEN - 16, status->reason);
}

static bool attribute_has_settled(struct health_attribute *attribute, const char *key,
				  const Vmreplica__VmStatus *status, int64_t now_ms)
{
	if (strcmp(key, attribute->pending) != 0) {
		memcpy(attribute->pending, key, sizeof(attribute->pending));
		attribute->pending_ms = now_ms;
	}
	return status->health == VMREPLICA__HEALTH__HEALTH_OK ||
	       now_ms - attribute->pending_ms >= HEALTH_ATTRIBUTE_SETTLE_MS;
}

void health_attribute_publish(struct health_attribute *attribute, struct cluster *cluster,
			      const char *name, const Vmreplica__VmStatus *status, int64_t now_ms)
{
	char text[HEALTH_ATTRIBUTE_LEN], key[HEALTH_ATTRIBUTE_LEN] = "";

	snprintf(key, sizeof(key), "%s %s", health_to_string(status->health), status->reason_code);
	if (!attribute_has_settled(attribute, key, status, now_ms) ||
	    strcmp(key, attribute->shown) == 0 ||
	    (attribute->shown[0] != '\0' && now_ms - attribute->shown_ms < HEALTH_ATTRIBUTE_MS)) {
		return;
	}
	attribute_text(status, text);
	if (cluster->ops->set_health(cluster, name, text) == 0) {
		memcpy(attribute->shown, key, sizeof(attribute->shown));
		attribute->shown_ms = now_ms;
	}
}

void health_attribute_remove(struct health_attribute *attribute, struct cluster *cluster,
			     const char *name)
{
	/* Also one that an engine which crashed has left. */
	cluster->ops->set_health(cluster, name, NULL);
	*attribute = (struct health_attribute){0};
}
