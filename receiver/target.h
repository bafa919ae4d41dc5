/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of disks being written through a store's daemon: what chunks and logs are applied to. Disks
 * are opened when first used. One thread; every call blocks.
 */
#ifndef VMR_RECEIVER_TARGET_H
#define VMR_RECEIVER_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "common/nbd.h"
#include "receiver/plan.h"

struct target {
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const struct plan_disk *disks; /* borrowed */
	size_t disk_count;
	struct nbd_disk *open[DISKS_MAX]; /* owned; NULL until used */
	char error[NBD_ERROR_LEN];	  /* of the last failure */
};

void target_init(struct target *target, const char *socket, const struct plan_disk *disks,
		 size_t disk_count);
void target_close(struct target *target); /* what was not flushed may be lost; twice is fine */

/* 0 or a negative errno; -ENOSPC as the daemon met it. Ranges must lie inside the disk. */
int target_write(struct target *target, size_t disk, const void *data, uint64_t offset,
		 size_t length);
/* Make the range read as zeros; what does so already is not written. */
int target_zero(struct target *target, size_t disk, uint64_t offset, uint64_t length);
int target_read(struct target *target, size_t disk, void *buf, uint64_t offset, size_t length);
/* Make all writes so far durable. A failure is final: see durable.h. */
int target_flush(struct target *target);

struct target_range {
	uint64_t offset, length;
};

/* Ranges within [offset, offset+length) that need reading because they are not known to be zeros:
 * fills ranges (room for max), *ret_count, and *ret_end: how far the answer goes (it ends early
 * when ranges is full; > offset on 0). */
int target_data_ranges(struct target *target, size_t disk, uint64_t offset, uint64_t length,
		       struct target_range *ranges, size_t max, size_t *ret_count,
		       uint64_t *ret_end);

/* True when rc says that the daemon's end of the connection is gone (it died): nothing is wrong
 * with the data then. */
bool target_error_is_lost(int rc);

#endif
