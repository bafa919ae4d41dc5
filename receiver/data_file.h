/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wrapped raw disk's header names the disk, which QEMU opens by itself. */
#ifndef VMR_RECEIVER_DATA_FILE_H
#define VMR_RECEIVER_DATA_FILE_H

#include <limits.h>

/* Where the header of the image that is open at fd says that its data lies; "" = in itself, or it
 * is no such image. Absolute, or relative to the image. */
void data_file_read(int fd, char ret_path[PATH_MAX]);

#endif
