/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks for the recovery point or cycle that an admin means in a list that comes in pages, and asks
 * for no more of it than that takes: there can be 150,000 cycles. First for the points alone; where
 * the wish may mean a cycle, then for those behind the newest point that it may mean, up to where
 * it is decided. Does no I/O.
 */
#ifndef VMR_PROTO_POINT_SEARCH_H
#define VMR_PROTO_POINT_SEARCH_H

#include <stdbool.h>

#include "proto/point_select.h"

struct point_search {
	struct point_wish wish;
	bool points_only; /* cycles between points are not meant */

	/* the next question: what is behind after_seq, cycles too or points alone */
	bool cycles;
	uint64_t after_seq;

	Vmreplica__Point *best; /* owned; what fits best so far, or NULL */
	uint64_t oldest_seq, below_seq;
	size_t points; /* seen */
};

enum point_search_step {
	POINT_SEARCH_ASK,   /* the next question is to be asked */
	POINT_SEARCH_FOUND, /* search->best */
};

void point_search_init(struct point_search *search, const struct point_wish *wish,
		       bool points_only);
void point_search_destroy(struct point_search *search);

/* Take the page that answers the question: ascending, all behind after_seq; the points are
 * borrowed. What is broken or damaged cannot be reached by logs, but a point itself always can. An
 * enum point_search_step; -ENOENT with a sentence that says what there is, or -ENOMEM with one. */
int point_search_take(struct point_search *search, Vmreplica__Point *const *points, size_t count,
		      bool more, char error[POINT_SELECT_ERROR_LEN]);

#endif
