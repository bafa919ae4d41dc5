/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table behind stores.h; internal to stores.c (requests of the engine) and stores_tick.c (what
 * goes by itself). */
#ifndef VMR_RECEIVER_STORES_TABLE_H
#define VMR_RECEIVER_STORES_TABLE_H

#include <pthread.h>

#include "receiver/stores.h"

/* A store and what the engine wants of it. Control thread but for store and opened. */
struct stores_entry {
	struct store *store; /* a reference */
	bool opened;	     /* streams may find it; under the table's lock */
	bool working;	     /* a worker opens, closes, suspends or revives it */
	bool close_wanted, destroy_wanted, suspend_wanted;
};

struct store_table {
	pthread_mutex_t lock; /* over the list, for stores_find */
	struct stores_entry **entries;
	size_t count;
	struct adopt_request **adoptions; /* owned; wait for their store's open. Control thread */
	size_t adoption_count;
	atomic_bool status_posted;
};

/* Run a job on the entry's store, the only one at a time (entry->working is set until done says
 * otherwise); done gets the store with a reference of its own. Control thread. */
void stores_submit(struct stores_entry *entry, worker_run_cb run, worker_done_cb done);
/* done of a job that needs nothing afterwards: goes on with what is wanted of the entry next. */
void stores_work_done_cb(void *store, int result);
void stores_send_status(struct store *store);

#endif
