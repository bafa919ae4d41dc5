/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Root's way into a store. Its directory is the receiver's, which parses what peers send: anything
 * below may turn into a link to another file. So root goes down one name at a time and follows no
 * link. Blocking: workers only.
 */
#ifndef VMR_ENGINE_STORE_WALK_H
#define VMR_ENGINE_STORE_WALK_H

#include <stddef.h>
#include <sys/types.h>

/* The length of the name, in path, of the first directory on the way that is owner's own: all below
 * is owner's to turn. 0: there is none, or owner is root. */
size_t store_walk_top(const char *path, uid_t owner);

/* Go from the directory that the first top bytes of path name to the one that holds the file.
 * *ret_directory (to close; for *at calls alone) and *ret_name, which points into path; the file
 * itself was not looked at. searcher may search the directories that were gone through, by ACL,
 * unless it is 0. 0; -ENOTDIR: a link, or no directory; -EINVAL: not a plain path below top; or
 * another negative errno. */
int store_walk(const char *path, size_t top, uid_t searcher, int *ret_directory,
	       const char **ret_name);

#endif
