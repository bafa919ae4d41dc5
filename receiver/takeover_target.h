/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which state of a store a VM is to begin from, and how to get there: what stands already (a
 * point's layers, or the current image), and the logs to replay upon it. Pure, but for the logs'
 * files, which are asked for through a callback. */
#ifndef VMR_RECEIVER_TAKEOVER_TARGET_H
#define VMR_RECEIVER_TAKEOVER_TARGET_H

#include "receiver/history.h"
#include "receiver/manifest.h"
#include "receiver/point_list.h"

#define TAKEOVER_ERROR_LEN 512

struct takeover_wish {
	bool latest; /* the newest cycle that was received; else seq */
	uint64_t seq;
	char cut_id[CUT_ID_LEN + 1]; /* not "": the cycle must have this cut */
};

struct takeover_target {
	struct manifest_cut cut;
	bool application;
	bool on_current;	    /* logs go upon the current image; else upon */
	size_t point;		    /* this one */
	struct history_entry *logs; /* owned; ascending, none is missing */
	size_t log_count;
	uint64_t bytes; /* of logs */
};

/* 0; -ENOENT (no such cycle, or not reachable), -ESTALE (it has another cut), -ENOMEM; error has a
 * sentence. */
int takeover_target_find(const struct manifest *manifest, const struct history *history,
			 const struct takeover_wish *wish, point_file_cb file_is_right, void *arg,
			 struct takeover_target *ret_target, char error[TAKEOVER_ERROR_LEN]);
void takeover_target_destroy(struct takeover_target *target); /* leaves it zeroed */

#endif
