/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may have a connection, and how much of one. Pure, for one thread; the caller gives the time.
 *
 * A connection is *pending* until its handshake has told who it is. There are so many of these in
 * all and of each address (IPv6: each /64); one too many ends an older one: the oldest of the
 * address that has the most. So a flood ends its own, and who shakes hands at once gets in. From
 * then on it is *known*, and counts for its peer (the shortest name of its certificate: the
 * site's), which has a share that leaves room for others, and a rate of requests.
 */
#ifndef VMR_COMMON_ADMISSION_H
#define VMR_COMMON_ADMISSION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct admission_limits {
	unsigned pending_max, pending_per_address;
	unsigned known_max, known_per_peer;
	unsigned working_per_peer;  /* connections at work at once; 0 = no limit */
	unsigned shares_per_peer;   /* of what all have too little of; see admission_share_take */
	unsigned rate_per_s, burst; /* requests of a peer; rate 0 = no limit */
};

/* One in each connection, zero-initialized; it must not move. */
struct admission_ticket {
	struct admission_ticket *next, *prev; /* pending: in its source's list, oldest first */
	struct admission_source *source;      /* pending */
	struct admission_peer *peer;	      /* known */
	uint64_t order;
	bool working;
};

struct admission;

struct admission *admission_new(const struct admission_limits *limits); /* NULL: no memory */
void admission_free(struct admission *admission); /* all tickets have left; NULL allowed */

/* A connection has come from address (IPv4 mapped). 0 or -ENOMEM. *ret_victim: another pending one
 * that has to end for it (the caller lets it leave), or NULL. */
int admission_enter(struct admission *admission, const struct in6_addr *address,
		    struct admission_ticket *ticket, struct admission_ticket **ret_victim);
/* It has proven its names (NULL-terminated). 0, -EBUSY when the peer, or all peers together, have
 * too many, -ENOMEM. */
int admission_recognize(struct admission *admission, struct admission_ticket *ticket,
			const char *const *names, int64_t now_ms);
/* The connection ends. Twice is fine. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

/* A request of a known one. The milliseconds that it has to wait with the next. */
int64_t admission_charge(struct admission *admission, struct admission_ticket *ticket,
			 int64_t now_ms);
/* May a known one begin to work (take a thread) now? Ended by admission_rest, or by leaving. */
bool admission_work(struct admission *admission, struct admission_ticket *ticket);
void admission_rest(struct admission_ticket *ticket);

/* Take one of the peer's shares of something that all have too little of, waiting for timeout_ms at
 * most; a connection has one at most, and gives it back before it leaves. True: it is its own. Any
 * thread, for a known one. */
bool admission_share_take(struct admission_ticket *ticket, int timeout_ms);
void admission_share_give(struct admission_ticket *ticket);

unsigned admission_pending(const struct admission *admission);
unsigned admission_known(const struct admission *admission);

#endif
