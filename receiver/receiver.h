/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver as a whole: what its control thread and its workers share. Filled by main.c, then
 * constant but for what carries a lock of its own.
 */
#ifndef VMR_RECEIVER_RECEIVER_H
#define VMR_RECEIVER_RECEIVER_H

#include <limits.h>
#include <qb/qbloop.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/buffer.h"
#include "common/tls_expiry.h"
#include "common/workers.h"
#include "proto/link.h"
#include "proto/limits.h"

/* Streams at work at once: each holds a thread, and a buffer only while a frame's payload is in its
 * hands. */
#define STREAM_WORKERS		32
#define STREAM_WORKERS_PER_PEER 16 /* so many at most for one site: others have the rest */
#define STORE_WORKERS		2  /* opening and closing stores */
#define APPLY_WORKERS		2
#define LEND_WORKERS		1 /* reading where logs write may take a while: nothing waits behind it */
#define TAKEOVER_WORKERS	2 /* replaying logs takes long, and must not delay an open */
#define PULSE_WORKERS		4 /* looks whether a primary lives: seconds, and nothing may hold them up */
#define MERGE_WORKERS		1 /* merges of all stores together must leave the disks to replication */
#define STREAM_BUFFERS		9
#define STREAM_BUFFERS_PER_PEER 3 /* a line that stalls within a frame keeps one for 30 s */
#define APPLY_BUFFERS                                                                              \
	APPLY_WORKERS /* of their own: streams must not starve what makes room for them */
/* One buffer holds a frame's payload and, behind it, the data of its chunk. */
#define CHUNK_BUFFER_SIZE (FRAME_PAYLOAD_MAX + CHUNK_MAX)

struct listener;
struct store_table;
struct authorization;

struct receiver {
	qb_loop_t *loop;
	struct link *link; /* to the engine; NULL once it is gone */
	struct workers *stream_workers, *store_workers, *apply_workers, *merge_workers,
		*lend_workers, *takeover_workers, *pulse_workers;
	atomic_uint merges_waiting; /* stores whose turn to merge has not come */
	struct buffer_pool *stream_buffers, *apply_buffers;
	struct store_table *stores;
	struct authorization *authorization;
	struct listener *listener;
	struct tls_expiry_notes expiries; /* peers' certificates that were told of */
	char node[NODE_NAME_MAX + 1], site[SITE_NAME_MAX + 1];
	uint16_t port;
	char run_directory[64]; /* ours alone: the daemons' sockets */
	bool confined;		/* Landlock: what it can open is what it was told of as it began */
	atomic_uint_fast64_t spool_cap_bytes;	/* unapplied logs of one store; 0 = no cap */
	atomic_uint_fast64_t history_cap_bytes; /* applied logs kept of one store; 0 = no cap */
	atomic_uint_fast64_t
		storage_reserve_bytes; /* never let a store's file system have less free */
};

/* Tell the engine (and the log) about something that an operator cares about. severity: "notice",
 * "warning" or "error"; vm may be "". Any thread. */
void receiver_event(struct receiver *receiver, const char *severity, const char *vm,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Run fn(arg) soon on the control thread. Any thread. 0 or -ENOMEM (then fn is not called). */
int receiver_post(struct receiver *receiver, void (*fn)(void *arg), void *arg);

#endif
