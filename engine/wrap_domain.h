/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of a VM's definition as wrap and unwrap see and change them. Pure. */
#ifndef VMR_ENGINE_WRAP_DOMAIN_H
#define VMR_ENGINE_WRAP_DOMAIN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/source.h"

struct wrap_disk {
	char name[DISK_NAME_MAX + 1]; /* target */
	char raw[PATH_MAX];	      /* the raw disk; "" = not known yet */
	char header[PATH_MAX];	      /* its header; "" = none yet */
	bool block;		      /* the raw disk is a block device */
	uint64_t size_bytes;
	/* Of a VM that has come home: what its definition names, an image of a store that stands
	 * on the header; "" = the definition names the header. */
	char image[PATH_MAX];
	int64_t merged_ns,
		merged_bytes; /* how image was when it had been merged into the raw disk */
	bool granted;	      /* QEMU's user has an ACL entry of it from us */
	bool made;	      /* its header is new: this wrap has made it */
};

/* The disks that hold what the guest writes, by format: raw ones (in raw), or qcow2 images in files
 * (in header). What is read-only, removable or shareable is left out. disks has room for DISKS_MAX.
 * 0, or -EBADMSG, -E2BIG, with a sentence. */
int wrap_domain_raw(const char *xml, struct wrap_disk *disks, size_t *ret_count,
		    char error[SOURCE_ERROR_LEN]);
int wrap_domain_qcow2(const char *xml, struct wrap_disk *disks, size_t *ret_count,
		      char error[SOURCE_ERROR_LEN]);

/* The definition with each disk's raw image replaced by its header (wrap), or its header (or what
 * stands on it) by the raw disk, which libvirt labels again.
 * Everything else stays as it was, line by line (VirtualDomain finds the name by its line); there
 * is no XML declaration. *ret_changed counts the disks that were changed. 0 with *ret_xml (to
 * free), -EBADMSG or -ENOMEM. */
int wrap_domain_replace(const char *xml, const struct wrap_disk *disks, size_t count, bool wrap,
			char **ret_xml, size_t *ret_changed);

#endif
