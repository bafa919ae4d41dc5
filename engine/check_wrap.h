/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of a check that looks at a VM's wrapped disks (wrap_access.h): may QEMU use the raw
 * disks on this node, and are they watched? */
#ifndef VMR_ENGINE_CHECK_WRAP_H
#define VMR_ENGINE_CHECK_WRAP_H

#include "engine/check_list.h"
#include "engine/source.h"

/* A line for everything that is wrong with source's wrapped disks. Blocking: workers only. */
void check_wrap_run(struct source_connection *libvirt, const struct source *source,
		    const char *item, struct check_list *list);

#endif
