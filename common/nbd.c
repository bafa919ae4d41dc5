/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/nbd.h"

#include <errno.h>
#include <libnbd.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/checked.h"
#include "common/clock.h"
#include "nbd_internal.h"

#define BITMAP_PREFIX "qemu:dirty-bitmap:"
#define NBD_OPEN_MS   30000
#define NBD_SYNC_MS   120000
#define NBD_PART_MAX  (32u * 1024u * 1024u) /* QEMU's limit; a server's own may be lower */
#define NBD_ZERO_MAX  (1024u * 1024u * 1024u)

/* libnbd's last error of this thread as our code; never 0. */
static int nbd_errno(void)
{
	int error = nbd_get_errno();

	return error > 0 ? -error : -EIO;
}

static void nbd_explain(char error[NBD_ERROR_LEN], const char *what)
{
	const char *text = nbd_get_error();

	snprintf(error, NBD_ERROR_LEN, "%s: %.200s", what,
		 text != NULL ? text : "unknown NBD error");
}

/* context: a full name, or NULL. */
static int nbd_prepare(struct nbd_disk *disk, const char *export_name, const char *context)
{
	struct nbd_handle *handle = nbd_create();

	disk->handle = handle;
	if (handle == NULL || nbd_set_export_name(handle, export_name) < 0 ||
	    nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
	    nbd_set_pread_initialize(handle, false) < 0) {
		return nbd_errno();
	}
	if (context != NULL) {
		int n = snprintf(disk->bitmap_context, sizeof(disk->bitmap_context), "%s", context);

		if (n >= (int)sizeof(disk->bitmap_context)) {
			return -ENAMETOOLONG;
		}
		if (nbd_add_meta_context(handle, disk->bitmap_context) < 0) {
			return nbd_errno();
		}
	}
	return 0;
}

static int nbd_connect(struct nbd_handle *handle, const char *socket_path)
{
	int64_t deadline = clock_monotonic_ms() + NBD_OPEN_MS;

	if (nbd_aio_connect_unix(handle, socket_path) < 0) {
		return nbd_errno();
	}
	while (nbd_aio_is_ready(handle) != 1) {
		int64_t left = deadline - clock_monotonic_ms();

		if (nbd_aio_is_dead(handle) == 1 || nbd_aio_is_closed(handle) == 1) {
			return nbd_errno();
		}
		if (left <= 0) {
			return -ETIMEDOUT;
		}
		if (nbd_poll(handle, (int)left) < 0) {
			return nbd_errno();
		}
	}
	return 0;
}

static int nbd_learn(struct nbd_disk *disk)
{
	int64_t size = nbd_get_size(disk->handle);
	int64_t part = nbd_get_block_size(disk->handle, LIBNBD_SIZE_MAXIMUM);

	if (size < 0) {
		return nbd_errno();
	}
	disk->size = (uint64_t)size;
	disk->part_max = part > 0 && part < NBD_PART_MAX ? (size_t)part : NBD_PART_MAX;
	disk->has_allocation =
		nbd_can_meta_context(disk->handle, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
	disk->has_bitmap = disk->bitmap_context[0] != '\0' &&
			   nbd_can_meta_context(disk->handle, disk->bitmap_context) == 1;
	return 0;
}

static int nbd_disk_open_context(const char *socket_path, const char *export_name,
				 const char *context, struct nbd_disk **ret_disk,
				 char error[NBD_ERROR_LEN])
{
	struct nbd_disk *disk = calloc(1, sizeof(*disk));
	int r;

	if (disk == NULL) {
		snprintf(error, NBD_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	r = nbd_prepare(disk, export_name, context);
	if (r == 0) {
		r = nbd_connect(disk->handle, socket_path);
	}
	if (r == 0) {
		r = nbd_learn(disk);
	}
	if (r == -ETIMEDOUT) {
		snprintf(error, NBD_ERROR_LEN, "%.128s: the NBD server does not answer",
			 socket_path);
	} else if (r < 0) {
		nbd_explain(error, socket_path);
	} else if (context != NULL && !disk->has_bitmap) {
		const char *bitmap = strstr(context, BITMAP_PREFIX);

		snprintf(error, NBD_ERROR_LEN, "%.100s: export %.40s has no %s%.60s", socket_path,
			 export_name, bitmap != NULL ? "dirty bitmap " : "",
			 bitmap != NULL ? bitmap + strlen(BITMAP_PREFIX) : context);
		r = -ENOENT;
	}
	if (r < 0) {
		nbd_disk_close(disk);
		return r;
	}
	*ret_disk = disk;
	return 0;
}

int nbd_disk_open(const char *socket_path, const char *export_name, const char *bitmap,
		  struct nbd_disk **ret_disk, char error[NBD_ERROR_LEN])
{
	char context[2 * NBD_CONTEXT_LEN]; /* what is too long is refused later */

	if (bitmap != NULL) {
		snprintf(context, sizeof(context), BITMAP_PREFIX "%s", bitmap);
	}
	return nbd_disk_open_context(socket_path, export_name, bitmap == NULL ? NULL : context,
				     ret_disk, error);
}

int nbd_disk_open_depth(const char *socket_path, const char *export_name,
			struct nbd_disk **ret_disk, char error[NBD_ERROR_LEN])
{
	int r = nbd_disk_open_context(socket_path, export_name, "qemu:allocation-depth", ret_disk,
				      error);

	if (r == 0) {
		(*ret_disk)->is_depth = true;
	}
	return r;
}

void nbd_disk_close(struct nbd_disk *disk)
{
	if (disk != NULL) {
		nbd_close(disk->handle);
		free(disk);
	}
}

uint64_t nbd_disk_size(const struct nbd_disk *disk)
{
	return disk->size;
}

const char *nbd_disk_error(const struct nbd_disk *disk)
{
	return disk->error;
}

struct nbd_slot *nbd_slot_take(struct nbd_disk *disk)
{
	for (size_t i = 0; i < NBD_IN_FLIGHT_MAX; i++) {
		if (!disk->slots[i].used) {
			disk->slots[i] = (struct nbd_slot){.used = true, .cookie = -1};
			return &disk->slots[i];
		}
	}
	return NULL;
}

/* 1 retires the command: the slot remembers its outcome, so nobody asks libnbd for it again. */
static int nbd_done_cb(void *user_data, int *error)
{
	struct nbd_slot *slot = user_data;

	slot->error = *error;
	slot->done = true;
	return 1;
}

nbd_completion_callback nbd_slot_completion(struct nbd_slot *slot)
{
	return (nbd_completion_callback){.callback = nbd_done_cb, .user_data = slot};
}

/* A request did not get through. Once the server is gone libnbd calls it an invalid state (EINVAL),
 * or has no number at all: who asks must not take that for the server's word about the image. */
static int nbd_failure(struct nbd_disk *disk, const char *what)
{
	int r = nbd_errno();

	nbd_explain(disk->error, what);
	return nbd_aio_is_dead(disk->handle) == 1 || nbd_aio_is_closed(disk->handle) == 1
		       ? -ENOTCONN
		       : r;
}

int nbd_slot_started(struct nbd_disk *disk, struct nbd_slot *slot, int64_t cookie, const char *what)
{
	if (cookie < 0) {
		slot->used = false;
		return nbd_failure(disk, what);
	}
	slot->cookie = cookie;
	return 0;
}

static int nbd_slot_drive(struct nbd_disk *disk, struct nbd_slot *slot, int timeout_ms,
			  const char *what)
{
	int64_t deadline = clock_monotonic_ms() + timeout_ms;

	while (!slot->done) {
		int64_t left = timeout_ms < 0 ? INT_MAX : deadline - clock_monotonic_ms();

		if (left < 0) {
			left = 0;
		}
		if (nbd_poll(disk->handle, (int)left) < 0 && !slot->done) {
			return nbd_failure(disk, what);
		}
		if (!slot->done && left == 0) {
			snprintf(disk->error, sizeof(disk->error),
				 "%s: the NBD server did not answer in time", what);
			return -ETIMEDOUT;
		}
	}
	if (slot->error != 0) {
		snprintf(disk->error, sizeof(disk->error), "%s: %s", what, strerror(slot->error));
	}
	return -slot->error;
}

int nbd_slot_wait(struct nbd_disk *disk, struct nbd_slot *slot, int timeout_ms, const char *what)
{
	int r = nbd_slot_drive(disk, slot, timeout_ms, what);

	if (r != -ETIMEDOUT || slot->done) {
		slot->used = false;
	}
	return r;
}

int nbd_slot_finish(struct nbd_disk *disk, struct nbd_slot *slot, int64_t cookie, const char *what)
{
	int r = nbd_slot_started(disk, slot, cookie, what);

	if (r == 0) {
		r = nbd_slot_wait(disk, slot, NBD_SYNC_MS, what);
	}
	if (slot->used) {
		/* The request still holds the caller's memory: only the end of the connection takes
		 * it away. */
		nbd_close(disk->handle);
		disk->handle = NULL;
	}
	return r;
}

/* May this request start at all? 0 or negative errno. */
static int nbd_request_check(struct nbd_disk *disk, uint64_t offset, uint64_t length)
{
	if (disk->handle == NULL) {
		return -ENOTCONN;
	}
	return range_is_inside(offset, length, disk->size) ? 0 : -EINVAL;
}

int nbd_disk_read_start(struct nbd_disk *disk, void *buf, uint64_t offset, size_t length,
			int64_t *ret_cookie)
{
	struct nbd_slot *slot;
	int r = nbd_request_check(disk, offset, length);

	if (r == 0 && length > disk->part_max) {
		r = -EINVAL;
	}
	if (r < 0) {
		return r;
	}
	slot = nbd_slot_take(disk);
	if (slot == NULL) {
		return -EBUSY;
	}
	r = nbd_slot_started(
		disk, slot,
		nbd_aio_pread(disk->handle, buf, length, offset, nbd_slot_completion(slot), 0),
		"read");
	if (r == 0) {
		*ret_cookie = slot->cookie;
	}
	return r;
}

int nbd_disk_wait(struct nbd_disk *disk, int64_t cookie, int timeout_ms)
{
	for (size_t i = 0; i < NBD_IN_FLIGHT_MAX; i++) {
		if (disk->slots[i].used && disk->slots[i].cookie == cookie) {
			return disk->handle == NULL
				       ? -ENOTCONN
				       : nbd_slot_wait(disk, &disk->slots[i], timeout_ms, "read");
		}
	}
	return -EINVAL;
}

enum nbd_operation { NBD_READ, NBD_WRITE, NBD_ZERO, NBD_FLUSH };

static int nbd_sync_part(struct nbd_disk *disk, enum nbd_operation operation, void *buf,
			 uint64_t offset, size_t length)
{
	static const char *const names[] = {"read", "write", "write of zeros", "flush"};
	struct nbd_slot *slot = nbd_slot_take(disk);
	nbd_completion_callback done;
	int64_t cookie = -1;

	if (slot == NULL) {
		return -EBUSY;
	}
	done = nbd_slot_completion(slot);
	switch (operation) {
	case NBD_READ:
		cookie = nbd_aio_pread(disk->handle, buf, length, offset, done, 0);
		break;
	case NBD_WRITE:
		cookie = nbd_aio_pwrite(disk->handle, buf, length, offset, done, 0);
		break;
	case NBD_ZERO:
		cookie = nbd_aio_zero(disk->handle, length, offset, done, 0);
		break;
	case NBD_FLUSH:
		cookie = nbd_aio_flush(disk->handle, done, 0);
		break;
	}
	return nbd_slot_finish(disk, slot, cookie, names[operation]);
}

static int nbd_sync(struct nbd_disk *disk, enum nbd_operation operation, void *buf, uint64_t offset,
		    uint64_t length)
{
	size_t max = operation == NBD_ZERO ? NBD_ZERO_MAX : disk->part_max;
	uint8_t *at = buf;
	int r = nbd_request_check(disk, offset, length);

	while (r == 0 && length > 0) {
		size_t part = length < max ? (size_t)length : max;

		r = nbd_sync_part(disk, operation, at, offset, part);
		at = at == NULL ? NULL : at + part;
		offset += part;
		length -= part;
	}
	return r;
}

int nbd_disk_read(struct nbd_disk *disk, void *buf, uint64_t offset, size_t length)
{
	return nbd_sync(disk, NBD_READ, buf, offset, length);
}

int nbd_disk_write(struct nbd_disk *disk, const void *buf, uint64_t offset, size_t length)
{
	return nbd_sync(disk, NBD_WRITE, (void *)(uintptr_t)buf, offset, length);
}

int nbd_disk_zero(struct nbd_disk *disk, uint64_t offset, uint64_t length)
{
	return nbd_sync(disk, NBD_ZERO, NULL, offset, length);
}

int nbd_disk_flush(struct nbd_disk *disk)
{
	if (disk->handle == NULL) {
		return -ENOTCONN;
	}
	return nbd_sync_part(disk, NBD_FLUSH, NULL, 0, 0);
}
