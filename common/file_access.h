/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POSIX ACLs: one more user may use a file or directory; what others may stays as it is. Nothing
 * follows a symbolic link in the last component. Blocking. */
#ifndef VMR_COMMON_FILE_ACCESS_H
#define VMR_COMMON_FILE_ACCESS_H

#include <stdbool.h>
#include <sys/types.h>

#define FILE_ACCESS_READ   4u
#define FILE_ACCESS_WRITE  2u
#define FILE_ACCESS_SEARCH 1u

/* uid may do all of rights with name below dir_fd (AT_FDCWD: a path). 0 also when it may already
 * (as root, as owner, or as others may); -ENOTSUP without ACLs in the file system; ... */
int file_access_grant(int dir_fd, const char *name, uid_t uid, unsigned int rights);
/* The same of a file that is open, O_PATH or otherwise. */
int file_access_grant_fd(int fd, uid_t uid, unsigned int rights);

/* Has the file system of path ACLs? True also when it cannot be looked at. A link is followed. */
bool file_access_is_possible(const char *path);

/* The same for what will be made below the directory: files and directories get rights for uid, as
 * far as the mode that they are made with gives the group as much. */
int file_access_grant_default(int dir_fd, const char *name, uid_t uid, unsigned int rights);

/* Is that so? */
bool file_access_has_default(int dir_fd, const char *name, uid_t uid);

/* May uid, of group gid, read the open file? By owner, ACL, group and others, as the kernel
 * decides; the directories above it are not looked at. */
bool file_access_may_read(int fd, uid_t uid, gid_t gid);

#endif
