/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fence between owners of a store. Each owner has a directory own-<generation> in it, through
 * which alone it replaces the store's files: written in there, then renamed into place. Who takes
 * the store over removes the directories of all others first. An older owner that was stopped
 * between its look at the manifest and its rename, and goes on later, finds nothing to rename, and
 * no place to write it anew: its change either came before the takeover, which then has read it, or
 * never comes. A look at the manifest before each change could not give that.
 */
#ifndef VMR_RECEIVER_OWNERSHIP_H
#define VMR_RECEIVER_OWNERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Remove every owner's directory: from here on nobody changes the store's files, and what they say
 * is final. Blocking. 0 or a negative errno. */
int ownership_fence(int dir_fd);

/* Make the directory of generation, durably. 0 or a negative errno. */
int ownership_take(int dir_fd, uint64_t generation);

/* As durable_file_replace, for the owner of generation. -ESTALE when it is fenced. */
int ownership_file_replace(int dir_fd, uint64_t generation, const char *name, const void *data,
			   size_t len, bool *ret_uncertain);

/* Take name out of the store for good. -ESTALE when the owner is fenced, -ENOENT when there is
 * none. Not made durable. */
int ownership_file_remove(int dir_fd, uint64_t generation, const char *name);

#endif
