/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Would a replica VM start on this host? Compared are its definition (replica_domain.h's) and what
 * the host said of itself (source_host.h):
 *
 *   <host cpu='compatible|incompatible|unknown'>
 *     <capabilities>...              virConnectGetCapabilities
 *     <domainCapabilities>...        virConnectGetDomainCapabilities for this VM; may be missing
 *     <network name='dr' active='yes'/>...
 *     <bridge name='br0'/>...        every network interface of the host
 *   </host>
 *
 * so that what is missing is told when the VM is protected, not on the day of the disaster. Pure.
 */
#ifndef VMR_ENGINE_DOMAIN_FIT_H
#define VMR_ENGINE_DOMAIN_FIT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/domain_document.h"
#include "engine/sentence_list.h"

#define DOMAIN_FIT_WORD_LEN 96

/* What to ask libvirt about. */
struct domain_fit_query {
	char type[DOMAIN_FIT_WORD_LEN]; /* "kvm", "qemu" */
	char arch[DOMAIN_FIT_WORD_LEN]; /* "" = the host's own, as is machine */
	char machine[DOMAIN_FIT_WORD_LEN];
	char *cpu; /* owned: the <cpu> element's text; NULL = none */
};

/* Begins as {0}. Each sentence says what to do. */
struct domain_fit {
	struct sentence_list refusals; /* the VM cannot start on this host as things are */
	struct sentence_list warnings; /* it starts, or would after a word to libvirt, but ... */
	struct sentence_list networks; /* that libvirt must have first: among the warnings, too */
	uint64_t memory_kib;	       /* that the VM takes; 0 = the definition does not say */
};

/* 0, -EBADMSG (xml is no definition) or -ENOMEM. */
int domain_fit_query(const char *xml, struct domain_fit_query *ret_query);
void domain_fit_query_destroy(struct domain_fit_query *query);

/* node is its name, for the sentences. What the host did not say is not judged. 0, or -EBADMSG: one
 * of the texts is not what it should be. */
int domain_fit_check(const char *xml, const char *host, const char *node, struct domain_fit *fit);
void domain_fit_destroy(struct domain_fit *fit);

#endif
