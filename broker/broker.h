/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker as a whole: what its services share. One control thread (a qb_loop) runs all of it,
 * but the bytes of relayed streams (relay threads) and name lookups (one worker).
 *
 *   broker.c          wiring: start, the cluster's callbacks into the tables, stop
 *   locate_service.c  LOCATE from peers
 *   enrollment.c      ENROLL and WITHDRAW from peers
 *   query_service.c   QUERY from peers; order_service.c: ORDER
 *   relay_service.c   relay tokens shown at the access point
 *   admin_service.c   requests of admins, from the local socket and over the group
 */
#ifndef VMR_BROKER_BROKER_H
#define VMR_BROKER_BROKER_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/access_point.h"
#include "broker/denial_ring.h"
#include "broker/locate.h"
#include "broker/relay.h"
#include "broker/routing_table.h"
#include "broker/token_table.h"
#include "cluster/authorize.h"
#include "cluster/cluster.h"
#include "cluster/forward.h"
#include "common/config.h"
#include "common/tls_expiry.h"
#include "common/workers.h"

#define BROKER_MISSING_LEN 512u
#define BROKER_ERROR_LEN   512u

struct enrollment;
struct admin_socket;
struct authorize_change;

struct broker_options {
	const char *address; /* virtual address, numeric; "" = any */
	uint16_t port;
	enum relay_mode relay;
	const char *socket_path;  /* admin socket */
	const char *socket_group; /* who may use it besides root; NULL = nobody */
	unsigned request_rate;	  /* access_options.rate; 0 = its default */
};

struct broker {
	qb_loop_t *loop;	       /* borrowed */
	const struct config *config;   /* borrowed */
	struct broker_options options; /* its strings are borrowed */
	struct cluster cluster;
	bool cluster_started;
	struct forward *forward;
	struct routing_table *routes;
	struct authorization_table authorizations;
	struct token_table *tokens;
	struct denial_ring denials;
	struct tls_expiry_notes expiries; /* peers' certificates that were told of */
	struct relay *relay;
	struct workers *resolver; /* one thread: owners may be announced by name */
	struct access_point *access_point;
	struct enrollment *enrollment;
	struct admin_socket *admin_socket;
	struct authorizer *authorizer;
	struct tls_context *tls;
	struct tls_store *certificates; /* tells when their files have changed */
	uint64_t certificates_generation;
	qb_loop_timer_handle certificates_timer;
	bool quorate;
	char missing[BROKER_MISSING_LEN]; /* without quorum: who is absent, what to do */
	bool joined;			  /* the group hears us */
	bool have_settings, have_placement;
	bool serving;  /* peers are accepted */
	bool closing;  /* in broker_close: the group may be gone */
	uint64_t boot; /* random per start */
	uint64_t lookups;
	int64_t started_ms; /* monotonic */
	uid_t starter;	    /* who started us, before privileges were given up */
	/* Called once, when the group hears us and the cluster's configuration is read. */
	void (*ready_cb)(void *arg);
	/* Called when the broker cannot go on: its process should end with a failure. */
	void (*failed_cb)(void *arg, const char *why);
	void *arg;
};

/* Open what may need privileges (certificates, listener, admin socket) and connect to the cluster;
 * nothing is served yet. *broker is zeroed but for loop, config, options and the two callbacks. 0,
 * or a negative errno with a sentence. */
int broker_open(struct broker *broker, char error[BROKER_ERROR_LEN]);
/* Start the threads and serve. After ready_cb, and after privileges were given up. 0 or a negative
 * errno. */
int broker_serve(struct broker *broker);
/* Tell the group, and release everything. Also after a failed open. */
void broker_close(struct broker *broker);

/* Read the certificates again; the old ones stay in use when that fails. 0 or -EINVAL (logged). */
int broker_reload(struct broker *broker);

/* ---- for the services ---- */

/* The configuration and the first placement have been read. */
bool broker_is_settled(const struct broker *broker);
/* End the loop; what waits is still sent. */
void broker_stop(struct broker *broker);
/* Remember a refusal, and log it when it is news. */
/* Tell the group; a failure is logged. */
void broker_multicast(struct broker *broker, const Vmreplica__Cluster__Message *message);
/* A peer has shaken hands: is its certificate about to run out? */
void broker_note_peer(struct broker *broker, const struct peer_session *session);
/* Show something in `vmreplica events`, and log it. severity: "notice", "warning" or "error". */
void broker_event(struct broker *broker, const char *severity, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void broker_record_denial(struct broker *broker, const char *peer, const char *reason);
/* Ask all engines to announce themselves. */
void broker_solicit(struct broker *broker);
/* Tell the group that we are (or cease to be) the active broker. */
void broker_announce(struct broker *broker, bool active);
/* "b1.b.example, b.example (192.0.2.7)" into buf. Returns buf. */
char *broker_peer_label(const struct peer_session *session, char *buf, size_t size);

#endif
