/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's XML as the source needs it: its disks, what stands against replicating each, and
 * QEMU's user. */
#ifndef VMR_ENGINE_SOURCE_DOMAIN_H
#define VMR_ENGINE_SOURCE_DOMAIN_H

#include <stdbool.h>
#include <sys/types.h>

#include "engine/source.h"

struct source_domain {
	struct source_disk *disks; /* owned, as is what they own */
	char **nodes; /* owned: block node of each disk's image in QEMU ("libvirt-2-format"), NULL
		       * if unknown (the VM does not run) */
	size_t count;
	bool has_owner; /* QEMU's user is known from the DAC label */
	uid_t uid;
	gid_t gid;
};

/* Parse the XML and read the headers of the disks' images. Removable and read-only disks are left
 * out silently. exclude is NULL-terminated and may be NULL. 0, -EBADMSG, -E2BIG (more than
 * DISKS_MAX disks), -ENOMEM, with a sentence. */
int source_domain_parse(const char *xml, const char *const *exclude,
			struct source_domain *ret_domain, char error[SOURCE_ERROR_LEN]);
void source_domain_destroy(struct source_domain *domain);

/* True when both have the same disks in the same order, with equal sizes, images and problems. */
bool source_domain_same_disks(const struct source_domain *a, const struct source_domain *b);
/* True when this disk takes part in checkpoints and jobs. */
bool source_disk_is_replicated(const struct source_disk *disk);

#endif
