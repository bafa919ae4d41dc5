/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The beginning of a stream: who is it, may it, and what do we expect from it. On the session's
 * worker. */
#ifndef VMR_RECEIVER_HELLO_H
#define VMR_RECEIVER_HELLO_H

#include "receiver/session.h"

/* Judge HELLO, take the store for the session and answer WELCOME. 0 or the answer (a store may be
 * set even then). */
int hello_take(struct session *session, const Vmreplica__Wire__Hello *hello, struct answer *answer);

/* The site's certificate, its authorization entry and its trust group, looked at again for each
 * cycle: an entry may have been removed or changed. store NULL: none is in hand. */
int hello_check_authorized(struct session *session, const struct store *store, const char *site,
			   struct answer *answer);

#endif
