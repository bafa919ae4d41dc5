/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to the owner of a VM's replica: located at the broker, direct or through its
 * relay, kept between cycles. Blocking, one worker at a time. A failure fills *trouble and returns
 * a negative errno.
 */
#ifndef VMR_ENGINE_PEER_H
#define VMR_ENGINE_PEER_H

#include "engine/locate_client.h"
#include "engine/resume.h"
#include "proto/dirty_map.h"
#include "proto/frame.h"

/* A direct connection must stand within this, else the relay is used, and preferred for a while. */
#define PEER_DIRECT_MS	     2000
#define PEER_RELAY_MEMORY_MS (10 * 60 * 1000)

/* What the other side is told about the primary between cycles, so that it can show it. */
struct peer_state {
	Vmreplica__State state;
	Vmreplica__Health health;
	char reason[REASON_MAX];
	uint32_t frequency_s;
};

/* What the receiver said last, by WELCOME or COMMITTED. */
struct peer_position {
	bool has_committed;
	uint64_t committed_seq;
	char committed_cut_id[CUT_ID_LEN + 1];
	uint8_t committed_hash[LOG_HASH_LEN];
	int64_t committed_time_ms; /* wall clock of that cut */
	Vmreplica__Wire__Mode mode;
	struct resume_mark mark;
	uint64_t next_seq;
	char reason[REASON_MAX]; /* why RESYNC */
};

struct peer {
	struct locate_client locate;
	struct canceller canceller;
	struct tls_conn *conn; /* NULL when not connected */
	struct channel channel;
	struct arena arena;	/* of the last received frame */
	int64_t relay_until_ms; /* monotonic: ask for the relay at once */
	bool relayed;
	char node[NODE_NAME_MAX + 1];  /* the owner, "" unknown */
	struct peer_position position; /* valid while connected */
	struct peer_state told;	       /* on this connection */
	/* what must travel besides our own changes, until a cycle is committed; of the disks of
	 * HELLO, owned; NULL = none */
	struct dirty_map *extents[DISKS_MAX];
	uint64_t features;	   /* the owner's, by its WELCOME */
	int64_t not_after_ms;	   /* wall clock: the end of its certificate; 0 = not met yet */
	bool greeted;		   /* there was a WELCOME, on any connection */
	uint8_t sent_xml_hash[32]; /* of the domain XML that this connection's receiver has; zeros =
				      none */
	uint8_t sent_state_hash[32]; /* of the VM's state that it has committed; likewise */
};

/* host and tls are borrowed for the peer's life. */
void peer_init(struct peer *peer, struct tls_store *tls, const char *host, uint16_t port);
void peer_destroy(struct peer *peer);
void peer_close(struct peer *peer);
bool peer_is_connected(const struct peer *peer);

/* The WELCOME said that so many EXTENTS follow: read them. 0 or a trouble. */
int peer_take_extents(struct peer *peer, const Vmreplica__Wire__Hello *hello, uint32_t frames,
		      struct trouble *trouble);
bool peer_has_extents(const struct peer *peer);
void peer_drop_extents(struct peer *peer);
/* Look at an idle connection: answers PING, notices MOVED or its end (the connection is then
 * closed). */
void peer_check_idle(struct peer *peer);
/* Ask the broker (or, when the relay is remembered, for the relay). */
int peer_locate(struct peer *peer, const char *relationship, struct locate_answer *ret_answer,
		struct trouble *trouble);
/* Connect to where answer says (falling back to the relay), say HELLO, take WELCOME into
 * peer->position. hello->version is filled in here. */
int peer_connect(struct peer *peer, const struct locate_answer *answer,
		 Vmreplica__Wire__Hello *hello, struct trouble *trouble);
/* One frame of the owner, checked. 0, -ETIMEDOUT (nothing came; no trouble is set), or a trouble:
 * MOVED, BUSY, DENIED and FAILURE are troubles too. payload as in channel_receive. */
int peer_receive(struct peer *peer, struct frame *ret_frame, void *payload, size_t payload_size,
		 int timeout_ms, struct trouble *trouble);
/* Answer a PING outside a stream. 0 or what channel_send says. */
int peer_pong(struct peer *peer, uint64_t value);
/* Turn a failed channel call into a trouble. */
int peer_failed(struct peer *peer, int error, const char *doing, struct trouble *trouble);
/* Send PEER_STATE. On failure the connection is closed; the next cycle makes another. */
void peer_tell_state(struct peer *peer, const struct peer_state *state);
bool peer_state_equal(const struct peer_state *a, const struct peer_state *b);
/* Take a COMMITTED cut over as the new position. */
void peer_note_committed(struct peer *peer, const Vmreplica__Cut *cut);

#endif
