/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between host_start.c (which VMs, when, what libvirt says) and host_start_ask.c (the other side,
 * and the start). */
#ifndef VMR_ENGINE_HOST_START_PRIVATE_H
#define VMR_ENGINE_HOST_START_PRIVATE_H

#include "engine/host_vm.h"
#include "engine/order_client.h"
#include "engine/peer_contact.h"

#define HOST_START_LOOK_MS 15000
#define HOST_START_ASK_MS  5000

struct host_start {
	struct host_start *next;
	struct engine *engine; /* borrowed */
	struct peer_contact contact;
	bool busy, gone, told;
	bool give_back; /* it is protected no more: libvirt starts it with the host again */
	int64_t retry_ms, silent_ms; /* monotonic; silent_ms 0: the other side is not silent */
	struct epoch known;
	int64_t no_store_ms; /* since when the store of one that failed over is missing; 0: it is
				not */
	/* the worker's */
	enum source_run_state state;
	bool autostart, started;
	bool take;	 /* take the mark away from libvirt: it stands in the settings */
	bool is_replica; /* it stands on the store, as a failover made it */
	char store[PATH_LEN_MAX + 1]; /* of a replica */
	char definition[PATH_LEN_MAX + 1], text[SOURCE_ERROR_LEN];
	struct order_answer answer;
	struct trouble trouble;
};

/* host_start.c */
void host_start_later(struct host_start *start, int ms);
void host_start_work(struct host_start *start, worker_run_cb run, worker_done_cb done);
/* Is the VM still one to look after, when a worker has been at it? */
bool host_start_is_wanted(const struct host_start *start);
/* On a worker: the VM runs, or has been started at this boot. */
void host_start_note(const struct host_start *start);
void host_start_stored_cb(void *arg, int error, const char *text);

/* host_start_ask.c: ask the other side, and start the VM when it may. */
void host_start_ask(struct host_start *start);

#endif
