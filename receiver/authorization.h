/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose streams are taken at all: the authorization entries as the engine last sent them. Any
 * thread. */
#ifndef VMR_RECEIVER_AUTHORIZATION_H
#define VMR_RECEIVER_AUTHORIZATION_H

#include <stdbool.h>

#include "proto/ipc.pb-c.h"
#include "proto/limits.h"

struct authorization;

/* Empty: nobody may send. NULL when out of memory. */
struct authorization *authorization_new(void);
void authorization_free(struct authorization *authorization); /* NULL allowed */

/* Replace all entries; patterns that are no DNS name or "*.domain" are dropped with a line in the
 * log. 0 or -ENOMEM (then nobody may send until the next set: denying is the safe side). */
int authorization_set(struct authorization *authorization,
		      const Vmreplica__Ipc__AuthorizationSet *set);

/* True when an entry lets in a peer with these names (its certificate's DNS SANs, NULL-terminated).
 */
bool authorization_admits(struct authorization *authorization, const char *const *names);
/* True when such a peer may send the replica of a relationship that belongs to site: the rule is
 * common/trust.h's, the same as the broker's. */
bool authorization_allows(struct authorization *authorization, const char *const *names,
			  const char *site);

/* True when an entry lets in site itself or nodes of it: its replicas may go on. True as well
 * before the entries are known. */
bool authorization_knows_site(struct authorization *authorization, const char *site);

/* May the replica of a relationship that belongs to site become size_bytes large (all its disks, as
 * its VM sees them)? The sum over the replicas of site's entry has a limit, wherever in the cluster
 * they are. Then the room is its own for a minute, until the engine's word on the sizes holds it.
 * 0, -ENOMEM, or -EACCES with a sentence that names the entry. */
int authorization_claim_room(struct authorization *authorization, const char *site,
			     const char *relationship, uint64_t size_bytes,
			     char why[REASON_MAX + 1]);

/* True when this denial has not been reported in the last minute, nor so many others that this one
 * would be too much: reports are rate limited, not the denials. */
bool authorization_denial_is_news(struct authorization *authorization, const char *who);

#endif
