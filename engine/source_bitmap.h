/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our dirty bitmaps as QEMU reports them. Parsing is pure. Private to source*.c. */
#ifndef VMR_ENGINE_SOURCE_BITMAP_H
#define VMR_ENGINE_SOURCE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/source.h"
#include "engine/source_domain.h"

struct source_bitmap {
	char text[CHECKPOINT_NAME_LEN]; /* its name in full */
	struct checkpoint_name name;	/* the same, parsed */
	char *node;  /* owned: block node that has it; the image's path when the VM is shut off */
	size_t disk; /* index of source_disk_at; SIZE_MAX: an image below a disk's newest one */
	bool sound;  /* persistent, recording, not inconsistent */
};

struct source_bitmaps {
	struct source_bitmap *items; /* owned */
	size_t count;
};

/* Ask QEMU of a running VM for the bitmaps of relationship. Errors as source_rpc_monitor, -EBADMSG.
 */
int source_bitmaps_query(struct source_connection *connection, const char *vm,
			 const struct source_domain *domain, const char *relationship,
			 struct source_bitmaps *ret_bitmaps, char error[SOURCE_ERROR_LEN]);
void source_bitmaps_destroy(struct source_bitmaps *bitmaps);

/* The reply of query-named-block-nodes. 0, -EBADMSG, -ENOMEM. */
int source_bitmaps_parse(const char *json, const struct source_domain *domain,
			 const char *relationship, struct source_bitmaps *ret_bitmaps);

/* Add a bitmap of that name (NULL, foreign or another relationship's: nothing is added). text and
 * node are copied. 0 or -ENOMEM. */
int source_bitmaps_append(struct source_bitmaps *bitmaps, const char *text,
			  const char *relationship, const char *node, size_t disk, bool sound);

/* Take one away from a running VM by the monitor: for those that libvirt has no checkpoint of. */
int source_bitmap_remove(struct source_connection *connection, const char *vm,
			 const struct source_bitmap *bitmap, char error[SOURCE_ERROR_LEN]);

static inline void cleanup_source_bitmaps_fn(struct source_bitmaps *bitmaps)
{
	source_bitmaps_destroy(bitmaps);
}
#define cleanup_source_bitmaps __attribute__((cleanup(cleanup_source_bitmaps_fn)))

#endif
