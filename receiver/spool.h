/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The logs of DELTA cycles: spool_sink of cycle.h, and what opening a store needs of them. */
#ifndef VMR_RECEIVER_SPOOL_H
#define VMR_RECEIVER_SPOOL_H

#include "receiver/store.h"

/* Applied logs that are kept, newest first. */
#define SPOOL_KEEP_LOGS 2u

/* In next, make the partial log of a mark ours: one of an older generation is copied as far as it
 * counts, because its owner's files are never written. A mark whose log is gone or too short is
 * dropped. The lock is held; blocking. 0 or a negative errno. */
int spool_take_over(struct store *store, struct manifest *next);

/* In next, drop the applied logs from the list that need not be kept any more; how many of
 * store->manifest's first logs those are is returned, for spool_unlink after next was saved. */
size_t spool_prune(struct manifest *next);

/* Logs are about to be read without the lock (a replay, a list of changes): retention waits, and no
 * file of a log is removed, until each reader has said that it is done. The lock is held. */
void spool_read_begin(struct store *store);
void spool_read_end(struct store *store);

/* fsync of the partial log part has failed: nobody knows what of it is on disk, and a second fsync
 * would not tell. It goes with its mark, and all of it is asked for again. Takes the lock;
 * blocking.
 */
void spool_give_up(struct store *store, const char *part);

#endif
