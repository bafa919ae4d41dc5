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
/* Must the store's directories stay when nothing is left in them? When QEMU or libvirt merges layers
 * it writes the name of the new backing file as it came to it, through the directories of all the
 * images between ("vm-2/../gen-1/vda-2.qcow2"): such a name leads nowhere once one of them is gone,
 * and the VM would not start again. They stay while a VM runs on the store, and while it holds
 * images that a VM has run on. Pure. */
bool overlay_directories_stay(const struct manifest *manifest);
/* Remove the images in directory "vm-<epoch>" of the store, and the directory if it may go. */
void overlay_remove(struct store *store, uint64_t epoch);
/* Likewise all of these directories but that of takeover. */
void overlay_sweep(struct store *store, const struct manifest_takeover *takeover);

#endif
