/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One cycle on a stream, from CYCLE_BEGIN to COMMITTED: checks what comes (cycle.c), and hands it
 * to where a cycle of its mode goes: a log (spool.c) or the pending image (pending.c).
 */
#ifndef VMR_RECEIVER_CYCLE_H
#define VMR_RECEIVER_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sha256.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "receiver/answer.h"
#include "receiver/plan.h"
#include "receiver/store.h"

struct cycle;

/* Where a cycle's data goes. Each call returns 0 or the negative errno of the answer it filled. The
 * worker of the stream calls; store->lock is not held; all may block on storage. */
struct cycle_sink {
	/* Check against the store and get ready; release follows also when it fails. */
	int (*begin)(struct cycle *cycle, struct answer *answer);
	/* A verified chunk: data are its bytes, payload the same as they came off the wire. */
	int (*data)(struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk, const void *payload,
		    uint32_t payload_len, const void *data, struct answer *answer);
	int (*zero)(struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk,
		    struct answer *answer);
	/* Make all so far durable and record the mark. */
	int (*mark)(struct cycle *cycle, const Vmreplica__Wire__Mark *mark, struct answer *answer);
	/* Make the cycle durable and record it as committed. */
	int (*commit)(struct cycle *cycle, const uint8_t stream_hash[LOG_HASH_LEN],
		      struct answer *answer);
	/* Give back what begin took; what is not committed stays only as far as a mark says. */
	void (*release)(struct cycle *cycle);
};

extern const struct cycle_sink spool_sink, pending_sink;

struct spool;
struct pending;

struct cycle {
	struct store *store;	  /* borrowed */
	bool follows; /* the sender's deltas follow changes of its disks */
	const atomic_bool *ended; /* the stream was replaced: waits give up */
	const struct cycle_sink
		*sink; /* NULL: the cycle is committed already and is only swallowed */
	Vmreplica__Wire__Mode mode;
	uint64_t seq;
	char cut_id[CUT_ID_LEN + 1];
	int64_t cut_time_ms;
	bool application_consistent;
	bool has_base; /* DELTA: what it builds on */
	bool has_base_hash;
	struct manifest_cut base;
	bool resumed;
	struct manifest_mark resumed_mark; /* as the sender believes it */
	struct plan_disk disks[DISKS_MAX];
	size_t disk_count;
	char *domain_xml; /* owned; NULL = unchanged */
	size_t domain_xml_len;
	uint8_t *vm_state; /* owned: an archive (proto/vm_state.h); NULL = unchanged */
	size_t vm_state_len;
	uint8_t vm_state_hash[LOG_HASH_LEN];
	uint64_t nvram_bytes; /* of the variables in it */
	uint64_t estimate_bytes;

	struct codec_state *codec;
	struct sha256 *hash; /* over the chunks of this connection */
	uint64_t chunks, data_bytes, wire_bytes;
	uint64_t unchecked_bytes; /* since the last look at the free space */
	int64_t begin_ms;	  /* monotonic */
	bool committed;

	struct spool *spool;	 /* spool_sink's */
	struct pending *pending; /* pending_sink's */
};

/* Run the cycle that frame (CYCLE_BEGIN, its payload in the session's buffer) opens, on the
 * session's worker. 0 when it ended with COMMITTED or the sender's abort (the stream goes on); else
 * the errno of the answer. */
int cycle_run(struct session *session, const struct frame *frame, struct answer *answer);

/* What ends a wait inside a cycle: as store_check, or the stream was replaced. store->lock is held.
 */
int cycle_check(const struct cycle *cycle, struct answer *answer);

/* ---- cycle_record.c ---- */
/* Fill what a commit of any kind records: cut, counters, next_seq, no mark. */
void cycle_record(const struct cycle *cycle, struct manifest *next,
		  const uint8_t log_hash[LOG_HASH_LEN]);
/* Make next hold mark, in the cycle's order of disks and without a log. */
void cycle_record_mark(const struct cycle *cycle, const Vmreplica__Wire__Mark *mark,
		       struct manifest *next);
/* Take the definition that CYCLE_BEGIN brought (len 0: none). 0 or the answer. */
int cycle_take_definition(struct cycle *cycle, const void *xml, size_t len, struct answer *answer);
/* Keep the VM's definition when the cycle brought one: durable. 0 or the answer. */
int cycle_keep_definition(const struct cycle *cycle, struct answer *answer);

#endif
