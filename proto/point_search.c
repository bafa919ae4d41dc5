/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/point_search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/message_copy.h"

void point_search_init(struct point_search *search, const struct point_wish *wish, bool points_only)
{
	*search = (struct point_search){.wish = *wish, .points_only = points_only};
}

void point_search_destroy(struct point_search *search)
{
	if (search->best != NULL) {
		vmreplica__point__free_unpacked(search->best, NULL);
		search->best = NULL;
	}
}

/* What follows cannot be meant: of the points, the best one was chosen already. */
static bool is_last(const struct point_search *search, const Vmreplica__Point *point)
{
	switch (search->wish.kind) {
	case POINT_WISH_SEQ:
		return point->seq >= search->wish.seq;
	case POINT_WISH_TIME:
		return search->cycles && point->point;
	default:
		return false;
	}
}

static void point_count(struct point_search *search, const Vmreplica__Point *point)
{
	if (search->points++ == 0) {
		search->oldest_seq = point->seq;
	}
	if (point->seq < search->wish.seq) {
		search->below_seq = point->seq;
	}
}

/* Looks through a page; *ret_over when what follows does not matter. 0 or -ENOMEM. */
static int page_look(struct point_search *search, Vmreplica__Point *const *points, size_t count,
		     bool *ret_over)
{
	const Vmreplica__Point *newest = NULL;

	*ret_over = false;
	for (size_t i = 0; i < count && !*ret_over; i++) {
		if (!search->cycles) {
			point_count(search, points[i]);
		}
		if (point_wish_fits(&search->wish, points[i])) {
			newest = points[i];
		}
		*ret_over = is_last(search, points[i]);
	}
	if (newest == NULL) {
		return 0;
	}
	point_search_destroy(search);
	search->best = (Vmreplica__Point *)message_copy(&newest->base);
	return search->best == NULL ? -ENOMEM : 0;
}

/* All points were seen. True: cycles behind one of them may be meant. */
static bool cycles_matter(struct point_search *search)
{
	uint64_t from = search->best != NULL ? search->best->seq : 0;

	if (search->wish.kind == POINT_WISH_SEQ) {
		from = search->best != NULL ? 0 : search->below_seq;
	} else if (search->wish.kind == POINT_WISH_LATEST_APP && from == 0) {
		from = search->oldest_seq;
	}
	if (search->cycles || search->points_only || from == 0) {
		return false;
	}
	search->cycles = true;
	search->after_seq = from;
	return true;
}

static int refuse(const struct point_search *search, char error[POINT_SELECT_ERROR_LEN])
{
	const char *list = search->points_only ? "vmreplica points" : "vmreplica points --cycles";

	if (search->points == 0) {
		snprintf(error, POINT_SELECT_ERROR_LEN, "the replica has no recovery points");
	} else if (search->wish.kind == POINT_WISH_LATEST_APP) {
		snprintf(error, POINT_SELECT_ERROR_LEN,
			 "none of the %zu recovery points%s is application-consistent",
			 search->points, search->points_only ? "" : " and of the cycles between");
	} else if (search->wish.kind == POINT_WISH_SEQ) {
		snprintf(error, POINT_SELECT_ERROR_LEN,
			 "cycle %" PRIu64 " %s: the oldest that %s is %" PRIu64 ", %s lists them",
			 search->wish.seq,
			 search->points_only ? "is no recovery point" : "cannot be recovered",
			 search->points_only ? "is one" : "can", search->oldest_seq, list);
	} else {
		snprintf(error, POINT_SELECT_ERROR_LEN,
			 "nothing is as old as that: the oldest recovery point is cycle %" PRIu64
			 ", vmreplica points lists them",
			 search->oldest_seq);
	}
	return -ENOENT;
}

int point_search_take(struct point_search *search, Vmreplica__Point *const *points, size_t count,
		      bool more, char error[POINT_SELECT_ERROR_LEN])
{
	bool over;
	int result = page_look(search, points, count, &over);

	if (result < 0) {
		snprintf(error, POINT_SELECT_ERROR_LEN, "out of memory");
		return result;
	}
	if (more && count > 0 && !over) {
		search->after_seq = points[count - 1]->seq;
		return POINT_SEARCH_ASK;
	}
	if (cycles_matter(search)) {
		return POINT_SEARCH_ASK;
	}
	return search->best != NULL ? POINT_SEARCH_FOUND : refuse(search, error);
}
