/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One sender's stream. Idle, it is parked on the control thread's loop (listener.c) and holds
 * little but its TLS state; when bytes arrive, a worker runs it (session_run) until it is idle
 * again or over.
 */
#ifndef VMR_RECEIVER_SESSION_H
#define VMR_RECEIVER_SESSION_H

#include <qb/qblist.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/admission.h"
#include "common/tls.h"
#include "proto/arena.h"
#include "proto/frame.h"
#include "receiver/answer.h"
#include "receiver/receiver.h"
#include "receiver/store.h"

enum session_phase {
	SESSION_HANDSHAKE, /* on the loop, bounded by 10 s */
	SESSION_HELLO,	   /* on the loop until its first bytes come, bounded by 10 s */
	SESSION_PARKED,	   /* on the loop between cycles */
	SESSION_WAITING,   /* for a worker: its peer has its share of them */
	SESSION_RUNNING,   /* on a worker */
	SESSION_OVER,	   /* out of the listener's list */
};

struct session {
	struct receiver *receiver; /* borrowed */
	atomic_int references;
	struct tls_conn *conn; /* owned */

	/* control thread */
	struct qb_list_head entry, waiting; /* in the listener's lists */
	struct admission_ticket ticket;
	enum session_phase phase;
	int64_t deadline_ms; /* monotonic, of the first two phases */
	bool kicked;	     /* while it was running */

	/* worker while RUNNING */
	struct channel channel;
	struct arena arena;
	void *buffer;	     /* of receiver->stream_buffers while a frame with payload is in hand */
	uint64_t wire_bytes; /* received */
	struct store *store; /* with a reference, once HELLO was accepted */
	bool follows;	     /* PROTOCOL_FEATURE_DISKS */
	uint64_t pinged;     /* pulse.c: the last PING's value */
	char site[SITE_NAME_MAX + 1], node[NODE_NAME_MAX + 1];

	atomic_bool ended; /* replaced by a newer stream, or no longer authorized */
};

/* Takes conn. One reference. NULL when out of memory (conn is freed). */
struct session *session_new(struct receiver *receiver, struct tls_conn *conn);
struct session *session_ref(struct session *session);
void session_unref(struct session *session); /* any thread; NULL allowed */

/* Work on what has arrived. 0: idle again, park it; negative: over (all is said and released).
 * Worker. */
int session_run(void *session);

/* Give back what only a running session needs. Worker, or control thread while parked. */
void session_shrink(struct session *session);

/* Give up the store. */
void session_release(struct session *session);

/* ---- for cycle.c, on the worker ---- */
/* The next frame, checked by validate_frame; its payload lies at session->buffer and CHUNK_MAX
 * bytes of room behind FRAME_PAYLOAD_MAX in it; both live until the next receive. Waits at most
 * timeout_ms for it to begin (then -ETIMEDOUT without an answer); watches for the store's closing,
 * suspension, and for a newer stream. */
int session_receive(struct session *session, int timeout_ms, struct frame *ret_frame,
		    struct answer *answer);
int session_send(struct session *session, enum frame_type type, const ProtobufCMessage *message,
		 const void *payload, uint32_t payload_len, struct answer *answer);
/* Frames that may come at any time (PING, PONG, PEER_STATE): 1 handled, 0 not one of them, negative
 * with an answer. */
int session_handle_common(struct session *session, const struct frame *frame,
			  struct answer *answer);

#endif
