/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qcow2 header over a raw disk: made beside it, without ever opening the raw disk for writing.
 */
#ifndef VMR_ENGINE_WRAP_IMAGE_H
#define VMR_ENGINE_WRAP_IMAGE_H

#include "engine/source.h"

/* Clusters are as large as keeps the header's tables small, whatever the disk's size: they are all
 * written when it is made, and cached when it is used. */
uint32_t wrap_image_cluster_bytes(uint64_t size_bytes);
/* Make header over the raw disk of size_bytes, durably. One that an interrupted wrap of the same
 * raw disk left is made anew. Blocks for a second. 0; -EEXIST (something else is there), -EINVAL (a
 * size that QEMU cannot take), -EIO and others, with a sentence; then nothing is left. */
int wrap_image_make(const char *raw, uint64_t size_bytes, const char *header,
		    char error[SOURCE_ERROR_LEN]);
/* Is header such a header of raw? */
bool wrap_image_belongs(const char *header, const char *raw);

#endif
