/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cycle between two recovery points: the logs behind the point below it are replayed into layers
 * of their own over the point's. That is done by a qemu-storage-daemon beside the store's, which
 * opens what is below read-only, so replication goes on meanwhile. One worker; blocks for as long
 * as the logs take.
 */
#ifndef VMR_RECEIVER_MATERIALIZE_H
#define VMR_RECEIVER_MATERIALIZE_H

#include "receiver/plan.h"
#include "receiver/store.h"
#include "receiver/takeover_target.h"

struct materialize {
	struct store *store;
	const struct manifest *manifest; /* as it was when takeover was recorded: its chains hold */
	const struct manifest_takeover
		*takeover; /* whose disks' built layers exist, and are empty */
	const struct history_entry *logs;
	size_t log_count;
	const atomic_bool *stop;			  /* gives up when it gets true */
	void (*progress)(void *arg, uint64_t left_bytes); /* of logs; now and then */
	void *arg;
};

/* The sizes that the disks of a VM had at the cut of this log, by its header. 0, -EBADMSG, -ENOENT,
 * ... with a sentence. */
int materialize_disks(struct store *store, const struct history_entry *log,
		      struct plan_disk disks[DISKS_MAX], size_t *ret_count,
		      char error[TAKEOVER_ERROR_LEN]);

/* Fill the built layers; they are flushed and closed when it returns. 0; -ECANCELED (stop, or the
 * store closes); -ENOSPC; -EBADMSG (a log is damaged); or another errno; error has a sentence. The
 * store's lock is not held. */
int materialize_run(const struct materialize *materialize, char error[TAKEOVER_ERROR_LEN]);

#endif
