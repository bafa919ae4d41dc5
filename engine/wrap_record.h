/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record beside the header of a wrapped disk (wrap_witness.h), and looks at raw disks. Knows
 * neither libvirt nor the engine: libvirt's hook uses it as well. All of it blocks on storage. */
#ifndef VMR_ENGINE_WRAP_RECORD_H
#define VMR_ENGINE_WRAP_RECORD_H

#include <stddef.h>

#include "engine/wrap_witness.h"

#define WRAP_HEADER_SUFFIX ".vmreplica.qcow2"
#define WRAP_RECORD_SUFFIX ".witness"

/* What wrap did besides, which unwrap takes back. */
struct wrap_notes {
	bool granted; /* QEMU's user got an ACL entry of the raw disk from us */
	uint32_t uid;
};

/* "<header>.witness" into buf. 0 or -ENAMETOOLONG. */
int wrap_record_path(const char *header, char *buf, size_t size);
/* Read the record of header. What is missing or unreadable is WRAP_NONE. notes may be NULL. */
void wrap_record_read(const char *header, struct wrap_record *ret_record,
		      struct wrap_notes *ret_notes);
/* Replace it, durably. notes NULL: keep what it holds. 0 or a negative errno. */
int wrap_record_write(const char *header, const struct wrap_record *record,
		      const struct wrap_notes *notes);

/* How the raw disk at path looks: its size, its time of change (a device: what the kernel counted),
 * and a digest over its first and last 64 KiB and 64 places between. Read past the page cache where
 * that can be. */
void wrap_look(const char *path, struct wrap_look *ret_look);

/* Read, judge event and write: what an event means for the header of the raw disk. The record
 * afterwards is in *ret_record (may be NULL). 0, or a negative errno when it could not be written.
 */
int wrap_record_event(const char *header, const char *raw, enum wrap_event event, const char *node,
		      struct wrap_record *ret_record);

#endif
