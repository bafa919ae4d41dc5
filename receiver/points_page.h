/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page of what a store can be brought to. However long its history is, the work is that of the
 * page; only the verdicts of points take all logs that lead to them. */
#ifndef VMR_RECEIVER_POINTS_PAGE_H
#define VMR_RECEIVER_POINTS_PAGE_H

#include "proto/status.pb-c.h"
#include "receiver/store.h"

struct points_ask {
	uint64_t after_seq; /* the last one of the page before; 0 = from the beginning */
	uint32_t limit;	    /* 1 or more */
	bool cycles;	    /* also what can be recovered between and after the points */
	bool no_verdicts;   /* no log is looked at: only for points alone */
};

struct points_page {
	Vmreplica__Point *points; /* owned; their texts lie in texts */
	size_t count;
	bool more;
	char *texts; /* owned */
};

/* Blocking; takes the store's lock by itself. 0 with a page for points_page_destroy; -ENOENT: the
 * store is not open; -ENOMEM. */
int points_page_make(struct store *store, const struct points_ask *ask,
		     struct points_page *ret_page);
void points_page_destroy(struct points_page *page); /* twice is fine */

#endif
