/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's user may read the layers of a replica's store, so that a VM can start from them at once: a
 * default ACL on its directories gives that to all that is made in them. A store of an older
 * vmreplica gets it here, file by file. Blocking: workers only. */
#ifndef VMR_ENGINE_STORE_ADMIT_H
#define VMR_ENGINE_STORE_ADMIT_H

#include <sys/types.h>

#include "engine/source.h"

#define STORE_ADMIT_FILES_MAX 20000u /* looked at in an older store */

/* Who QEMU is here: as libvirt says, else the user that distributions make for it. 0 = root, or
 * nobody knows. */
uid_t store_admit_user(struct source_connection *connection);

/* Let uid read directory (a store), and search the two directories above it. 0; -ENOTSUP (no ACLs
 * in that file system), -E2BIG, ... with a sentence. */
int store_admit(const char *directory, uid_t uid, char error[SOURCE_ERROR_LEN]);

#endif
