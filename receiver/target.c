/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ZERO_BATCH 64

void target_init(struct target *target, const char *socket, const struct plan_disk *disks,
		 size_t disk_count)
{
	memset(target, 0, sizeof(*target));
	snprintf(target->socket, sizeof(target->socket), "%s", socket);
	target->disks = disks;
	target->disk_count = disk_count;
}

void target_close(struct target *target)
{
	for (size_t i = 0; i < target->disk_count; i++) {
		nbd_disk_close(target->open[i]);
		target->open[i] = NULL;
	}
}

static int target_open(struct target *target, size_t disk, struct nbd_disk **ret_disk)
{
	struct nbd_disk *opened;
	int rc;

	if (target->open[disk] == NULL) {
		rc = nbd_disk_open(target->socket, target->disks[disk].name, NULL, &opened,
				   target->error);
		if (rc < 0) { /* which says nothing about what the image holds */
			return rc == -ENOMEM ? rc : -ENOTCONN;
		}
		if (nbd_disk_size(opened) < target->disks[disk].size_bytes) {
			nbd_disk_close(opened);
			snprintf(target->error, sizeof(target->error),
				 "the image of %s is smaller than the disk",
				 target->disks[disk].name);
			return -EUCLEAN;
		}
		target->open[disk] = opened;
	}
	*ret_disk = target->open[disk];
	return 0;
}

static int target_keep_error(struct target *target, const struct nbd_disk *disk, int rc)
{
	if (rc < 0) {
		snprintf(target->error, sizeof(target->error), "%s", nbd_disk_error(disk));
	}
	return rc;
}

int target_write(struct target *target, size_t disk, const void *data, uint64_t offset,
		 size_t length)
{
	struct nbd_disk *opened = NULL;
	int rc = target_open(target, disk, &opened);

	return rc < 0 ? rc
		      : target_keep_error(target, opened,
					  nbd_disk_write(opened, data, offset, length));
}

int target_read(struct target *target, size_t disk, void *buf, uint64_t offset, size_t length)
{
	struct nbd_disk *opened = NULL;
	int rc = target_open(target, disk, &opened);

	return rc < 0 ? rc
		      : target_keep_error(target, opened,
					  nbd_disk_read(opened, buf, offset, length));
}

/* What a walk over extents collects. */
struct data_walk {
	struct target_range *ranges;
	size_t max, count;
	uint64_t end;
};

#define WALK_FULL (-EXFULL)

static int data_walk_cb(void *arg, const struct nbd_extent *extent)
{
	struct data_walk *walk = arg;

	if (!extent->zero) {
		if (walk->count == walk->max) {
			return WALK_FULL;
		}
		walk->ranges[walk->count].offset = extent->offset;
		walk->ranges[walk->count++].length = extent->length;
	}
	walk->end = extent->offset + extent->length;
	return 0;
}

int target_data_ranges(struct target *target, size_t disk, uint64_t offset, uint64_t length,
		       struct target_range *ranges, size_t max, size_t *ret_count,
		       uint64_t *ret_end)
{
	struct data_walk walk = {.ranges = ranges, .max = max, .end = offset};
	struct nbd_disk *opened = NULL;
	int rc = target_open(target, disk, &opened);

	if (rc < 0) {
		return rc;
	}
	rc = nbd_disk_extents(opened, offset, length, data_walk_cb, &walk);
	if (rc < 0 && rc != WALK_FULL) {
		return target_keep_error(target, opened, rc);
	}
	if (walk.end <= offset) {
		snprintf(target->error, sizeof(target->error), "no extents for %s",
			 target->disks[disk].name);
		return -EIO;
	}
	*ret_count = walk.count;
	*ret_end = walk.end;
	return 0;
}

int target_zero(struct target *target, size_t disk, uint64_t offset, uint64_t length)
{
	struct target_range ranges[ZERO_BATCH];
	uint64_t end = offset + length;

	while (offset < end) {
		size_t count = 0;
		uint64_t next = offset;
		int rc = target_data_ranges(target, disk, offset, end - offset, ranges, ZERO_BATCH,
					    &count, &next);

		for (size_t i = 0; i < count && rc == 0; i++) {
			rc = target_keep_error(target, target->open[disk],
					       nbd_disk_zero(target->open[disk], ranges[i].offset,
							     ranges[i].length));
		}
		if (rc < 0) {
			return rc;
		}
		offset = next;
	}
	return 0;
}

int target_flush(struct target *target)
{
	for (size_t i = 0; i < target->disk_count; i++) {
		int rc = target->open[i] == NULL ? 0 : nbd_disk_flush(target->open[i]);

		if (rc < 0) {
			return target_keep_error(target, target->open[i], rc);
		}
	}
	return 0;
}

bool target_error_is_lost(int rc)
{
	return rc == -ENOTCONN || rc == -ECONNRESET || rc == -EPIPE || rc == -ESHUTDOWN ||
	       rc == -ECONNREFUSED || rc == -ENOENT || rc == -ECONNABORTED;
}
