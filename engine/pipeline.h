/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of one cycle's data through three stages that overlap: a reader fills items in send
 * order, compressor threads look for zeros, checksum and compress, a sender takes them out in the
 * same order.
 *
 *   reader --push--> [ ring of items ] --(compressors)--> --take--> sender
 *
 * Buffers come from the engine's shared pool. A compressor swaps its own spare for the item's
 * buffer, so a cycle never needs a second pool buffer to get rid of the first, and cannot block
 * itself.
 */
#ifndef VMR_ENGINE_PIPELINE_H
#define VMR_ENGINE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define PIPELINE_CHUNK (1024u * 1024u) /* size of a pool buffer and of the largest data item */
#define PIPELINE_ITEMS 32u
/* Items with a buffer that one cycle may have under way; the compressors' come on top. */
#define PIPELINE_BUFFERS     12u
#define PIPELINE_COMPRESSORS 2u
#define PIPELINE_BLOCK	     (64u * 1024u) /* zeros are looked for in blocks of this size */
#define PIPELINE_SEGMENTS    (PIPELINE_CHUNK / PIPELINE_BLOCK)

enum pipeline_kind {
	PIPELINE_DATA,	   /* buffer holds the bytes of (disk, offset, length) */
	PIPELINE_ZERO,	   /* that range is zeros */
	PIPELINE_DIGEST,   /* buffer holds digest_count digests of the range's blocks */
	PIPELINE_POSITION, /* nothing to send: only the position moves, marks may be asked for from
			      here on */
	PIPELINE_GIVE_WAY, /* make what was sent durable, then end the cycle uncommitted */
	PIPELINE_END,	   /* the cycle is complete */
};

/* A run of a data item that travels as one chunk. */
struct pipeline_segment {
	uint32_t start, length; /* bytes, relative to the item's offset */
	bool zero;
	enum codec codec;
	uint64_t checksum;	/* of the uncompressed bytes; 0 for zeros */
	uint32_t payload_start; /* in the item's buffer */
	uint32_t payload_length;
};

struct pipeline_item {
	enum pipeline_kind kind;
	uint32_t disk;
	uint64_t offset, length;
	uint32_t digest_count;
	bool markable;	   /* marks may be asked for once this is sent */
	uint64_t progress; /* bytes of the disks' data that are done with it */
	uint8_t *buffer;   /* of the pool, owned by the item; NULL when there is none */
	struct pipeline_segment segments[PIPELINE_SEGMENTS];
	uint32_t segment_count;
};

struct pipeline;

/* pool is borrowed; its buffers must have PIPELINE_CHUNK bytes. Starts its threads. NULL when out
 * of memory. */
struct pipeline *pipeline_new(struct buffer_pool *pool);
/* Ends the threads and gives all buffers back. No other thread may be inside. NULL allowed. */
void pipeline_free(struct pipeline *pipeline);

/* A buffer for the next item, within this cycle's share of the pool, so that a stalled stream does
 * not starve another one. NULL after timeout_ms or when stopped. */
uint8_t *pipeline_buffer_take(struct pipeline *pipeline, int timeout_ms);
void pipeline_buffer_give(struct pipeline *pipeline,
			  uint8_t *buffer); /* one that was not pushed; NULL allowed */

/* Reader. Copies *item in; its buffer is taken on success. 0, -ETIMEDOUT (ring full for
 * timeout_ms), -ECANCELED (stopped). */
int pipeline_push(struct pipeline *pipeline, const struct pipeline_item *item, int timeout_ms);
/* Sender. The oldest item, when it is ready: 0 with *ret_item borrowed until pipeline_release,
 * -EAGAIN when none is, -ECANCELED. */
int pipeline_take(struct pipeline *pipeline, struct pipeline_item **ret_item);
void pipeline_release(struct pipeline *pipeline); /* the taken item is done with */
/* Readable while something may be ready to take; for poll. */
int pipeline_fd(const struct pipeline *pipeline);
/* Empty it: a sender that got -EAGAIN polls after this. */
void pipeline_fd_drain(struct pipeline *pipeline);
/* Any thread: push and take fail from now on. */
void pipeline_stop(struct pipeline *pipeline);
/* What the link carries, for the choice of the codec. Any thread. */
void pipeline_set_link_rate(struct pipeline *pipeline, uint64_t bytes_per_s);

/* Cut an item's data into runs of zero and non-zero blocks, checksum and compress the latter. spare
 * (PIPELINE_CHUNK bytes) takes the compressed payloads; returns true when item->buffer must be
 * swapped for it. Pure but for the two buffers. */
bool pipeline_compress_item(struct pipeline_item *item, struct codec_state *codec, uint8_t *spare,
			    uint64_t link_bytes_per_s);

#endif
