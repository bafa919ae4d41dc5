/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One qemu-storage-daemon: QEMU's own qcow2 code, and the only writer of a store's layers. It is
 * driven over QMP and serves each attached disk's top layer as an NBD export of the disk's name on
 * a Unix socket in a private directory. Its image locks hold as long as it runs. Every call blocks;
 * the caller lets one thread in at a time.
 */
#ifndef VMR_RECEIVER_QSD_H
#define VMR_RECEIVER_QSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "receiver/cell.h"

#define QSD_ERROR_LEN 512

struct qsd;

/* Start one, in cell; its socket becomes <run_directory>/<name>.sock. It inherits lock_fd, the
 * store's lock, which so stays held as long as anybody can write the images. 0 or a negative errno
 * with a sentence. */
int qsd_start(const struct cell *cell, const char *run_directory, const char *name, int lock_fd,
	      struct qsd **ret_qsd, char error[QSD_ERROR_LEN]);

/* Make it close its images, and wait until it has exited. 0; -EIO when it had to be killed or was
 * dead already (what it had not flushed is lost). Frees qsd. NULL is allowed. */
int qsd_stop(struct qsd *qsd);

/* False once the process has died; its last words then go into error. Any number of times. */
bool qsd_is_alive(struct qsd *qsd, char error[QSD_ERROR_LEN]);

const char *qsd_socket(const struct qsd *qsd);

/* A chain of qcow2 files to open. Only the top is written, and only when writable; but with merging
 * also the layer below the one of index merged, and two more exports are there: QSD_MERGE_FROM
 * (what can be read through the layer merged) and QSD_MERGE_INTO (through the layer below,
 * writable), each of which also tells what is allocated in its layer. */
struct qsd_chain {
	const char *const *paths; /* absolute, base first */
	size_t count;
	bool writable;
	bool depth; /* its export also tells what is allocated in the top */
	bool merging;
	size_t merged; /* > 0, and not the top */
};

/* The names of those exports: no disk can be called so. */
#define QSD_MERGE_FROM "merge:from"
#define QSD_MERGE_INTO "merge:into"

/* Open a chain and export its top as disk. -EREMOTEIO: an image does not open (error has QEMU's
 * words). */
int qsd_disk_attach(struct qsd *qsd, const char *disk, const struct qsd_chain *chain,
		    char error[QSD_ERROR_LEN]);

/* Put the new file at path (made by qsd_image_create over the present top) on top of disk's
 * writable chain: what is written from now on goes there, and the old top is closed for writing
 * with all of it in the file (not yet synced). Clients stay connected. After an error the chain is
 * as it was, or must be detached. -ENOTCONN when qsd is NULL. */
int qsd_disk_turn(struct qsd *qsd, const char *disk, const char *path, char error[QSD_ERROR_LEN]);

/* Close all chains: clients are cut off, images flushed and closed, locks released. */
int qsd_detach_all(struct qsd *qsd, char error[QSD_ERROR_LEN]);

/* Create a qcow2 file (version 3, 64 KiB clusters) of size_bytes; backing is the path of the layer
 * below as the new file shall record it (relative to itself), or NULL. Does not need a running
 * daemon. Here and below, QEMU's program runs in cell. */
int qsd_image_create(const struct cell *cell, const char *path, uint64_t size_bytes,
		     const char *backing, char error[QSD_ERROR_LEN]);

/* Offline, on a file that nobody has open: give it size_bytes (more or less than it has). */
int qsd_image_resize(const struct cell *cell, const char *path, uint64_t size_bytes,
		     char error[QSD_ERROR_LEN]);
/* Offline: add an enabled, persistent bitmap to an image whose backing chain opens. */
int qsd_image_bitmap_add(const struct cell *cell, const char *path, const char *bitmap,
			 char error[QSD_ERROR_LEN]);
/* Offline: remove a bitmap. */
int qsd_image_bitmap_remove(const struct cell *cell, const char *path, const char *bitmap,
			    char error[QSD_ERROR_LEN]);
/* Offline: name another file as its backing file, without looking at either's content. */
int qsd_image_rebase(const struct cell *cell, const char *path, const char *backing,
		     char error[QSD_ERROR_LEN]);

#endif
