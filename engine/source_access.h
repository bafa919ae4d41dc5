/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's user must create sockets and scratch files in our directories, which are closed to others.
 */
#ifndef VMR_ENGINE_SOURCE_ACCESS_H
#define VMR_ENGINE_SOURCE_ACCESS_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "engine/source.h"

/* Let uid read, write and search directory, and search its parent, by ACL entries; what it may do
 * already is left alone. Without ACLs in the file system, directory (never the parent) is handed to
 * gid instead. 0, or a negative errno with a sentence. */
int source_access_grant(const char *directory, uid_t uid, gid_t gid, char error[SOURCE_ERROR_LEN]);

/* Let uid read and write a file or device by an ACL entry, which stays whoever comes to own it.
 * *ret_granted is false when it may already. 0; -ENOTSUP (no ACLs there) and other negative errnos.
 */
int source_access_grant_image(const char *path, uid_t uid, bool *ret_granted);
/* May uid read and write the file or device at path (no link): as root, as owner, as everybody may,
 * or by such an entry? */
bool source_access_holds_image(const char *path, uid_t uid);
/* Take that entry away; 0 also when there is none. */
int source_access_revoke_image(const char *path, uid_t uid);

/* Let uid read and write a plain file, by ACL entries. From the directory on that the first store
 * bytes of path name no link is followed (store_walk.h). 0; -EINVAL, -ENOTDIR: a link is there; or
 * another negative errno; with a sentence. */
int source_access_file(const char *path, size_t store, uid_t uid, char error[SOURCE_ERROR_LEN]);

/* The same for the lowest image of a chain in a store, which may itself be a link to a disk outside
 * of it: then only when that disk was lent to the receiver's user. ret_real: the path of the file
 * that was let be written, without links. */
int source_access_base(const char *path, size_t store, uid_t receiver, uid_t uid,
		       char ret_real[PATH_MAX], char error[SOURCE_ERROR_LEN]);

/* Let uid read and write the image at path, and search every directory above it. Without ACLs in
 * the file system: -ENOTSUP. 0, or a negative errno with a sentence. */
int source_access_lend(const char *path, uid_t uid, char error[SOURCE_ERROR_LEN]);

#endif
