/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pending image of INITIAL and RESYNC cycles: pending_sink of cycle.h, and what digest.c needs
 * of it. */
#ifndef VMR_RECEIVER_PENDING_H
#define VMR_RECEIVER_PENDING_H

#include "receiver/cycle.h"
#include "receiver/target.h"

struct target *pending_target(struct pending *pending);

/* Turn a failed access into an answer. */
int pending_fail(struct cycle *cycle, int rc, const char *what, struct answer *answer);

#endif
