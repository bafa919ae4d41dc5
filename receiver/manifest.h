/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manifest.json: the truth about one replica store. Everything that is acknowledged to a sender is
 * first recorded here, by an atomic replace of the whole file. All names of files in it are
 * relative to the store's directory.
 */
#ifndef VMR_RECEIVER_MANIFEST_H
#define VMR_RECEIVER_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/wire.pb-c.h"

#define MANIFEST_NAME "manifest.json"
/* 1: without recovery points; read, and rewritten as 2. 3: something stands that an older receiver
 * would run over (a takeover); without that, 2 is written. */
#define MANIFEST_FORMAT	      3
#define MANIFEST_FORMAT_PLAIN 2
#define MANIFEST_SIZE_MAX     (4u * 1024u * 1024u)
#define MANIFEST_FILE_MAX     127u /* of "gen-<N>/<disk>-<n>.qcow2" */
#define MANIFEST_LAYERS_MAX   250u /* of one disk; a longer chain is replaced by a fresh base */
#define MANIFEST_LOGS_MAX     2048u
#define MANIFEST_POINTS_MAX   250u
#define MANIFEST_PINS_MAX     (4u * DISKS_MAX)
#define MANIFEST_HOLDER_MAX   64u
#define MANIFEST_STATES_MAX   512u		   /* more than points */
#define MANIFEST_ADDRESS_MAX  (SITE_NAME_MAX + 8u) /* "host:port" of the primary side's broker */
#define MANIFEST_ERROR_LEN    256

/* One qcow2 file. A closed layer is recognized by its fingerprint: a change that we did not make
 * shows. */
struct manifest_layer {
	char file[MANIFEST_FILE_MAX + 1];
	uint64_t generation; /* only the owner of that generation writes it */
	bool frozen;	     /* the fingerprint below holds */
	bool adopted;	     /* a disk of the old primary's VM (adopt.h) */
	bool linked;	     /* ... outside of the store: the file is a link to it */
	bool sealed;	     /* never written again: the storage once failed to make it durable */
	bool unfit; /* in memory alone: nothing is merged into it now, it cannot be resized */
	uint64_t size_bytes, inode;
	int64_t mtime_ns;
};

struct manifest_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
	bool leaving; /* the committed cut does not have it any more: it goes with the next cycle */
	struct manifest_layer *layers; /* owned; base first, top last */
	size_t layer_count;
};

/* The disks of a VM at one cut. */
struct manifest_image {
	struct manifest_disk *disks; /* owned */
	size_t disk_count;
};

struct manifest_cut {
	uint64_t seq; /* 0 = none yet */
	char cut_id[CUT_ID_LEN + 1];
	uint8_t log_hash[LOG_HASH_LEN];
	int64_t time_ms; /* the sender's wall clock: a label */
};

/* What of an interrupted cycle is durable. */
struct manifest_mark {
	Vmreplica__Wire__Mode mode; /* MODE_NONE = no mark */
	uint64_t seq;
	char cut_id[CUT_ID_LEN + 1];
	uint32_t disk; /* index into the order of the cycle, whose names are in disks */
	uint64_t offset;
	char file[MANIFEST_FILE_MAX + 1]; /* DELTA: the partial log, durable up to log_offset */
	uint64_t log_offset;
	char disks[DISKS_MAX *
		   (DISK_NAME_MAX + 1)]; /* "vda,vdb": the mark's disk index means this order */
};

struct manifest_log {
	uint64_t seq;
	char cut_id[CUT_ID_LEN + 1];
	uint8_t hash[LOG_HASH_LEN];
	char file[MANIFEST_FILE_MAX + 1];
	uint64_t size_bytes;
	/* as the log's own header has them; 0 in a store of format 1 */
	int64_t time_ms;
	bool application;
	uint8_t previous_hash[LOG_HASH_LEN];
};

/* Where a disk's content of a recovery point is found. */
struct manifest_point_disk {
	char name[DISK_NAME_MAX + 1];
	char file[MANIFEST_FILE_MAX + 1]; /* its top layer, frozen; what is below it is, too */
	uint64_t size_bytes;
};

/* A recovery point: the layer boundary at one cut. */
struct manifest_point {
	struct manifest_cut cut;
	bool application;		   /* application-consistent */
	struct manifest_point_disk *disks; /* owned */
	size_t disk_count;
};

/* A merge under way: the data of a layer goes into the one below it. Until the layer is out of the
 * list, it holds all that it held, and reading through it gives the same. */
struct manifest_merge {
	char disk[DISK_NAME_MAX + 1];
	char from[MANIFEST_FILE_MAX + 1]; /* "" = none */
	char into[MANIFEST_FILE_MAX + 1]; /* is being written: its fingerprint does not hold */
	uint64_t offset;		  /* what is before it is durable in into */
	bool copied; /* all of it is: the layer above is being pointed to into */
};

/* A layer that somebody else reads: it and all below it stay as they are. */
struct manifest_pin {
	char file[MANIFEST_FILE_MAX + 1];
	char holder[MANIFEST_HOLDER_MAX + 1]; /* for messages, e.g. "web1-test" */
};

/* A disk of a VM of ours that runs on the store. */
struct manifest_taken_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
	char base[MANIFEST_FILE_MAX + 1]; /* the layer, of some chain, that it stands on */
	struct manifest_layer built;	  /* logs replayed over base; file "" = none */
};

/* A failover or a test failover. */
struct manifest_takeover {
	Vmreplica__TakeoverKind kind; /* TAKEOVER_NONE = there is none */
	char holder[MANIFEST_HOLDER_MAX + 1];
	struct manifest_cut cut; /* what it begins from */
	bool application;
	bool ready;			   /* all files are made, durable, and were handed out */
	struct manifest_taken_disk *disks; /* owned */
	size_t disk_count;
	/* FAILOVER */
	uint64_t epoch; /* number that it raised to: its overlays are in vm-<epoch>/ */
	bool planned, committed;
	bool advanced; /* logs behind the cut are not needed any more */
};

/* What the VM keeps beside its disks, as the cycle seq brought it (states.h). */
struct manifest_state {
	uint64_t seq;
	char file[MANIFEST_FILE_MAX + 1];
	uint8_t hash[LOG_HASH_LEN]; /* SHA-256 of the file */
	uint64_t size_bytes;
	uint64_t nvram_bytes; /* of the UEFI variables in it; 0 = it has none */
};

struct manifest_epoch {
	uint64_t number; /* 0 = none yet */
	char lineage[RELATIONSHIP_LEN + 1];
	char site[SITE_NAME_MAX + 1];
};

/* The current image stands on an old primary's own disks (adopt.h). */
struct manifest_adopted {
	struct manifest_epoch epoch; /* number 0: it does not */
	uint64_t seq;		     /* of the cut that the first cycle builds on */
	bool pending;		     /* that cycle is not applied: the image is no point in time */
	bool bitmaps;		     /* ours may still be in them */
	char extents[PATH_LEN_MAX + 1]; /* absolute: where the disks differ from the cut; "" = not
					   known, or nowhere */
};

struct manifest_counters {
	uint64_t ok, failed, resyncs;
	uint64_t data_bytes, wire_bytes, largest_bytes; /* largest: on the wire */
	uint64_t latency_ms, latency_max_ms;
};

struct manifest {
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char peer_site[SITE_NAME_MAX + 1];
	char peer_address[MANIFEST_ADDRESS_MAX + 1]; /* "" = not told */
	uint64_t generation;
	char owner_node[NODE_NAME_MAX + 1];
	bool closed; /* the layers' fingerprints were taken after the last writer had ended */
	struct manifest_epoch epoch;
	struct manifest_cut committed;
	uint64_t applied_seq; /* last cycle that the current image holds whole */
	/* Not 0: the logs behind applied_seq up to this cycle are going into the current image,
	 * which is no point in time until all of them are there. */
	uint64_t batch_seq;
	uint64_t next_seq, next_layer;
	bool resync_needed;
	char resync_reason[REASON_MAX + 1];
	struct manifest_image
		current; /* what the replica is; no disks = initial replication is not done */
	struct manifest_image
		pending; /* filled by INITIAL or RESYNC, becomes current at its commit */
	struct manifest_mark mark;
	struct manifest_log
		*logs; /* owned, ascending by seq; also the few applied ones that are kept */
	size_t log_count;
	struct manifest_counters counters;
	struct manifest_point *points; /* owned, ascending by seq */
	size_t point_count;
	/* Chains that are no longer the current image's (it got a new base, or the disk is gone),
	 * kept for points that need them. A name may come more than once. */
	struct manifest_image retired;
	struct manifest_merge merge;
	struct manifest_pin *pins; /* owned */
	size_t pin_count;
	/* history.h: whose directory has the index of applied logs (0: there is none), and the
	 * lowest cycle whose log is kept */
	uint64_t history_generation, history_from;
	/* The current image may not be what it was at applied_seq; only with resync_needed. */
	bool distrusted;
	struct manifest_takeover test, failover; /* manifest_takeover.c */
	struct manifest_adopted adopted;	 /* manifest_takeover.c */
	struct manifest_state *states;		 /* owned, ascending by seq */
	size_t state_count;
};

void manifest_destroy(struct manifest *manifest); /* leaves it zeroed */
/* Deep copy. 0 or -ENOMEM. */
int manifest_copy(const struct manifest *from, struct manifest *ret_copy);

void manifest_image_destroy(struct manifest_image *image);
int manifest_image_copy(const struct manifest_image *from, struct manifest_image *ret_copy);
/* The disk called name, or NULL. */
struct manifest_disk *manifest_image_find(const struct manifest_image *image, const char *name);
/* The layer file of the disk called name, or NULL. */
struct manifest_layer *manifest_layer_find(const struct manifest_image *image, const char *name,
					   const char *file);
/* Is file a layer of one of its disks? */
bool manifest_image_holds(const struct manifest_image *image, const char *file);
/* Append a layer on top. 0, -ENOMEM or -E2BIG (MANIFEST_LAYERS_MAX). */
int manifest_disk_push(struct manifest_disk *disk, const struct manifest_layer *layer);
struct manifest_layer *
manifest_disk_top(const struct manifest_disk *disk); /* NULL without layers */

/* Append a log. 0, -ENOMEM, -E2BIG. */
int manifest_log_push(struct manifest *manifest, const struct manifest_log *log);
/* Drop the first count logs from the list. */
void manifest_log_drop(struct manifest *manifest, size_t count);
/* Bytes of logs that are not applied. */
uint64_t manifest_spool_bytes(const struct manifest *manifest);
/* First log that is not applied, or NULL. */
const struct manifest_log *manifest_log_next(const struct manifest *manifest);

/* True when any part of the manifest names file. */
bool manifest_refers_to(const struct manifest *manifest, const char *file);

/* ---- recovery points (manifest_points.c) ---- */
/* Append a point whose disks are the tops of the current image. 0, -ENOMEM, -E2BIG. */
int manifest_point_push(struct manifest *manifest, const struct manifest_cut *cut,
			bool application);
/* Are the adopted disks as they were at the cut that both sides know? Then they are a point. */
bool manifest_adopted_is_point(const struct manifest *manifest);
/* Forget the first count points, and what was kept for them alone. */
void manifest_point_drop(struct manifest *manifest, size_t count);
/* Forget the points whose content goes through the layer file: those that end with it or with one
 * over it. Returns how many there were. */
size_t manifest_point_drop_over(struct manifest *manifest, const char *file);
/* How many layers of disk, from its base on, the point goes through; 0 when it is of another chain.
 */
size_t manifest_point_depth(const struct manifest_point *point, const struct manifest_disk *disk);
/* True when a point's content ends with this layer. */
bool manifest_point_uses(const struct manifest *manifest, const char *file);
/* Before current is replaced by next: keep the chains that points or pins still need and that next
 * does not hold. So many chains are kept that DISKS_MAX are the most: returns how many of the
 * oldest points had to go for that, or -ENOMEM (nothing is changed then). */
int manifest_retire(struct manifest *manifest, const struct manifest_image *next);
/* Take the merged layer out: what named it (points, chains) names the one below from now on. */
void manifest_merge_finish(struct manifest *manifest);
/* True when the fingerprint of this layer does not hold because of the merge that runs. */
bool manifest_merge_touches(const struct manifest *manifest, const char *file);
/* Pin a layer, and thereby all below it, for holder. 0, -ENOMEM, -E2BIG. Twice is once. */
int manifest_pin_add(struct manifest *manifest, const char *file, const char *holder);
/* Drop all pins of holder; how many there were. */
size_t manifest_pin_drop(struct manifest *manifest, const char *holder);
/* The pin that keeps layer index of disk as it is (on it, or on one above), or NULL. */
const struct manifest_pin *manifest_pin_find(const struct manifest *manifest,
					     const struct manifest_disk *disk, size_t index);

/* ---- takeovers (manifest_takeover.c) ---- */
void manifest_takeover_destroy(struct manifest_takeover *takeover); /* leaves it zeroed */
int manifest_takeover_copy(const struct manifest_takeover *from, struct manifest_takeover *ret);
bool manifest_takeover_refers_to(const struct manifest_takeover *takeover, const char *file);
/* The chain of which the layer file is one, with its index; in current or retired. NULL: none. */
const struct manifest_disk *manifest_chain_find(const struct manifest *manifest, const char *file,
						size_t *ret_index);

/* ---- what a VM keeps beside its disks (manifest_states.c) ---- */
/* Append a state. 0, -ENOMEM, -E2BIG. */
int manifest_state_push(struct manifest *manifest, const struct manifest_state *state);
/* That of cycle seq: the newest that is not younger. NULL when there is none. */
const struct manifest_state *manifest_state_find(const struct manifest *manifest, uint64_t seq);
/* Forget the states that no cycle has any more which can be recovered, and those between points
 * that are too many. */
void manifest_states_trim(struct manifest *manifest);

/* "initial", "delta", "resync"; "" for none. */
const char *manifest_mode_to_word(Vmreplica__Wire__Mode mode);

/* ---- manifest_encode.c, manifest_decode.c ---- */
/* Text of the manifest (caller frees), NULL when out of memory. */
char *manifest_encode(const struct manifest *manifest, size_t *ret_len);
/* 0, -EBADMSG (damaged), -EPROTONOSUPPORT (written by a newer vmreplica), -ENOMEM; error says what.
 * Pure. */
int manifest_decode(const char *text, size_t len, struct manifest *ret_manifest,
		    char error[MANIFEST_ERROR_LEN]);

/* ---- files; blocking ---- */
/* Read dir_fd/manifest.json. 0, -ENOENT, as manifest_decode, or an errno of reading. */
int manifest_load(int dir_fd, struct manifest *ret_manifest, char error[MANIFEST_ERROR_LEN]);
/* Replace it durably, as the owner of its generation (ownership.h): -ESTALE when that one is
 * fenced. *ret_uncertain as durable_file_replace. */
int manifest_save(int dir_fd, const struct manifest *manifest, bool *ret_uncertain);
/* -ESTALE when the file on disk belongs to another generation: another node took the store over. */
int manifest_check_generation(int dir_fd, uint64_t generation);

#endif
