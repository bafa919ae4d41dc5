/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An old primary's disks, lent to the receiver as the base of its replica: reading and writing each
 * image (of a wrapped disk the header and the raw disk), and searching the directories above it,
 * for the receiver's user, by ACL; QEMU's may read them. They stay lent as long as the store names
 * them: after the next changes of sides, too, the VM's images stand on them.
 *
 * In a directory of the receiver's (its store, where the VM ran after a failover) it could make
 * links to any file: there root follows none, and lends plain images that name no data file.
 *
 * An ACL of a block device is its node's, and goes with a reboot. So what was lent is noted in a
 * file of root's, <store>.lent, and lent again each time that the store is opened.
 * Blocking: workers only.
 */
#ifndef VMR_ENGINE_ADOPTED_DISKS_H
#define VMR_ENGINE_ADOPTED_DISKS_H

#include <sys/types.h>

#include "engine/source_define.h"

/* Can this side become the replica with the disks of the definition at path? Not with a disk that
 * stands on a backing file (a template, a snapshot): what comes from the other side could end up in
 * what other VMs stand on; nor with one on a file system without ACLs, which cannot be lent; nor
 * with a qcow2 image on a block device, which QEMU's driver for files does not open and whose name
 * is another volume's after a reboot. 0; -ENOTSUP; or another negative errno; with a sentence. */
int adopted_disks_check(const char *path, const char *const *exclude, char error[SOURCE_ERROR_LEN]);
/* The same for one image. */
int adopted_disks_check_image(const char *image, char error[SOURCE_ERROR_LEN]);
struct adopted_users {
	uid_t receiver, qemu; /* 0: root */
};

/* Lend the replicated disks of the definition at path. *ret_disks as source_defined_disks. 0 or a
 * negative errno with a sentence; what was lent before a failure stays lent. */
int adopted_disks_lend(const char *path, const char *const *exclude,
		       const struct adopted_users *users, struct source_defined_disk **ret_disks,
		       size_t *ret_count, char error[SOURCE_ERROR_LEN]);
/* Note beside the store in directory, in a file of root's, what adopted_disks_lend will lend it for
 * good: the images outside of stores, of a wrapped disk both. Before it lends: what a header says
 * of its data file is the VM's own word until then. 0 or a negative errno with a sentence. */
int adopted_disks_note(const char *directory, const char *path, const char *const *exclude,
		       const struct adopted_users *users, char error[SOURCE_ERROR_LEN]);
/* Lend again what is noted beside the store in directory: the access to a block device goes with a
 * reboot, and is of one node. What cannot be is logged: the store's opening says whether it
 * matters.
 */
void adopted_disks_lend_again(const char *directory, const struct adopted_users *users);
/* The store in that directory is about to be removed, and nobody has it open: take the images that
 * it names by links, and what is noted beside it, back from uid. What cannot be is logged. */
void adopted_disks_take_back(const char *directory, uid_t uid);

#endif
