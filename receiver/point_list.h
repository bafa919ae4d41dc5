/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replica can be brought to: its points, and the cycles whose logs lead on from one. Pure
 * functions of the manifest and the history; whether a log's file is there is asked through a
 * callback. */
#ifndef VMR_RECEIVER_POINT_LIST_H
#define VMR_RECEIVER_POINT_LIST_H

#include "receiver/history.h"
#include "receiver/manifest.h"

/* How the logs stand that lead from the point before to this one. */
enum point_verdict {
	POINT_OK, /* all are kept, each names the hash of the one before, the last is the point's */
	POINT_START,   /* none lead here: the first point, or one after a resynchronization */
	POINT_NO_LOGS, /* they are no longer kept */
	POINT_BROKEN,  /* they are not the history of this point */
	POINT_DAMAGED, /* the file of one is gone or has another size */
};
const char *point_verdict_to_string(enum point_verdict verdict);

struct point_item {
	struct manifest_cut cut;
	bool application;
	bool is_point;
	size_t point;	     /* index in the manifest: of the point itself, or of the one that a
				cycle's logs are replayed upon */
	uint64_t size_bytes; /* cycle: its log; point: 0 */
	enum point_verdict verdict;
	uint64_t wrong_seq; /* BROKEN, DAMAGED: the log that is wrong */
};

/* True when the log's file is as it was written. Asked for ascending logs. NULL: all are. */
typedef bool (*point_file_cb)(void *arg, const struct history_entry *log);

/* A part of the list. Behind a log that is kept nothing before it is looked at again: it is the
 * last one of the part before. */
struct point_range {
	uint64_t after_seq, until_seq; /* what is behind the one, up to and with the other */
};
#define POINT_RANGE_ALL ((struct point_range){.until_seq = UINT64_MAX})

/* The points in range, and with cycles also what can be recovered between and after them (the
 * newest cycle is the last), ascending by seq. Of the history that part is enough which begins with
 * the log of after_seq or, where none of it is kept, behind the point before it. 0 with *ret_items
 * (caller frees; NULL for none), or -ENOMEM. */
int point_list_make(const struct manifest *manifest, const struct history *history,
		    const struct point_range *range, bool cycles, point_file_cb file_is_right,
		    void *arg, struct point_item **ret_items, size_t *ret_count);

#endif
