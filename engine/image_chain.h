/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU is led to by an image: the files that the headers name, one after the other. The
 * receiver, which parses what peers send, writes the headers of a store; QEMU, which has the rights
 * to the disks of all VMs, follows them. So that nobody gets at another VM's disk by way of a
 * header or a link, each file must be one that the receiver's user may itself read: those of the
 * store, and the disks that this engine lent.
 */
#ifndef VMR_ENGINE_IMAGE_CHAIN_H
#define VMR_ENGINE_IMAGE_CHAIN_H

#include <stdbool.h>
#include <sys/types.h>

#include "engine/source.h"

#define IMAGE_CHAIN_MAX 512u /* 168 points, and what was adopted below them */

/* Does path, as it is written, name something below directory? */
bool image_chain_is_below(const char *path, const char *directory);

/* Look at the qcow2 image at path, and at all below it; uid, gid: the receiver's user. 0; -EPERM,
 * -ELOOP or -EINVAL with a sentence when something is wrong with it; the errno of looking.
 * Blocking.
 */
int image_chain_check(const char *path, uid_t uid, gid_t gid, char error[SOURCE_ERROR_LEN]);

/* Both, of an image of a store of this host's receiver. Workers only. */
int image_chain_check_store(const char *path, const char *store, char error[SOURCE_ERROR_LEN]);

#endif
