/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The definition that a VM of this side is started from. Control thread only. */
#ifndef VMR_ENGINE_OWN_DEFINITION_H
#define VMR_ENGINE_OWN_DEFINITION_H

#include "engine/engine.h"

/* In a cluster the config of the VM's resource; on a host without one the file that host_vm.h
 * keeps. False: there is none to be found, and buf is "". */
bool own_definition_find(const struct engine *engine, const char *relationship,
			 const char *vm_resource, char buf[PATH_LEN_MAX + 1]);

#endif
