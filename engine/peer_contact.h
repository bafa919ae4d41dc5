/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the other side of a relationship is reached, from either side: what its resource in the
 * cluster's configuration says and, on the replica side, what the primary told of its broker, or
 * what this side knew of it when it was the primary itself. Control thread only; a contact is a
 * copy, for workers. */
#ifndef VMR_ENGINE_PEER_CONTACT_H
#define VMR_ENGINE_PEER_CONTACT_H

#include "engine/engine.h"
#include "engine/locate_client.h"
#include "engine/vm_settings.h"

struct peer_contact {
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char resource[RESOURCE_ID_MAX + 1];
	char vm_resource[RESOURCE_ID_MAX + 1]; /* "" = not known */
	Vmreplica__Role role;		       /* of this side, as its resource says */
	char site[SITE_NAME_MAX + 1];	       /* the other's; "" on a primary side */
	char host[VM_SETTINGS_HOST_LEN];       /* the other's broker; "" = not told yet */
	uint16_t port;
};

/* Find it by VM, relationship or resource. 0, -ENOENT (no such resource), -EAGAIN (the settings
 * are not known yet), -EINVAL (the resource's parameters are wrong). */
int peer_contact_find(const struct engine *engine, const char *name,
		      struct peer_contact *ret_contact);
/* Its broker as "host:port"; "" when it is not known. Returns buf. */
char *peer_contact_format(const struct peer_contact *contact, char buf[ENGINE_ADDRESS_LEN]);
/* A client for it; borrows both. */
struct locate_client peer_contact_client(const struct peer_contact *contact, struct tls_store *tls);

#endif
