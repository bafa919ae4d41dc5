/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One <disk> of a domain: what it is, and what stands against replicating it. Private to source*.c.
 */
#ifndef VMR_ENGINE_SOURCE_DISK_H
#define VMR_ENGINE_SOURCE_DISK_H

#include <libxml/tree.h>
#include <stdbool.h>

#include "engine/source.h"

/* Removable media and read-only disks hold nothing that the guest writes. */
bool source_disk_is_skipped(const xmlNode *node);
/* Fill in *disk (zeroed) from its definition and its image's header. vm is the VM's name, for
 * advice; position names a disk without a usable name. exclude is NULL-terminated and may be NULL.
 * 0 (also with a problem) or -ENOMEM; what disk owns is to be freed in either case. */
int source_disk_examine(const xmlNode *node, const char *vm, const char *const *exclude,
			size_t position, struct source_disk *disk);

#endif
