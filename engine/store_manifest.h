/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands against removing a store that no replica is attached to: what its own manifest
 * (receiver/manifest.h) says, whatever the cluster's settings do. The file is the receiver's, so a
 * stranger's: read within bounds, and for this alone. Blocks: workers only. */
#ifndef VMR_ENGINE_STORE_MANIFEST_H
#define VMR_ENGINE_STORE_MANIFEST_H

#include <stddef.h>

/* 0: nothing (also when there is no manifest, or none that can be read: such a store opens
 * nowhere). -EPERM: a failover stands in it, or a VM's own disks lie in it, with a sentence that
 * says what to do. */
int store_manifest_check(const char *directory, char *text, size_t size);

#endif
