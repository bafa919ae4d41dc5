/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a store shows to the outside. Workers write it as they go; the control thread turns it into
 * a VmStatus without ever waiting for storage (the manifest's lock is held over fsync, this one
 * never is).
 */
#ifndef VMR_RECEIVER_VIEW_H
#define VMR_RECEIVER_VIEW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/rate.h"
#include "proto/ipc.pb-c.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"
#include "receiver/answer.h"
#include "receiver/manifest.h"

/* A fact that stands until it is cleared. */
struct view_fact {
	char code[ANSWER_CODE_LEN]; /* "" = none */
	char reason[REASON_MAX + 1];
};

struct view_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
	char top[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2]; /* absolute path */
};

struct view {
	pthread_mutex_t lock;
	bool changed; /* since the last view_take */

	/* from the manifest */
	struct manifest_epoch epoch;
	struct manifest_cut committed;
	struct manifest_counters counters;
	uint64_t applied_seq, batch_seq, generation, spool_bytes;
	uint64_t nvram_bytes;
	int64_t last_app_ms; /* cut of the last application-consistent point; 0 = there is none */
	bool has_image, has_pending, resync_needed;
	char resync_reason[REASON_MAX + 1];
	char peer_address[MANIFEST_ADDRESS_MAX + 1];
	bool adopting;	    /* the first cycle onto adopted disks is not applied */
	bool adopted_point; /* ... and those are a recovery point by themselves */
	struct manifest_takeover test, failover; /* without their disks */
	struct view_disk *disks;		 /* owned */
	size_t disk_count;

	/* from streams and the applier */
	struct view_fact storage; /* storage-full, spool-full, storage-error, stale: we cannot take
				     or apply logs */
	struct view_fact
		stream; /* why the last stream or cycle failed; a committed cycle clears it */
	struct view_fact merge;	     /* why layers are not merged, though replication goes on */
	struct view_fact trust;	     /* no authorization entry is the primary's site's any more */
	Vmreplica__Wire__Mode cycle; /* kind of the cycle that runs now */
	uint64_t done_bytes, total_bytes;
	uint64_t wire_bytes; /* of the running cycle, not yet in counters */
	struct rate_meter meter;
	char peer_node[NODE_NAME_MAX + 1];
	bool peer_known; /* the sender has told its state */
	Vmreplica__State peer_state;
	Vmreplica__Health peer_health;
	char peer_reason[REASON_MAX + 1];
	uint32_t frequency_s;
	int64_t committed_mono_ms; /* monotonic time of the last committed cut; 0 = none */
	bool suspended;
	bool overdue; /* no cycle has come for longer than VIEW_OVERDUE_MS; view_take looks */
};

/* When a replica that hears nothing says so: two cycles and a minute after the last cut. */
#define VIEW_OVERDUE_MS(frequency_s) ((2 * (int64_t)(frequency_s) + 60) * 1000)

/* 0 or -ENOMEM */
int view_init(struct view *view);
void view_destroy(struct view *view);

/* Copy what shows of manifest; directory is the store's. Blocks on nothing but the view's own lock.
 */
void view_set_manifest(struct view *view, const struct manifest *manifest, const char *directory);

/* Set or (code "") clear a fact. True when that changed what is shown. */
bool view_set_storage(struct view *view, const char *code, const char *reason);
bool view_set_stream(struct view *view, const char *code, const char *reason);
bool view_set_merge(struct view *view, const char *code, const char *reason);
bool view_set_trust(struct view *view, const char *code, const char *reason);

void view_cycle_begin(struct view *view, Vmreplica__Wire__Mode mode, uint64_t total_bytes);
void view_cycle_add(struct view *view, uint64_t data_bytes, uint64_t wire_bytes);
void view_cycle_end(struct view *view); /* also forgets the running cycle's counts */

void view_set_peer_node(struct view *view, const char *peer_node);
void view_set_suspended(struct view *view, bool suspended);
void view_set_frequency(struct view *view, uint32_t frequency_s);
void view_set_peer(struct view *view, const Vmreplica__Wire__PeerState *state);
void view_set_committed_now(struct view *view, int64_t mono_ms);

/* True when something has changed since the last call, or a cycle or a backlog moves. */
bool view_take(struct view *view);

#endif
