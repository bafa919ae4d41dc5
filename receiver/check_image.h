/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One disk of a store as it reads through a layer, for the check: a qemu-nbd that opens the chain
 * as the manifest lists it, read-only and without locks. Relative to the store, which is the
 * working directory. Blocking. */
#ifndef VMR_RECEIVER_CHECK_IMAGE_H
#define VMR_RECEIVER_CHECK_IMAGE_H

#include <sys/types.h>

#include "common/nbd.h"
#include "receiver/manifest.h"

struct check_image {
	pid_t pid;
	char directory[64];		  /* of its socket */
	char *chain;			  /* owned; the chain in QEMU's words */
	struct nbd_disk *nbd;		  /* extents are dirty when the top layer has them */
	const struct manifest_disk *disk; /* borrowed */
	size_t top;			  /* layer that is the image's top */
};

/* 0 or a negative errno with a sentence; closed with check_image_close in any case. */
int check_image_open(struct check_image *image, const struct manifest_disk *disk, size_t top,
		     char error[NBD_ERROR_LEN]);
void check_image_close(struct check_image *image);

/* Which layer's file holds the byte at offset of the disk, and where. The top's and UINT64_MAX when
 * nobody knows. */
const char *check_image_locate(const struct check_image *image, uint64_t offset,
			       uint64_t *ret_file_offset);

#endif
