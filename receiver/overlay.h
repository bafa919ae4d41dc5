/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The images that a VM writes after a failover: vm-<epoch>/<disk>.qcow2 in the store, each over the
 * layer that the VM begins from, with a bitmap of what is written from then on. store->lock is held
 * in every call; all block. */
#ifndef VMR_RECEIVER_OVERLAY_H
#define VMR_RECEIVER_OVERLAY_H

#include "receiver/store.h"

/* Make them for a takeover, durable; what an attempt before left is made anew. 0 or a negative
 * errno with a sentence. */
int overlay_make(struct store *store, const struct manifest_takeover *takeover,
		 char error[STORE_ERROR_LEN]);
/* Absolute path of one. Returns path. */
char *overlay_path(const struct store *store, const struct manifest_takeover *takeover,
		   const char *disk, char path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2]);
/* Does a process of this node, or (where the storage tells) of another, have one of them open? */
bool overlay_is_in_use(const struct store *store, const struct manifest_takeover *takeover);
/* Remove directory "vm-<epoch>" of the store with the images in it. */
void overlay_remove(struct store *store, uint64_t epoch);
/* Remove all of these directories but that of takeover. */
void overlay_sweep(struct store *store, const struct manifest_takeover *takeover);

#endif
