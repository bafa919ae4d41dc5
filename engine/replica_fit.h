/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Would the VM that a peer replicates start on this node? Its definition is made as it would be
 * here, and compared with what libvirt says of the host: for protect (asked by the broker) and for
 * check.
 */
#ifndef VMR_ENGINE_REPLICA_FIT_H
#define VMR_ENGINE_REPLICA_FIT_H

#include "common/config.h"
#include "engine/domain_fit.h"
#include "engine/kept_definition.h"
#include "engine/source.h"
#include "proto/network_map.h"

/* All borrowed. */
struct replica_fit {
	const struct config *config;
	struct source_connection *libvirt;
	const char *vm;
	const char *xml; /* the peer's */
	size_t xml_len;
	const char *const *disks; /* target names of those that are replicated */
	size_t disk_count;	  /* at most DISKS_MAX */
	const struct network_map *networks;
	struct kept_definition *kept; /* what the VM was here, taken; NULL = it never was */
};

/* What stays out of the definition and what the host lacks. A libvirt that does not answer is a
 * warning. Blocking: workers only. */
void replica_fit_run(const struct replica_fit *request, struct domain_fit *fit);

#endif
