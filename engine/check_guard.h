/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of a check, and of protect, that looks for the guards of protected VMs. */
#ifndef VMR_ENGINE_CHECK_GUARD_H
#define VMR_ENGINE_CHECK_GUARD_H

#include "engine/check_list.h"
#include "proto/ipc.pb-c.h"

/* A warning, with the commands that make one, for each VM that is replicated from or to this
 * cluster, is a resource of it and has no guard. vm: that one alone (by its name), "" = all.
 * settings may be NULL: nothing is said. Pure. */
void check_guards(const Vmreplica__Ipc__CibSettings *settings, const char *vm,
		  struct check_list *list);

#endif
