/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading side of one cycle: walks the plan's ranges over the job's disks, with several reads
 * in flight, and pushes what travels into the pipeline. Runs on the cycle's worker. Every wait is
 * short, so that the job's scratch and a cancel are looked at each second whatever hangs.
 */
#ifndef VMR_ENGINE_CYCLE_READER_H
#define VMR_ENGINE_CYCLE_READER_H

#include "proto/dirty_map.h"
#include "engine/pipeline.h"
#include "engine/resume.h"
#include "engine/selection.h"
#include "engine/sender_stream.h"
#include "engine/source.h"

#define READER_PIECE   (256u * 1024u) /* one NBD read */
#define READER_PIECES  (PIPELINE_CHUNK / READER_PIECE)
#define READER_PENDING 4u /* data items being read at once: up to 16 reads in flight */
/* Extents are looked at for so much of a disk at a time. */
#define READER_WINDOW (256ull * 1024 * 1024)

struct reader_read {
	struct pipeline_item item;
	int64_t cookies[READER_PIECES];
	unsigned int pieces;
	uint8_t *digests; /* of a digest walk: where its blocks' digests go; NULL = push the item */
};

/* The code of a trouble that says only that the stream is over: the stream's own trouble says why.
 */
#define READER_STREAM_OVER "stream"

struct cycle_reader {
	/* the caller's, borrowed */
	struct source_job *job;
	const size_t *source_index; /* of source_disk_at, for each replicated disk */
	const uint64_t *disk_sizes;
	uint32_t disk_count;
	const struct resume_plan *plan;
	struct dirty_map *const *maps; /* for each disk, or NULL without a look-only job */
	struct pipeline *pipeline;     /* NULL while only looking */
	struct sender_stream *stream;  /* NULL: none runs */
	/* Takes what is read instead of the pipeline, whose buffers alone are used then; NULL =
	 * none. 0 or a negative errno with *trouble filled. */
	int (*sink)(void *arg, const struct pipeline_item *item);
	void *sink_arg;
	struct canceller *canceller;
	struct trouble *trouble;
	/* private */
	struct nbd_disk *disk; /* the open one */
	uint32_t disk_open;
	struct extent_list list;
	struct reader_read reads[READER_PENDING];
	unsigned int read_first, read_count;
	int64_t checked_ms;
	bool markable;
	bool stopped; /* reader_watch found a reason */
};

/* Fill maps (one for each disk, in the caller's array) with what the job calls dirty in the plan's
 * ranges beyond the mark. */
int cycle_reader_look(struct cycle_reader *reader, struct dirty_map **maps);
/* How many bytes of data the plan's ranges hold: for progress. */
int cycle_reader_estimate(struct cycle_reader *reader, uint64_t *ret_bytes);
/* Read and push everything. 0, or a negative errno with *trouble filled; -ECANCELED with
 * SCHEDULE_CONTINUED: the job reached its maximum age, go on with another cut. */
int cycle_reader_run(struct cycle_reader *reader);
/* Have disk open for what follows (the functions above do so by themselves). */
int cycle_reader_open(struct cycle_reader *reader, uint32_t disk);
/* Close the disk; the job may end after this. */
void cycle_reader_close(struct cycle_reader *reader);

/* ---- cycle_queue.c: for the walks over ranges and digests ---- */
/* Each second: scratch, age, cancel. 0 or a trouble. */
int reader_watch(struct cycle_reader *reader);
/* A failed read, in the scheduler's terms. */
int reader_read_failed(struct cycle_reader *reader, int error);
int reader_push(struct cycle_reader *reader, struct pipeline_item *item);
/* Begin to read a range of at most PIPELINE_CHUNK; digests as in struct reader_read. */
int reader_begin(struct cycle_reader *reader, const struct pipeline_item *item, uint8_t *digests);
/* Finish the oldest read, or all. */
int reader_finish_one(struct cycle_reader *reader);
int reader_finish_all(struct cycle_reader *reader);
uint8_t *reader_buffer(struct cycle_reader *reader); /* NULL: a trouble is set */
/* Extents of a window that rule selects, into reader->list. */
int reader_select(struct cycle_reader *reader, uint32_t disk, uint64_t offset, uint64_t length,
		  enum resume_rule rule);
/* The digests of all blocks (STREAM_DIGEST_BLOCK; at most STREAM_DIGEST_BLOCKS of them) of the open
 * disk's range into digests. */
int cycle_digest_window(struct cycle_reader *reader, uint32_t disk, uint64_t offset,
			uint64_t length, uint8_t *digests);
/* Compare a range by digests and push what differs. */
int cycle_digest_range(struct cycle_reader *reader, const struct resume_range *range);

#endif
