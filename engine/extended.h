/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extended replication: a replica here is replicated on to a third site. That is a relationship of
 * its own, role primary, whose vm_resource is the replica's own ocf:vmreplica:vm resource: so it
 * follows the replica from node to node. Its source is the replica's store; once the VM runs here
 * (after a failover), the VM. Control thread.
 */
#ifndef VMR_ENGINE_EXTENDED_H
#define VMR_ENGINE_EXTENDED_H

#include "engine/engine.h"
#include "engine/replica_lender.h"
#include "engine/vm_settings.h"

#define EXTENDED_SUFFIX "-extended" /* the replica's resource and this: the default resource id */

/* The ocf:vmreplica:vm resource that is this VM's replica here: by the VM's name, the relationship
 * or the resource's id. NULL = none. Pure. */
const Vmreplica__Ipc__CibResource *
extended_find_replica(const Vmreplica__Ipc__CibSettings *settings, const char *vm);
/* Is there a VM of our own of that name (a VirtualDomain resource that is not a replica's VM)? Then
 * that one is meant, and the replica goes by its resource's id. Pure. */
bool extended_is_other_vm(const Vmreplica__Ipc__CibSettings *settings, const char *vm);
/* The replica that a relationship's vm_resource names; NULL: it is an ordinary VM's resource. Pure.
 */
const Vmreplica__Ipc__CibResource *extended_find_source(const Vmreplica__Ipc__CibSettings *settings,
							const char *vm_resource);

/* The ocf:vmreplica:vm resource of any role that a relationship's vm_resource names: it is an
 * extended one. NULL: an ordinary VM's. Pure. */
const Vmreplica__Ipc__CibResource *
extended_find_relationship(const Vmreplica__Ipc__CibSettings *settings, const char *vm_resource);
/* Why neither the store nor a VM may be read for this relationship now: behind a failover a VM of
 * its name here may be another one, and what nothing stops before a move must not have a job of
 * ours. NULL: it may. Static. */
const char *extended_barrier(const struct engine *engine, const struct vm_settings *settings);
/* Is the store of a replica what this relationship reads? */
bool extended_reads_store(struct engine *engine, const struct vm_settings *settings);
/* Fill lender when the store of a replica is what this relationship reads; false: libvirt's VM is.
 */
bool extended_lender_fill(struct engine *engine, const struct vm_settings *settings,
			  struct canceller *canceller, struct replica_lender *lender);

#endif
