/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which bytes of which record are written when several logs go into the image at once: newest
 * first, each byte once. What an older record says of a byte that a newer one covers is not even
 * read. Pure, and bounded: it holds where the records write, never their data.
 */
#ifndef VMR_RECEIVER_BATCH_H
#define VMR_RECEIVER_BATCH_H

#include <stddef.h>
#include <stdint.h>

/* At most about 2.5 MiB for a plan; more records than that are applied in order. */
#define BATCH_RECORDS_MAX 16384u

struct batch;

/* A part of one record's range that is to be written. */
struct batch_piece {
	uint64_t offset, length; /* on the disk; never 0 bytes */
	uint32_t disk;
};

struct batch *batch_new(void);		       /* empty; NULL when out of memory */
void batch_free(struct batch *batch);	       /* NULL allowed */
void batch_clear(struct batch *batch);	       /* empty again */
size_t batch_count(const struct batch *batch); /* records added */
/* Add the next record, in the order of the logs and, in each, of its records (within a resumed log
 * a later record may cover an earlier one). disk numbers mean the same in all logs. 0, -E2BIG
 * (BATCH_RECORDS_MAX), -EINVAL (no bytes, or past the end of numbers) or -ENOMEM. */
int batch_add(struct batch *batch, uint32_t disk, uint64_t offset, uint64_t length);
/* Forget the records from the count-th on: their log does not belong to the batch after all. */
void batch_truncate(struct batch *batch, size_t count);

/* Decide, after the last record was added. 0 or -ENOMEM. */
int batch_plan(struct batch *batch);
/* What is written of the record that was added as the index-th: ascending, none overlapping any
 * other record's. Borrowed; *ret_count is 0 when nothing of it is. After batch_plan. */
const struct batch_piece *batch_pieces(const struct batch *batch, size_t index, size_t *ret_count);

#endif
