/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies in import/ comes from elsewhere: it is looked at with QEMU's own code, here, without
 * privileges, and never by probing (a guest may have written a qcow2 header, with a backing file of
 * its choice, into its raw disk). An image of ours is taken as it is; anything else is converted.
 */
#ifndef VMR_RECEIVER_IMPORT_IMAGE_H
#define VMR_RECEIVER_IMPORT_IMAGE_H

#include "receiver/store.h"

#define IMPORT_NAME "import"

struct import_disk {
	char name[DISK_NAME_MAX + 1];
	char file[DISK_NAME_MAX + 16]; /* in import/ */
	bool raw;
	uint64_t size_bytes;		   /* 0 = as the image says */
	char ready[MANIFEST_FILE_MAX + 1]; /* what becomes the base: "import/<file>" */
	bool converted;
};

/* Have a file fit to become a base layer: disk->ready and size_bytes are filled. 0, or a negative
 * errno with a sentence in text. Blocking, for hours perhaps; store->lock is not held. */
int import_image_prepare(struct store *store, struct import_disk *disk, char text[STORE_ERROR_LEN]);

#endif
