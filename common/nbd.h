/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only wrapper round libnbd: the engine reads a backup job's exports with it, the receiver
 * writes its layers. Asynchronous with a bounded number of requests in flight; one thread drives a
 * handle. libnbd 1.14: callbacks run under the handle's lock (no nbd_* inside), completion
 * callbacks read *error and return 1, servers may return short or no extents (we clip and demand
 * progress).
 */
#ifndef VMR_COMMON_NBD_H
#define VMR_COMMON_NBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbd_disk;
#define NBD_ERROR_LEN	  256
#define NBD_IN_FLIGHT_MAX 64 /* requests started and not yet waited for */

/* Connect to an export on a Unix socket. bitmap: name of a dirty bitmap to ask for
 * ("qemu:dirty-bitmap:<bitmap>"), or NULL. base:allocation is always asked for. Blocking (bounded
 * by 30 s). 0 or negative errno with a sentence. */
int nbd_disk_open(const char *socket_path, const char *export_name, const char *bitmap,
		  struct nbd_disk **ret_disk, char error[NBD_ERROR_LEN]);
/* The same for an export that tells which layer of its chain a block comes from
 * ("qemu:allocation-depth"): an extent is dirty when it is allocated in the top one. */
int nbd_disk_open_depth(const char *socket_path, const char *export_name,
			struct nbd_disk **ret_disk, char error[NBD_ERROR_LEN]);
void nbd_disk_close(struct nbd_disk *disk); /* NULL allowed; waits for nothing */
uint64_t nbd_disk_size(const struct nbd_disk *disk);
const char *nbd_disk_error(const struct nbd_disk *disk);

struct nbd_extent {
	uint64_t offset, length; /* bytes */
	bool dirty;		 /* per the bitmap; true when no bitmap was asked for */
	bool zero;		 /* reads as zeros without reading (hole or zero) */
};

/* Walk [offset, offset+length): calls cb for each extent in ascending order, adjacent equals
 * merged. A negative return of cb ends the walk with that value. cb may start reads on the same
 * disk. Blocking. */
typedef int (*nbd_extent_cb)(void *arg, const struct nbd_extent *extent);
int nbd_disk_extents(struct nbd_disk *disk, uint64_t offset, uint64_t length, nbd_extent_cb cb,
		     void *arg);

/* Start a read of length bytes into buf (borrowed until cookie is done). Returns 0 with
 * *ret_cookie, -EBUSY when NBD_IN_FLIGHT_MAX are under way, -EINVAL outside the disk or above 32
 * MiB (or the server's maximum), -ENOTCONN, ... */
int nbd_disk_read_start(struct nbd_disk *disk, void *buf, uint64_t offset, size_t length,
			int64_t *ret_cookie);
/* Wait for that request: 0 or negative errno (never use the buffer's content after an error).
 * -ETIMEDOUT after timeout_ms (-1: never): the buffer stays borrowed; wait again, or close the disk
 * before it is freed. */
int nbd_disk_wait(struct nbd_disk *disk, int64_t cookie, int timeout_ms);

/* Synchronous forms, bounded by 120 s a request; that timeout ends the connection (-ENOTCONN from
 * then on). Lengths over the server's maximum are split. */
int nbd_disk_read(struct nbd_disk *disk, void *buf, uint64_t offset, size_t length);
int nbd_disk_write(struct nbd_disk *disk, const void *buf, uint64_t offset, size_t length);
/* WRITE_ZEROES, never TRIM: TRIM on a layer let the backing's old data show through (measured). May
 * leave a hole that reads as zeros, so that replicas stay sparse. */
int nbd_disk_zero(struct nbd_disk *disk, uint64_t offset, uint64_t length);
int nbd_disk_flush(struct nbd_disk *disk);

#endif
