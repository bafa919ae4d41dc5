/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One cycle of one primary VM, from looking at its disks to COMMITTED, on a worker in blocking
 * style:
 *
 *   locate, connect -> plan (resume.h) -> [look-only job] -> job with a new cut
 *     -> reader | compressors | sender -> COMMITTED
 *
 * The job ends as soon as the last byte is read; checkpoints go when the receiver's word allows it.
 */
#ifndef VMR_ENGINE_CYCLE_H
#define VMR_ENGINE_CYCLE_H

#include "cluster/epoch.h"
#include "common/buffer.h"
#include "engine/cycle_verify.h"
#include "engine/peer.h"
#include "engine/resume.h"
#include "engine/sender_stream.h"
#include "engine/source.h"
#include "engine/vm_settings.h"
#include "proto/dirty_map.h"

/* the code of the trouble that another side holds a higher epoch */
#define CYCLE_TROUBLE_EPOCH "epoch"

struct replica_lender;

struct cycle_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
};

struct cycle {
	/* set by the control thread; borrowed, unchanged while the cycle runs */
	const struct vm_settings *settings;
	const char *site, *node;
	struct source_connection *connection;
	const struct replica_lender *lender; /* the VM is a replica here: its store is read */
	const char *barrier; /* why nothing may be read (extended.h); NULL: it may */
	const char *scratch_directory, *socket_directory;
	uint64_t scratch_reserve_bytes, scratch_cap_bytes;
	struct buffer_pool *pool;
	struct peer *peer;
	struct cycle_progress *progress;
	bool resync_allowed; /* a needed one may begin: by the policy, or because it was ordered */
	bool force_resync;   /* the admin asked for a resynchronization, or allows the needed one */
	struct verify_state *verify; /* compare with this cut, too; NULL = not */
	bool awaits_copy;	     /* the initial copy comes on media: none is sent */
	bool want_application;	     /* freeze the guest round the cut, where that is of use */
	bool enrolled;	    /* the other side has had its replica: it is not made again from here */
	struct epoch epoch; /* the highest that this site knows */
	bool final;	    /* the VM is off, for a planned failover: nothing comes after it */
	const char *extents_path; /* cycle_extra.c; NULL or "": nothing of that kind */
	const char *peer_address; /* our own broker, where the other side's orders go; may be "" */

	/* results, for the control thread after the end */
	struct trouble trouble; /* code "" when committed */
	bool committed;
	bool checkpoint_gone; /* the plan's base was listed but is not there: resynchronize */
	/* the guest had been paused by our job and was resumed: what admins are told; "" otherwise
	 */
	char harm[SOURCE_ERROR_LEN];
	bool resync_required;	    /* it is, but may not begin now by itself (settings->resync) */
	Vmreplica__Wire__Mode kind; /* of what was sent; 0 when nothing was */
	struct checkpoint_name cut;
	int64_t cut_time_ms; /* wall clock */
	int64_t latency_ms;  /* cut to committed */
	bool application;    /* the guest's file systems held still at the cut */
	int64_t frozen_ms;   /* ... for so long */
	/* wanted, tried, and not had: why; "" otherwise */
	char application_why[SOURCE_ERROR_LEN];
	/* a wrapped disk may have been changed behind its header, and its bitmaps are not believed;
	 * "" = none */
	char doubt[SOURCE_ERROR_LEN];
	char vm_state_why[SOURCE_ERROR_LEN]; /* why UEFI variables or TPM did not travel; "" = they
						did, or there are none */
	uint64_t data_bytes, wire_bytes;
	/* a higher epoch that the other side told of, to be made durable; number 0: none */
	struct epoch heard;
	bool peer_knows_vm; /* the other side, in whatever role, when it was asked for its epoch */
	struct cycle_disk disks[DISKS_MAX]; /* the replicated ones, as found */
	uint32_t disk_count;

	/* private */
	struct source *source;
	size_t source_index[DISKS_MAX];
	uint64_t disk_sizes[DISKS_MAX];
	struct checkpoint_name *checkpoints; /* owned */
	size_t checkpoint_count, broken;
	uint64_t disk_epoch; /* the highest among the checkpoints */
	struct resume_plan plan;
	bool begun; /* CYCLE_BEGIN was sent, or tried to be */
	struct dirty_map *maps[DISKS_MAX];
	uint8_t *vm_state; /* owned: what the VM keeps beside its disks; NULL = nothing */
	size_t vm_state_len;
	uint8_t vm_state_hash[32];
	struct source_job *job;
	struct pipeline *pipeline;
	struct sender_stream stream;
	int64_t job_begin_ms; /* monotonic */
};

/* Run it. The caller zeroes the struct and sets the first part. Returns 0 (committed) or a negative
 * errno with trouble filled. */
int cycle_run(struct cycle *cycle);

/* ---- steps, for cycle.c and its tests ---- */
/* Open the VM, list its replicated disks and our checkpoints. */
int cycle_open_source(struct cycle *cycle);
/* May this site send? Asks the other side how epochs stand. 0: nothing there forbids it; else a
 * trouble, perhaps with heard set. */
int cycle_ask_epoch(struct cycle *cycle);
/* Have a connection to the replica's owner and its WELCOME (or what COMMITTED left). */
int cycle_connect(struct cycle *cycle);
/* After cycle_open_source has listed the checkpoints; and once all of them were removed. */
void cycle_ask_witness(struct cycle *cycle);
void cycle_settle_witness(struct cycle *cycle);
/* cycle_extra.c: is there more to send than our bitmaps say, and the maps with it. 0 or a trouble.
 */
bool cycle_has_extra(const struct cycle *cycle);
int cycle_take_extra(struct cycle *cycle);
/* Decide what to send; delete the checkpoints that the receiver's word frees. */
int cycle_plan(struct cycle *cycle);
/* cycle_state.c: read what the VM keeps beside its disks (right after the cut; what cannot be read
 * is told in vm_state_why and stays out); send it behind CYCLE_BEGIN unless the receiver has it;
 * note that it has. */
void cycle_take_state(struct cycle *cycle);
int cycle_send_state(struct cycle *cycle);
void cycle_state_committed(struct cycle *cycle);
/* The plan's deletions, carried out. */
int cycle_free_checkpoints(struct cycle *cycle);
/* Begin the job with the plan's new cut; end it. */
int cycle_make_cut(struct cycle *cycle);
void cycle_end_job(struct cycle *cycle);
struct cycle_reader;
/* A reader of the job that runs. */
struct cycle_reader cycle_make_reader(struct cycle *cycle);
/* Job, stream, reader, until COMMITTED or a trouble. */
int cycle_send(struct cycle *cycle);

#endif
