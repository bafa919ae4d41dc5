/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pending image of INITIAL and RESYNC cycles: pending_sink of cycle.h, and what digest.c needs
 * of it. */
#ifndef VMR_RECEIVER_PENDING_H
#define VMR_RECEIVER_PENDING_H

#include "receiver/cycle.h"
#include "receiver/target.h"

struct target *pending_target(struct pending *pending);

/* Wait until all that was acknowledged is in the current image. store->lock is held, and given up
 * meanwhile. 0 or the answer. */
int pending_wait_applied(struct cycle *cycle, struct answer *answer);

/* Turn a failed access into an answer. */
int pending_fail(struct cycle *cycle, int rc, const char *what, struct answer *answer);

#endif
