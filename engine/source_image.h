/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an image's first bytes say. Reading takes no lock, so it does not matter that QEMU has the
 * image open. */
#ifndef VMR_ENGINE_SOURCE_IMAGE_H
#define VMR_ENGINE_SOURCE_IMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct source_image {
	uint64_t size_bytes; /* as the guest sees it */
	uint32_t version;    /* qcow2 version 2 or 3; 0 = not a qcow2 image */
	bool encrypted;	     /* by qcow2 itself: LUKS or the old AES */
	bool has_backing;
	char backing_file[1024];  /* its name; "" when there is none, or the header does not tell */
	char backing_format[32];  /* "qcow2", "raw", ...; "" = the header does not tell */
	bool has_data_file;	  /* the guest's data lies in another file */
	bool data_file_raw;	  /* ... and that is a raw disk, block for block */
	char data_file[PATH_MAX]; /* its name; "" when the header does not tell */
};

/* Read the header of a regular file or block device. 0, the errno of opening or reading, -EINVAL
 * for other kinds of files. Blocks as long as the storage does. */
int source_image_examine(const char *path, struct source_image *ret_image);
/* The path of the backing file that a qcow2 image's header names, as QEMU would find it. 0;
 * -ENOENT: it has none; -EBADMSG: it is no qcow2 image, or names something else than a file; or as
 * above. */
int source_image_backing(const char *path, char ret_backing[PATH_MAX]);
/* The same of a file that is open. */
int source_image_examine_fd(int fd, struct source_image *ret_image);
/* Size of the file or device itself, whatever it holds. Likewise. */
int source_image_raw_size(const char *path, uint64_t *ret_size);

#endif
