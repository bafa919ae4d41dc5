/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of a check that looks at a VM which is not protected yet: what protect would say of it.
 */
#ifndef VMR_ENGINE_CHECK_UNPROTECTED_H
#define VMR_ENGINE_CHECK_UNPROTECTED_H

#include "engine/check_list.h"
#include "engine/protect.h"

/* The libvirt name of a VM that replicates from or to here, by that name, its resource's id, its
 * relationship or the id of its replication's resource. Borrowed from settings; NULL = there is
 * none. Pure. */
const char *check_protected_name(const Vmreplica__Ipc__CibSettings *settings, const char *vm);

/* What was seen of vm where it runs: a line for the VM, and one for each disk or problem. Pure. */
void check_unprotected_list(struct check_list *list, const char *vm,
			    const Vmreplica__Admin__InspectResponse *answer);

#endif
