/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in the cluster's settings while a VM changes sides (cluster/standing_order.h): the
 * handover, the disks that are adopted, the extents that the first cycle carries. The texts are
 * pure; reading them is the control thread's. */
#ifndef VMR_ENGINE_HANDOVER_H
#define VMR_ENGINE_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "proto/limits.h"

#define HANDOVER_LEN 64u
#define ADOPT_LEN    (32u + CUT_ID_LEN + 8u + PATH_LEN_MAX)

struct handover {
	uint64_t epoch; /* the one that the other side is to take; 0 = none stands */
	uint64_t seq;	/* of the final cycle; 0 = it is not committed yet */
	char cut_id[CUT_ID_LEN + 1];
};
char *handover_encode(const struct handover *handover, char buf[HANDOVER_LEN]);
bool handover_decode(const char *text, struct handover *ret_handover); /* NULL text: false */

struct adopt_order {
	uint64_t seq; /* the cycle that the new primary began from */
	char cut_id[CUT_ID_LEN + 1];
	bool digest;			/* where the disks differ from it is not known */
	char extents[PATH_LEN_MAX + 1]; /* where they do; "" = nowhere */
};
char *adopt_order_encode(const struct adopt_order *order, char buf[ADOPT_LEN]);
bool adopt_order_decode(const char *text, struct adopt_order *ret_order); /* NULL text: false */

/* What stands for the relationship. False, and *ret untouched, when nothing does. */
bool handover_read(const struct engine *engine, const char *relationship,
		   struct handover *ret_handover);
bool adopt_order_read(const struct engine *engine, const char *relationship,
		      struct adopt_order *ret_order);
/* The path into buf; "" when there is none. */
void reverse_read_extents(const struct engine *engine, const char *relationship, char *buf,
			  size_t size);

#endif
