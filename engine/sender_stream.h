/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network side of one cycle, on a thread of its own: takes items out of the pipeline, sends
 * them, asks for marks, hands digest replies to the reader, and at the end waits for COMMITTED.
 * While it runs it alone uses the peer.
 */
#ifndef VMR_ENGINE_SENDER_STREAM_H
#define VMR_ENGINE_SENDER_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/rate.h"
#include "common/sha256.h"
#include "engine/peer.h"
#include "engine/pipeline.h"
#include "engine/trouble.h"

/* A mark is asked for after so many bytes on the wire, or so long after the last one. */
#define STREAM_MARK_BYTES    (32u * 1024u * 1024u)
#define STREAM_MARK_MS	     5000
#define STREAM_REPLIES	     16u /* digest frames without an answer, at most */
#define STREAM_DIGEST_BLOCK  (64u * 1024u)
#define STREAM_DIGEST_BLOCKS 256u /* blocks of one digest frame: 16 MiB of disk */

/* Written by reader and sender, read by the control thread. */
struct cycle_progress {
	_Atomic int kind;			  /* Vmreplica__Wire__Mode; 0 = nothing under way */
	_Atomic uint64_t done_bytes, total_bytes; /* of the disks' data */
	_Atomic uint64_t wire_bytes;
	_Atomic uint64_t rate_bytes_per_s;
	_Atomic bool is_ending; /* all is sent, COMMITTED is awaited */
	/* The other way round, written by the control thread: the bandwidth (0 = unlimited), which
	 * may change while hours of initial replication are under way. */
	_Atomic uint64_t limit_bytes_per_s;
	_Atomic bool give_way; /* end it here for now, with a mark (a resynchronization's window) */
};

struct stream_reply {
	uint32_t disk;
	uint64_t offset;
	uint32_t count;
	uint8_t map[STREAM_DIGEST_BLOCKS / 8]; /* LSB first; set = differs */
};

struct sender_stream {
	/* the caller's, borrowed; set before start */
	struct peer *peer;
	struct pipeline *pipeline;
	struct cycle_progress *progress;
	Vmreplica__Wire__Mode kind;
	uint64_t seq;
	const char *cut_id;
	/* results, valid after join */
	bool committed;
	uint64_t chunks, data_bytes; /* sent: frames, uncompressed bytes of data chunks */
	struct trouble trouble;
	/* private */
	struct sha256 *hash;
	struct rate_bucket bucket;
	struct rate_meter meter;
	uint64_t wire_start;
	uint32_t position_disk;
	uint64_t position_offset;
	bool position_markable, position_marked; /* marked: asked for already */
	bool mark_awaited;
	int64_t mark_ms;
	uint64_t mark_wire;
	bool ended;
	int64_t sent_ms; /* when anything was sent last */
	pthread_mutex_t reply_lock;
	pthread_cond_t reply_changed;
	struct stream_reply replies[STREAM_REPLIES];
	uint64_t reply_in, reply_out;
	bool finished;
	pthread_t thread;
};

/* Start the thread. 0, -ENOMEM, -EAGAIN. On failure nothing runs. */
int sender_stream_start(struct sender_stream *stream);
/* Wait for the thread's end and release what start took: 0 (committed, or gave way as told), or a
 * negative errno with stream->trouble filled. */
int sender_stream_join(struct sender_stream *stream);
/* Reader: true when the thread is through, so that nothing more will be taken. */
bool sender_stream_is_finished(struct sender_stream *stream);
/* Reader: the next digest reply, in order. 0, -ETIMEDOUT, -ECANCELED (the stream is over). */
int sender_stream_next_reply(struct sender_stream *stream, struct stream_reply *ret_reply,
			     int timeout_ms);

#endif
