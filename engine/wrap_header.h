/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header of a disk with the record beside it (wrap_image.h, wrap_record.h), as wrap makes and
 * unwrap removes them. Blocking. */
#ifndef VMR_ENGINE_WRAP_HEADER_H
#define VMR_ENGINE_WRAP_HEADER_H

#include "engine/source.h"
#include "engine/wrap_domain.h"

/* Is path named as headers are? */
bool wrap_header_is_name(const char *path);
/* Make disk's header and its record. A header of the same raw disk and size that is there already
 * stays as it is: another node's definition may name it, and its bitmaps be in use. disk->made is
 * set when nothing was in its place before. 0 or a negative errno with a sentence. */
int wrap_header_make(struct wrap_disk *disk, char error[SOURCE_ERROR_LEN]);
/* Of count disks keep those whose headers were made (disk->made), in front: what a wrap that fails
 * may take back. Returns how many. */
size_t wrap_header_keep_made(struct wrap_disk *disks, size_t count);
/* Remove disk's header and record. 1 when they are gone, 0 when there was no header of that raw
 * disk, or a negative errno. */
int wrap_header_remove(const struct wrap_disk *disk);

#endif
