/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One relayed stream: two sockets whose bytes go both ways by splice(2), never through this
 * process's memory. What the peer sent before (its ClientHello) still lies in the kernel, because
 * the access point only peeked at it. Half-closed streams go on in the other direction. Driven by
 * one thread with edge-triggered events.
 */
#ifndef VMR_BROKER_RELAY_STREAM_H
#define VMR_BROKER_RELAY_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/pipe_pool.h"
#include "broker/token_table.h"

#define RELAY_TURN_BYTES                                                                           \
	(4u * 1024u * 1024u) /* one stream's share before the others get their turn */

enum relay_end {
	RELAY_RUNNING = 0,
	RELAY_END_DONE,		   /* both sides closed in order */
	RELAY_END_PEER_LOST,	   /* the sender's connection broke */
	RELAY_END_OWNER_LOST,	   /* the owner's connection broke */
	RELAY_END_UNREACHABLE,	   /* the owner did not accept */
	RELAY_END_CONNECT_TIMEOUT, /* ... or did not answer in time */
	RELAY_END_IDLE,		   /* nothing moved for too long */
	RELAY_END_NO_PIPE,	   /* the process is out of descriptors */
	RELAY_END_STOPPED,	   /* the broker stops */
};
const char *relay_end_to_string(enum relay_end end);

struct relay_direction {
	int from, to;		 /* borrowed from the stream */
	struct pipe_pair pipe;	 /* -1 while it is empty */
	size_t in_pipe;		 /* bytes */
	bool readable, writable; /* as the edges told, until EAGAIN */
	bool eof;		 /* from will send no more */
	bool shut;		 /* ... and to was told */
};

struct relay_stream {
	struct relay_stream *next, *prev; /* in its thread's list */
	struct relay_stream *ready_next;  /* in its thread's list of those with more to do */
	bool in_ready;
	int peer_fd, owner_fd; /* owned */
	bool connected;
	struct relay_direction up, down; /* peer to owner, owner to peer */
	enum relay_end end;
	int error;		       /* positive errno of the end, 0 = none */
	int64_t started_ms, active_ms; /* monotonic */
	atomic_uint_fast64_t bytes;
	struct token_target target;
};

/* Prepare a stream over two non-blocking sockets (taken); owner_fd's connect is under way. NULL
 * when out of memory: then both are closed. */
struct relay_stream *relay_stream_new(int peer_fd, int owner_fd, const struct token_target *target,
				      int64_t now_ms);
void relay_stream_free(struct relay_stream *stream);

/* Edges of epoll for one of its sockets. Only notes; relay_stream_turn does the work. */
void relay_stream_event(struct relay_stream *stream, bool from_owner, uint32_t events);
/* Move bytes until both directions wait or the turn is used up. True when there is more to do at
 * once. stream->end tells when it is over. */
bool relay_stream_turn(struct relay_stream *stream, struct pipe_pool *pool, int64_t now_ms);

#endif
