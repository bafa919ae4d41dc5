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

#define QSD_ERROR_LEN 512

struct qsd;

/* Start one; its socket becomes <run_directory>/<name>.sock. It inherits lock_fd, the store's lock,
 * which so stays held as long as anybody can write the images. 0 or a negative errno with a
 * sentence. */
int qsd_start(const char *run_directory, const char *name, int lock_fd, struct qsd **ret_qsd,
	      char error[QSD_ERROR_LEN]);

/* Make it close its images, and wait until it has exited. 0; -EIO when it had to be killed or was
 * dead already (what it had not flushed is lost). Frees qsd. NULL is allowed. */
int qsd_stop(struct qsd *qsd);

/* False once the process has died; its last words then go into error. Any number of times. */
bool qsd_is_alive(struct qsd *qsd, char error[QSD_ERROR_LEN]);

const char *qsd_socket(const struct qsd *qsd);

/* Open a chain of count qcow2 files (absolute paths, base first) and export its top as disk. Only
 * the top is ever written, and only when writable. -EREMOTEIO: an image does not open (error has
 * QEMU's words). */
int qsd_disk_attach(struct qsd *qsd, const char *disk, const char *const *paths, size_t count,
		    bool writable, char error[QSD_ERROR_LEN]);

/* Close all chains: clients are cut off, images flushed and closed, locks released. */
int qsd_detach_all(struct qsd *qsd, char error[QSD_ERROR_LEN]);

/* Create a qcow2 file (version 3, 64 KiB clusters) of size_bytes; backing is the path of the layer
 * below as the new file shall record it (relative to itself), or NULL. Does not need a running
 * daemon. */
int qsd_image_create(const char *path, uint64_t size_bytes, const char *backing,
		     char error[QSD_ERROR_LEN]);

#endif
