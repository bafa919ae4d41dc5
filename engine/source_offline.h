/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that is shut off: its bitmaps are in its images, and nothing changes there. Reading an image
 * takes no lock of it (force-share), because a read lock of ours would make the VM's start fail
 * (measured). Adding and removing a bitmap locks it for some 10 ms. Private to source*.c.
 */
#ifndef VMR_ENGINE_SOURCE_OFFLINE_H
#define VMR_ENGINE_SOURCE_OFFLINE_H

#include <sys/stat.h>

#include "engine/source.h"
#include "engine/source_bitmap.h"
#include "engine/source_domain.h"

/* Our bitmaps of relationship in the images of the replicated disks; node is the image's path. 0,
 * -EBADMSG, -EIO, ... */
int source_offline_bitmaps(const struct source_domain *domain, const char *relationship,
			   struct source_bitmaps *ret_bitmaps, char error[SOURCE_ERROR_LEN]);
/* qemu-img info's answer for one disk, appended to bitmaps. 0, -EBADMSG, -ENOMEM. Pure. */
int source_offline_parse(const char *json, const char *relationship, const char *path, size_t disk,
			 struct source_bitmaps *bitmaps);

/* A new bitmap of that name on each replicated disk, or on none. -EAGAIN when the VM is being
 * started. */
int source_offline_add(const struct source_domain *domain, const char *name,
		       char error[SOURCE_ERROR_LEN]);
int source_offline_remove(const char *path, const char *name, char error[SOURCE_ERROR_LEN]);

/* One image served by qemu-nbd, as long as nobody writes to it. */
struct source_export;
/* Serve disk's image on socket_path as an export of the disk's name, with that bitmap (NULL: none).
 * Returns when it can be connected to. */
int source_export_start(const struct source_disk *disk, const char *bitmap, const char *socket_path,
			struct source_export **ret_export, char error[SOURCE_ERROR_LEN]);
/* The same by a server that runs as user, who must be able to write into the socket's directory. */
struct source_tool_user;
int source_export_start_as(const struct source_tool_user *user, const struct source_disk *disk,
			   const char *bitmap, const char *socket_path,
			   struct source_export **ret_export, char error[SOURCE_ERROR_LEN]);
/* False when the image was written to, or the server has ended: what was read since the start is
 * not to be trusted. */
bool source_export_holds(struct source_export *export);
void source_export_stop(struct source_export *export); /* NULL allowed; removes the socket */

#endif
