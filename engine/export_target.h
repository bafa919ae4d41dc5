/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One disk of an export: a qcow2 file that qemu-nbd writes for us. Blocking, one worker. */
#ifndef VMR_ENGINE_EXPORT_TARGET_H
#define VMR_ENGINE_EXPORT_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/source.h"

struct export_target {
	pid_t pid; /* of qemu-nbd; 0 = none */
	int output;
	char socket[108];
	struct nbd_disk *disk;
};

/* Open the file at path (made anew with size_bytes when fresh) behind a socket in socket_directory.
 * 0, or a negative errno with a sentence. */
int export_target_open(struct export_target *target, const char *path, uint64_t size_bytes,
		       bool fresh, const char *socket_directory, const char *name,
		       char error[SOURCE_ERROR_LEN]);
/* Is the file of that name in dir_fd a qcow2 image of size_bytes, which may be written further? No
 * link is followed. */
bool export_target_fits(int dir_fd, const char *file, uint64_t size_bytes);
/* Bytes of a range; those blocks that are zeros are not written, but zeroed where over (the file
 * may hold something there). As nbd_disk_write. */
int export_target_write(struct export_target *target, const uint8_t *data, uint64_t offset,
			uint64_t length, bool over);
int export_target_flush(struct export_target *target);
void export_target_close(struct export_target *target); /* twice is fine */

#endif
