/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster's single access point for other sites: one TCP listener on the virtual address, for
 * requests of wire.proto under TLS and for relayed streams that name a token as their server name.
 * Bounded in connections (common/admission.h), requests, time and memory. Control thread only.
 */
#ifndef VMR_BROKER_ACCESS_POINT_H
#define VMR_BROKER_ACCESS_POINT_H

#include <qb/qbloop.h>

#include "broker/peer_session.h"
#include "common/admission.h"
#include "common/tls.h"

#define ACCESS_HANDSHAKE_MS    10000  /* from accept to the end of the TLS handshake */
#define ACCESS_IDLE_MS	       120000 /* between requests */
#define ACCESS_PENDING_MAX     512u   /* whose handshake is not done */
#define ACCESS_PER_ADDRESS_MAX 64u    /* of them; one site may sit behind one address */
#define ACCESS_CONNECTIONS_MAX 1024u  /* whose is */
#define ACCESS_PER_PEER_MAX    256u   /* of them, of one site */
#define ACCESS_RATE	       2000u /* requests a second of one site; above, it waits for its answers */
#define ACCESS_BURST	       4000u
#define ACCESS_RATE_NONE       UINT32_MAX
#define ACCESS_HELLO_MAX       16389u /* one TLS record with its header */

struct access_options {
	const char *address;	   /* numeric IPv4 or IPv6; "" = any. Borrowed for the call */
	uint16_t port;		   /* 0 = any free one (tests) */
	int handshake_ms, idle_ms; /* 0 = the defaults above */
	unsigned pending_max, per_address_max, connections_max, per_peer_max; /* 0 = as above */
	unsigned rate; /* 0 = as above; ACCESS_RATE_NONE = no limit */
};

struct access_callbacks {
	/* A request came in, checked by validate_frame. Answer it now or later with one
	 * peer_session_reply; later, find the session again by its id, because it may be gone.
	 * message is borrowed for the call. */
	void (*request_cb)(void *arg, struct peer_session *session, enum frame_type type,
			   const ProtobufCMessage *message);
	/* Somebody shows a relay token. fd is taken: non-blocking, on no loop, nothing read from
	 * it. */
	void (*relay_cb)(void *arg, int fd, const char *token, const char *address);
	/* A peer has shaken hands. For the record: its certificate. */
	void (*met_cb)(void *arg, const struct peer_session *session);
	/* A connection was refused before it could ask anything (certificate, malformed, limits).
	 * For the record. */
	void (*refused_cb)(void *arg, const char *address, const char *reason);
};

struct access_point;

/* Bind and listen (needs the privilege to; retries for a while when the address is not there yet),
 * but accept nothing. 0 with *ret_point, or a negative errno. Blocking, at most 3 s. tls: a
 * reference is taken. */
int access_point_open(qb_loop_t *loop, const struct access_options *options,
		      struct tls_context *tls, const struct access_callbacks *callbacks, void *arg,
		      struct access_point **ret_point);
/* Begin to accept. 0 or a negative errno. */
int access_point_start(struct access_point *point);
void access_point_free(struct access_point *point); /* closes all; NULL allowed */

/* Use other certificates from now on; connections that stand live on. */
void access_point_set_tls(struct access_point *point, struct tls_context *tls);
struct peer_session *access_point_find(struct access_point *point, uint64_t id); /* NULL = gone */
uint16_t access_point_port(const struct access_point *point);
size_t access_point_count(const struct access_point *point);

/* ---- for peer_session.c ---- */

struct tls_context *access_point_tls(const struct access_point *point);
const struct access_callbacks *access_point_callbacks(const struct access_point *point,
						      void **ret_arg);
qb_loop_t *access_point_loop(const struct access_point *point);
int access_point_idle_ms(const struct access_point *point);
struct admission *access_point_admission(struct access_point *point);
/* Bring the session's poll entry in line with session->events, or tear it down when it is over. */
void access_point_settle(struct access_point *point, struct peer_session *session);

#endif
