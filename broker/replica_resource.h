/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ocf:vmreplica:vm resources in the cluster's configuration, looked through for enrolling and
 * withdrawing. Pure. */
#ifndef VMR_BROKER_REPLICA_RESOURCE_H
#define VMR_BROKER_REPLICA_RESOURCE_H

#include "broker/routing_table.h"
#include "cluster/authorization.h"
#include "proto/limits.h"

#define REPLICA_CODE_LEN 32u /* a denial's stable word with its terminator */

/* "<vm>-<site's first label>-replica", made fit for an XML id: other characters become '_', and an
 * id that would not begin with a letter gets "vm-" before it. */
void replica_resource_id(const char *vm, const char *site, char ret_id[RESOURCE_ID_MAX + 1]);

/* The parameter is there and has this value (without regard to case). */
bool replica_resource_has(const Vmreplica__Ipc__CibResource *resource, const char *name,
			  const char *value);
/* The resource that carries the relationship; NULL = none. settings may be NULL. */
const Vmreplica__Ipc__CibResource *
replica_resource_find(const Vmreplica__Ipc__CibSettings *settings, const char *relationship);
/* Any resource with this id; NULL = none. */
const Vmreplica__Ipc__CibResource *
replica_resource_find_id(const Vmreplica__Ipc__CibSettings *settings, const char *id);
/* Is name among names (NULL-terminated, NULL = none)? */
bool replica_names_contain(const char *const *names, const char *name);
/* A node's storage at path; NULL = it does not offer that. */
const struct routing_storage *replica_node_storage(const struct routing_node *node,
						   const char *path);
/* Fill in a denial: its stable word, and a sentence with what to do. */
void replica_deny(char code[REPLICA_CODE_LEN], char reason[REASON_MAX + 1], const char *word,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
