/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layers of a store: opening them through the daemon, making new ones, and knowing them again.
 * store->lock is held in every call; all block.
 */
#ifndef VMR_RECEIVER_IMAGE_H
#define VMR_RECEIVER_IMAGE_H

#include "receiver/store.h"

/* Make the daemon export the current (or pending) image, each disk under its name; writable ones
 * first get a layer of our own generation on top where an older owner's is there. Starts the daemon
 * when it does not run. 0, or BUSY "storage-error"; *ret_bad_disk (may be NULL) is then the index
 * of the disk whose chain does not open, or -1. */
int image_attach(struct store *store, enum store_attachment which, bool writable,
		 struct answer *answer, int *ret_bad_disk);

/* Close all images; the daemon stays, if that works. 0, or -EIO when it had to be stopped and did
 * not end well. */
int image_detach(struct store *store);

/* Stop the daemon (images are closed then). 0, or -EIO when it did not end well. */
int image_stop(struct store *store);

/* Make a new file of size_bytes for disk, over the layer backing (NULL = none), in our generation's
 * directory, durable. Takes a number from next->next_layer. 0 or the answer. */
int image_layer_make(struct store *store, struct manifest *next, const char *disk,
		     uint64_t size_bytes, const struct manifest_layer *backing,
		     struct manifest_layer *ret_layer, struct answer *answer);

/* Take the fingerprint of a layer whose file is durable and that nobody writes: it is frozen then.
 * 0 or a negative errno (layer is unchanged). */
int image_layer_fingerprint(struct store *store, struct manifest_layer *layer);

/* fsync of a layer's file. 0 or a negative errno. */
int image_layer_sync(struct store *store, const struct manifest_layer *layer);

/* Make the layers of image, which is one of manifest's, durable and record their fingerprints, but
 * (with_tops false) not of the tops that our generation writes, nor of what a merge writes. Other
 * layers must not be open for writing. A fingerprint that stands is kept: what somebody else
 * writes meanwhile must show. */
void image_freeze(struct store *store, const struct manifest *manifest,
		  struct manifest_image *image, bool with_tops);

/* In next, whose current (or pending) image is attached writable as it stands in the store's
 * manifest and flushed: close the tops of that image, durably and with their fingerprints, and put
 * new layers over them, to which the daemon writes from now on. The caller saves next, or calls
 * image_stop when it cannot. 0 or the answer (the daemon has been stopped then if need be). */
int image_turn(struct store *store, struct manifest *next, struct manifest_image *image,
	       struct answer *answer);

/* Make the daemon export the current image writable, and the two layers of store->manifest.merge
 * beside it (qsd.h). As image_attach; nothing is done when it is so already. */
int image_attach_merge(struct store *store, struct answer *answer);

/* The virtual size of the layer file, as its header says. 0 or a negative errno. Blocking. */
int image_layer_size(struct store *store, const char *file, uint64_t *ret_bytes);

/* "<store>/<file>" */
#define IMAGE_PATH_LEN (PATH_LEN_MAX + MANIFEST_FILE_MAX + 2)
char *image_path(const struct store *store, const char *file, char path[IMAGE_PATH_LEN]);

/* Compare frozen layers with what is on disk. NULL when they are as we left them; else the first
 * that is not (borrowed from image), and why says what is wrong with it. */
struct manifest_layer *image_find_changed(struct store *store, struct manifest_image *image,
					  char *why, size_t why_size);

/* After a failed flush the kernel may show pages that the disk never got: drop them, so that what
 * is read is what is stored; those of adopted disks, and of the raw disks that those may wrap, as
 * well. The daemon must be stopped. */
void image_drop_caches(struct store *store, const struct manifest_image *image);

/* A write through the daemon has failed with rc. What failed may have been a flush of QEMU's own
 * between two writes; then each later one tells of it, for as long as the image stays open. So it
 * is worth one, unless the daemon is gone or there is simply no room (its flush would fail for
 * that). Does not need the lock. */
bool image_flush_may_tell(struct store *store, int rc);

#endif
