/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which libvirt and QEMU are at work on this node: incremental pull backups need libvirt 9.0 and
 * QEMU 7.2, the oldest that this was tried on. */
#ifndef VMR_ENGINE_SOURCE_VERSION_H
#define VMR_ENGINE_SOURCE_VERSION_H

#include "engine/source.h"

struct source_version {
	unsigned int major, minor, release;
};
#define SOURCE_LIBVIRT_MIN ((struct source_version){9, 0, 0})
#define SOURCE_QEMU_MIN	   ((struct source_version){7, 2, 0})

/* Ask libvirtd. Blocking, bounded. 0 or a negative errno with a sentence. */
int source_versions(struct source_connection *connection, struct source_version *ret_libvirt,
		    struct source_version *ret_qemu, char error[SOURCE_ERROR_LEN]);
/* Is version at least least? Pure. */
bool source_version_is_enough(struct source_version version, struct source_version least);

#endif
