/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a status is about failovers: the VM that runs on a replica, and the job under way. */
#ifndef VMR_ADMIN_STATUS_TAKEOVER_H
#define VMR_ADMIN_STATUS_TAKEOVER_H

#include <jansson.h>
#include <stdbool.h>

#include "proto/status.pb-c.h"

#define TAKEOVER_TEXT_LEN 256

/* {"takeover": {...} or null, "job": "..." or null}. New reference; NULL when out of memory. */
json_t *takeover_to_json(const Vmreplica__VmStatus *vm);
/* A sentence for each into text; false when there is nothing to say. */
bool takeover_failover_text(const Vmreplica__VmStatus *vm, char text[TAKEOVER_TEXT_LEN]);
bool takeover_test_text(const Vmreplica__VmStatus *vm, char text[TAKEOVER_TEXT_LEN]);

#endif
