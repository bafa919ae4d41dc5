/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM that comes home gets back from the definition that it had here before: all that the
 * list (domain_rules.h) keeps from travelling, and so the other side never had. Root's own file
 * says it, so that nothing of it is checked as a peer's word is. What did travel is the other
 * side's to change, and to take away: it is as the other side has it.
 *
 * Private to the walk (domain_walk.h). Without an own definition, or for a test's VM, none of these
 * does anything; but for domain_own_network.
 */
#ifndef VMR_ENGINE_DOMAIN_OWN_H
#define VMR_ENGINE_DOMAIN_OWN_H

#include "engine/domain_walk.h"
#include "proto/network_map.h"

/* Behind the children that came with the element of that path ("" = <domain>): those of the own one
 * that the list keeps out, and disks that are not replicated. */
void domain_own_put_back(struct domain_walk *walk, const char *path);
/* Write the own element in place of theirs, a device whose back end is the host's (serial port,
 * console, graphics, random numbers), when the list would have made another of it. */
bool domain_own_replaces(struct domain_walk *walk, const xmlNode *theirs);
/* The own interface of the same MAC address, or without one at the same place; NULL = none. */
const xmlNode *domain_own_interface(const struct domain_walk *walk, const xmlNode *theirs);
/* What of it the other side cannot know: its source, and all that the list keeps out. */
void domain_own_write_interface(struct domain_walk *walk, const xmlNode *own);
/* The limits of a replicated disk. */
void domain_own_write_limits(struct domain_walk *walk, const char *target);
/* Write it whole, in place of theirs (NULL = of none): an address or a place in the boot order that
 * another device of theirs has stays out, and libvirt chooses one. */
void domain_own_write(struct domain_walk *walk, const xmlNode *own, const xmlNode *theirs,
		      const char *path);
/* Write it whole, as a child of what is just being written. */
void domain_own_write_child(struct domain_walk *walk, const xmlNode *own);
/* The attribute says the same in both: numbers in whatever base, and 0 where it is not there. */
bool domain_own_is_same(const xmlNode *a, const xmlNode *b, const char *name);
/* It boots a kernel of this host. */
bool domain_own_has_kernel(const struct domain_walk *walk);

#endif
