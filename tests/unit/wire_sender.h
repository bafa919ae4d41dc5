/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sender made of wire frames, that can also do wrong. */
#ifndef VMR_TESTS_WIRE_SENDER_H
#define VMR_TESTS_WIRE_SENDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/sha256.h"
#include "proto/codec.h"
#include "proto/wire.pb-c.h"
#include "receiver_rig.h"
#include "replica_model.h"

struct sender_cut {
	uint64_t seq;
	char cut_id[17];
	uint8_t log_hash[32];
};

struct sender_mark {
	Vmreplica__Wire__Mode mode; /* MODE_NONE = none */
	uint64_t seq;
	char cut_id[17];
	uint32_t disk;
	uint64_t offset;
};

struct sender {
	struct tls_conn *conn;
	struct channel channel;
	struct arena arena;
	struct codec_state *codec;
	struct sha256 *hash;
	uint64_t chunks, data_bytes;
	/* of WELCOME */
	Vmreplica__Wire__Mode mode;
	struct sender_cut committed; /* seq 0 = none */
	struct sender_mark mark;
	uint64_t next_seq;
	char welcome_reason[600];
	uint32_t extents; /* so many EXTENTS frames follow it */
	/* the cycle that runs */
	Vmreplica__Wire__Mode cycle_mode;
	struct sender_cut cut;
	/* the last frame that ended something */
	enum frame_type answer;
	char code[64], reason[600];
	const char *definition; /* of the next cycle; NULL = unchanged */
	const char *nvram;	/* of the next cycle: sent as the VM's state; NULL = unchanged */
	/* wrongs */
	bool spoil_checksum, spoil_hash, spoil_state;
	uint64_t epoch; /* 0 = 1 */
	const char *lineage;
	const char *site;		   /* NULL = RIG_SITE */
	const char *holder;		   /* of the epoch; NULL = RIG_SITE */
	uint32_t version_min, version_max; /* 0 = 1 */
	bool application;		   /* the consistency that the next cycle claims */
	int64_t cut_time_ms;		   /* of the last cycle; 0 = by the wall clock */
	int64_t cut_step_ms;		   /* added to it with each */
};

#define SENDER_ANSWER_MS 40000

/* What HELLO claims, over all connections. */
extern uint64_t sender_features;
/* Every frame that is sent also goes into this file (NULL: none). */
extern FILE *sender_record;
/* Frames are recorded, and not sent. */
extern bool sender_silent;
/* The relationship that HELLO names; NULL = RIG_RELATIONSHIP. */
extern const char *sender_relationship;

/* Dial and shake hands with the rig's receiver; an earlier connection is dropped. false: refused
 * (TLS). */
bool sender_connect(struct sender *sender, const struct rig *rig, struct tls_context *tls);
/* HELLO; the type of the answer (FRAME_WELCOME fills the fields), or 0 when the connection ended.
 */
enum frame_type sender_hello(struct sender *sender, const struct model *model);
/* Both, and a WELCOME. */
bool sender_enter(struct sender *sender, const struct rig *rig, const struct model *model);
/* Take the EXTENTS behind a WELCOME: what they name is dirty in the model. Bytes that they name;
 * UINT64_MAX when they do not come while rig_mortal. */
uint64_t sender_extents(struct sender *sender, struct model *model);
void sender_drop(struct sender *sender); /* close without a word; twice is fine */

/* Any frame. It may fail because the receiver has given up: what it said is what counts then. */
void sender_send(struct sender *sender, enum frame_type type, const ProtobufCMessage *message,
		 const void *payload, uint32_t payload_len);

/* CYCLE_BEGIN of mode with a new cut; goes on from sender->mark when resumed. */
void sender_begin(struct sender *sender, const struct model *model, Vmreplica__Wire__Mode mode,
		  bool resumed);
/* The same, with a given cut (a repetition). */
void sender_begin_cut(struct sender *sender, const struct model *model, Vmreplica__Wire__Mode mode,
		      bool resumed, const struct sender_cut *cut);
/* VM_STATE that holds nvram; sender_begin does it by itself when there is one. */
void sender_state(struct sender *sender, const char *nvram);
/* One chunk of the model's data, compressed as the codec likes; zeros as ZERO. */
void sender_chunk(struct sender *sender, const struct model *model, unsigned int disk,
		  uint64_t offset, uint64_t length);
void sender_zero(struct sender *sender, unsigned int disk, uint64_t offset, uint64_t length);
/* Chunks of all clusters of disk in [from, to) that are dirty (or of all, dirty_only false), zeros
 * too. */
void sender_range(struct sender *sender, const struct model *model, unsigned int disk,
		  uint64_t from, uint64_t to, bool dirty_only);
/* All disks' dirty clusters. */
void sender_dirty(struct sender *sender, const struct model *model);
/* MARK_REQUEST and MARKED. */
bool sender_mark(struct sender *sender, unsigned int disk, uint64_t offset);
/* DIGEST of a range; bit map of what differs into ret_map. */
bool sender_digest(struct sender *sender, const struct model *model, unsigned int disk,
		   uint64_t offset, uint32_t count, uint8_t *ret_map);
/* VERIFY of a range at the last committed cut (what is compared: the model): the answer's code, ""
 * with the bit map of what differs in ret_map; NULL when there was no VERIFIED. Valid until the
 * next answer. */
const char *sender_verify(struct sender *sender, const struct model *model, unsigned int disk,
			  uint64_t offset, uint32_t count, uint8_t *ret_map);
/* Digest resynchronization of disk in [from, to): sends what differs; returns bytes sent. */
uint64_t sender_resync_range(struct sender *sender, const struct model *model, unsigned int disk,
			     uint64_t from, uint64_t to);
void sender_send_end(struct sender *sender);
/* CYCLE_END and its answer: true for COMMITTED of our cut, which becomes sender->committed. */
bool sender_end(struct sender *sender);
/* The next answer into answer, code, reason; 0 when the connection ended. */
enum frame_type sender_answer(struct sender *sender, int timeout_ms);
void sender_peer_state(struct sender *sender, Vmreplica__Health health, const char *reason);

#endif
