/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data of a merge: from what is allocated in one layer into the one below it, through the
 * exports that image_attach_merge made. One thread; every call blocks. */
#ifndef VMR_RECEIVER_MERGE_COPY_H
#define VMR_RECEIVER_MERGE_COPY_H

#include "common/nbd.h"
#include "receiver/merge_sums.h"
#include "receiver/target.h"

#define MERGE_PIECE_BYTES (1024u * 1024u)

struct merge_copy {
	struct nbd_disk *from; /* owned */
	struct plan_disk into_disk;
	struct target into;
	uint64_t size_bytes, offset; /* all before offset is written */
	struct nbd_extent extent;    /* what is allocated from there on and not yet copied */
	uint8_t *buffer;	     /* owned; MERGE_PIECE_BYTES */
	uint64_t read_bytes, written_bytes;
	struct merge_sums *sums; /* borrowed; is told what is copied; NULL: nobody is */
	char error[NBD_ERROR_LEN];
};

/* 0 or a negative errno with copy->error; merge_copy_close in either case. */
int merge_copy_open(struct merge_copy *copy, const char *socket, uint64_t size_bytes,
		    uint64_t offset);
void merge_copy_close(struct merge_copy *copy);

/* Copy some more, at most MERGE_PIECE_BYTES of data. 1: there is more, 0: all is written (not yet
 * flushed); negative with copy->error. */
int merge_copy_step(struct merge_copy *copy);
/* Make what is written durable. A failure is final: see durable.h. */
int merge_copy_flush(struct merge_copy *copy);

#endif
