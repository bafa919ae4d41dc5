/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The definition of a replica VM, made from the one that the primary side sent. The peer is not
 * trusted: what it sent is read within bounds (domain_document.h), and only what a list allows is
 * taken over (domain_rules.h). Paths are never the peer's: disks are the store's images, consoles
 * are ptys, the firmware is chosen here. What stayed out is told, because the admin should know
 * before the day of a failover.
 *
 * The text suits VirtualDomain, which finds the VM's name line by line: <name> stands alone on its
 * line, and there is no XML declaration. Pure.
 */
#ifndef VMR_ENGINE_REPLICA_DOMAIN_H
#define VMR_ENGINE_REPLICA_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/domain_document.h"
#include "engine/firmware.h"
#include "engine/sentence_list.h"
#include "proto/limits.h"
#include "proto/network_map.h"

struct replica_domain_disk {
	const char *target; /* "vda" */
	const char *path;   /* the image to run on, in the store */
};

/* A test failover's VM: another identity, away from the network. */
struct replica_domain_test {
	const char *name;    /* "web1-test" */
	const char *uuid;    /* MACs are made from it */
	const char *network; /* libvirt's isolated network; NULL = cables pulled */
};

/* Of a side whose own VM it was before it became the replica: what it had then, and the other side
 * never had, comes back (domain_own.h). */
struct replica_domain_own {
	const char *xml; /* the VM's last definition here: root's file */
	size_t len;
	const char (*excluded)[DISK_NAME_MAX + 1]; /* disks of it that are not replicated */
	size_t excluded_count;
	bool quiet; /* that something comes from here is no note */
};

/* All borrowed. */
struct replica_domain_options {
	const char *name; /* the VM's name in the relationship; whatever the peer's text says */
	const struct replica_domain_disk *disks;
	size_t disk_count;
	const struct network_map *networks; /* NULL = same names */
	const char *nvram;    /* file with this VM's UEFI variables; NULL = where libvirt likes */
	uint64_t nvram_bytes; /* their length: the firmware has to suit; 0 = none have come */
	const struct firmware_list *firmwares; /* the host's; NULL = libvirt chooses */
	const char *boot_directory; /* where kernels for direct boot are kept here; NULL = none */
	const struct replica_domain_test *test; /* NULL = the replica VM itself */
	const char *runs_as;			/* libvirt's name of it here; NULL = name */
	const struct replica_domain_own *own;	/* NULL = the VM was never this side's own */
};

/* *ret_xml is to be freed; notes gets what stayed out or was replaced. 0; -E2BIG, -EBADMSG (the
 * definition cannot be used at all) or -ENOMEM with a sentence, and then notes is as it was or
 * longer. */
int replica_domain_make(const char *xml, size_t len, const struct replica_domain_options *options,
			char **ret_xml, struct sentence_list *notes, char error[DOMAIN_ERROR_LEN]);

#endif
