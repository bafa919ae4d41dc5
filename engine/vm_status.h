/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VmStatus messages as values: copies, and a frame to build one in. */
#ifndef VMR_ENGINE_VM_STATUS_H
#define VMR_ENGINE_VM_STATUS_H

#include "proto/limits.h"
#include "proto/status.pb-c.h"

/* A deep copy (vm_status_free), or NULL when out of memory. */
Vmreplica__VmStatus *vm_status_copy(const Vmreplica__VmStatus *status);
void vm_status_free(Vmreplica__VmStatus *status); /* NULL allowed */

/* A status whose submessages live beside it; strings are borrowed from whoever fills it. */
struct vm_status_frame {
	Vmreplica__VmStatus status;
	Vmreplica__Epoch epoch;
	Vmreplica__Progress progress;
	Vmreplica__Cycles cycles;
	Vmreplica__DiskStatus disks[DISKS_MAX];
	Vmreplica__DiskStatus *disk_pointers[DISKS_MAX];
	char *excluded[DISKS_MAX]; /* borrowed */
	char reason[REASON_MAX];   /* for one that is made here */
};
void vm_status_frame_init(struct vm_status_frame *frame);

/* protobuf-c's string fields are not const; nothing writes through them. */
static inline char *vm_status_borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* True when a is the newer word on the same relationship: the higher generation, then the one that
 * is not detached. */
int vm_status_is_newer(const Vmreplica__VmStatus *a, const Vmreplica__VmStatus *b);

/* The last status of a relationship, kept over a restart of the engine in VMR_STATEDIR. Blocking
 * file I/O of one small file. 0 or a negative errno. */
int vm_status_save(const char *directory, const Vmreplica__VmStatus *status);
Vmreplica__VmStatus *vm_status_load(const char *directory,
				    const char *relationship); /* NULL = none */
void vm_status_forget(const char *directory, const char *relationship);

#endif
