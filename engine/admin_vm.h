/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the handlers that are about one VM: find it here, or where its owner is. */
#ifndef VMR_ENGINE_ADMIN_VM_H
#define VMR_ENGINE_ADMIN_VM_H

#include "engine/admin_service.h"
#include "engine/relationship.h"
#include "engine/replica.h"

/* By VM, relationship or resource; NULL when this node does not own it. */
struct relationship *admin_find_relationship(const struct engine *engine, const char *vm);
struct replica *admin_find_replica(const struct engine *engine, const char *vm);
/* Pass on to the owner, or say that there is none. Takes the call. */
void admin_pass_to_owner(struct admin_call *call, const Vmreplica__Admin__Request *request,
			 const char *vm, int timeout_ms);
/* Refuse what only a primary can do. Takes the call. */
void admin_not_on_replica(struct admin_call *call, const char *vm, const char *what);

#endif
