/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that Pacemaker has stopped is unknown to libvirt, because VirtualDomain starts transient
 * ones. To read the last cycle from its images offline it is defined for that while, marked as
 * ours, and undefined again. Blocking: workers only.
 */
#ifndef VMR_ENGINE_SOURCE_DEFINE_H
#define VMR_ENGINE_SOURCE_DEFINE_H

#include "engine/source.h"

/* Have libvirt know vm by the definition in the file at path. 0 also when it knows it and it does
 * not run; -EBUSY when it runs; -ENOENT, -EFBIG (the file), -EINVAL (it defines another VM), or as
 * libvirt's. A sentence in error. */
int source_define(struct source_connection *connection, const char *vm, const char *path,
		  char error[SOURCE_ERROR_LEN]);
/* Take away what source_define made; what others defined stays. 0 also when there is nothing. */
int source_undefine(struct source_connection *connection, const char *vm,
		    char error[SOURCE_ERROR_LEN]);
/* Is this XML of a VM that source_define made? */
bool source_define_is_marked(const char *xml);
/* The images of the definition in the file at path, by the disks' names: what is replicated of the
 * VM. *ret_disks is an array to free, its paths too. 0 or a negative errno with a sentence. */
struct source_defined_disk {
	char name[DISK_NAME_MAX + 1];
	char *path;
	uint64_t size_bytes;
};
int source_defined_disks(const char *path, const char *const *exclude,
			 struct source_defined_disk **ret_disks, size_t *ret_count,
			 char error[SOURCE_ERROR_LEN]);
void source_defined_disks_free(struct source_defined_disk *disks, size_t count);

#endif
