/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of another site to the access point, from accept to close. Its life:
 *
 *   SNIFFING   look (MSG_PEEK) at the ClientHello in the kernel's buffer, in however many pieces it
 * comes
 *              -> a relay token: the descriptor goes to the relay untouched, the session ends
 *   HANDSHAKE  TLS 1.3, mutual
 *   OPEN       one request at a time, answered before the next is read; kept for several
 *
 * Callbacks only mark a session as over; access_point.c tears it down in one place.
 */
#ifndef VMR_BROKER_PEER_SESSION_H
#define VMR_BROKER_PEER_SESSION_H

#include <netinet/in.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/admission.h"
#include "common/buffer.h"
#include "common/listen_socket.h"
#include "common/tls.h"
#include "proto/frame.h"

#define PEER_ADDRESS_LEN LISTEN_ADDRESS_LEN

enum peer_state {
	PEER_SNIFFING,
	PEER_HANDSHAKE,
	PEER_OPEN,
	PEER_OVER, /* to be torn down */
};

struct access_point;

struct peer_session {
	struct peer_session *next, *prev;  /* in the access point's list */
	struct access_point *access_point; /* borrowed */
	uint64_t id;
	enum peer_state state;
	int fd;				/* owned while conn is NULL; -1 once handed over */
	struct tls_conn *conn;		/* owned */
	struct admission_ticket ticket; /* what it takes of the connections that there may be */
	char address[PEER_ADDRESS_LEN]; /* numeric: for the log */
	int64_t deadline_ms;		/* monotonic: handshake or idle limit */
	int64_t wait_ms; /* monotonic: its site asks too much; nothing is read before then */
	size_t sniffed;	 /* bytes of the ClientHello seen so far */
	uint8_t header[FRAME_HEADER_LEN];
	struct frame_header frame;
	bool have_header;
	size_t have_bytes; /* of the header, then of the message */
	uint8_t *message;  /* owned; of the frame being read */
	bool busy;	   /* a request waits for its answer */
	bool stepping;	   /* inside peer_session_step: it sends what is queued by itself */
	struct byte_buffer out;
	int events; /* what the loop waits for */
	qb_loop_timer_handle
		resume_timer; /* decrypted requests are left, and poll would not tell */
	bool resume_armed;
};

/* Send the answer to the request that was handed out. Control thread. The session may be over
 * afterwards (marked). */
void peer_session_reply(struct peer_session *session, enum frame_type type,
			const ProtobufCMessage *message);
/* SANs of the peer's certificate, NULL-terminated; NULL before PEER_OPEN. */
const char *const *peer_session_names(const struct peer_session *session);
/* Until when its certificate holds (wall clock); 0 before PEER_OPEN. */
int64_t peer_session_not_after_ms(const struct peer_session *session);
/* Does the peer's certificate carry host, a DNS name or an address? */
bool peer_session_carries(const struct peer_session *session, const char *host);

/* ---- for access_point.c ---- */

/* Go on after an event. Marks the session over on any failure. */
void peer_session_step(struct peer_session *session);
/* Release all it owns and the session itself (not its place in the list). */
void peer_session_free(struct peer_session *session);

#endif
