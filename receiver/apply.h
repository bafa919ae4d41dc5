/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The logs that go into the image at once, between the applier's job (apply.c) and the reading and
 * writing (apply_logs.c). One worker; every call blocks.
 */
#ifndef VMR_RECEIVER_APPLY_H
#define VMR_RECEIVER_APPLY_H

#include "proto/codec.h"
#include "receiver/batch.h"
#include "receiver/store.h"
#include "receiver/target.h"

/* What bounds the time in which the image is no point in time, and room in the spool. */
#define APPLY_LOGS_MAX	64u
#define APPLY_BYTES_MAX (512ull * 1024 * 1024) /* of logs; a single one may be longer */

struct apply_log {
	struct manifest_log log;
	size_t record_count; /* in the plan */
};

struct apply {
	struct store *store;
	struct apply_log logs[APPLY_LOGS_MAX]; /* from the first that is not applied on */
	size_t log_count;
	uint64_t open_seq; /* end of a batch that was begun earlier and must be reached; 0 = none */
	struct plan_disk disks[DISKS_MAX]; /* the current image's */
	size_t disk_count;
	char socket[sizeof(((struct target *)NULL)->socket)];
	struct batch *batch; /* owned */
	bool planned;	     /* batch says what is written; false: all, in order */
	struct target target;
	struct codec_state *codec;	    /* owned */
	uint8_t *buffer;		    /* CHUNK_BUFFER_SIZE bytes */
	const atomic_bool *stop;	    /* NULL, or another reason to give up */
	uint64_t read_bytes, written_bytes; /* of records: all, and what went into the image */
	size_t damaged;			    /* -EBADMSG: which of logs, and */
	char why[STORE_ERROR_LEN];	    /* what is wrong with it */
};

/* Look at the logs that apply_take has listed: verify each whole, and plan. A log that is damaged,
 * or too much for one plan, ends the list before it where it may end. 0; -EBADMSG (damaged, and
 * nothing may be applied without it); -ECANCELED (closing); or a negative errno. */
int apply_prepare(struct apply *apply);
/* Write what is planned into the image; not flushed. As above, and as target_write. */
int apply_write(struct apply *apply);

#endif
