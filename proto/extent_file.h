/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the disks of a VM differ, from one process to another: a file of text lines
 *
 *   <disk> <offset> <length>      ascending for each disk, disks one after the other
 *   end <number of lines before>  the last line: without it the file is torn
 *
 * All calls block on storage.
 */
#ifndef VMR_PROTO_EXTENT_FILE_H
#define VMR_PROTO_EXTENT_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/dirty_map.h"
#include "proto/limits.h"

#define EXTENT_FILE_ERROR_LEN 256

struct extent_file_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
	struct dirty_map *map; /* of size_bytes; owned by whoever set it */
};

/* Write the maps into name below dir_fd; one that is there is replaced. 0 or a negative errno. The
 * file need not survive a crash: what asked for it has not either. */
int extent_file_write(int dir_fd, const char *name, const struct extent_file_disk *disks,
		      size_t count);
/* The same for another user to read and remove: the file that was made is given to it, whatever
 * stands at that name meanwhile in a directory that others may write. */
int extent_file_write_for(int dir_fd, const char *name, const struct extent_file_disk *disks,
			  size_t count, uid_t uid, gid_t gid);

/* Add all that the file at path says to the maps of disks. Every disk of it must be among them, and
 * every extent inside. 0; -EBADMSG with what is wrong; or an errno of reading. */
int extent_file_read(const char *path, const struct extent_file_disk *disks, size_t count,
		     char error[EXTENT_FILE_ERROR_LEN]);

#endif
