/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's talk with the other side's broker: LOCATE, ENROLL, WITHDRAW. One TLS connection a
 * question. Blocking: workers only. A failure fills *trouble and returns a negative errno.
 */
#ifndef VMR_ENGINE_LOCATE_CLIENT_H
#define VMR_ENGINE_LOCATE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/canceller.h"
#include "engine/sentence_list.h"
#include "common/tls_store.h"
#include "engine/trouble.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"

#define LOCATE_HOST_LEN	 256
#define LOCATE_TOKEN_LEN 256

struct locate_client {
	struct tls_store *tls;	     /* borrowed */
	struct canceller *canceller; /* borrowed; may be NULL */
	const char *host; /* the broker, as configured: also what its certificate must carry */
	uint16_t port;
};

enum locate_kind {
	LOCATE_DIRECT, /* REDIRECT: dial host:port */
	LOCATE_RELAY,  /* dial the broker with token as server name */
	LOCATE_ABSENT, /* NOT_FOUND */
};

struct locate_answer {
	enum locate_kind kind;
	char node[NODE_NAME_MAX + 1];
	char host[LOCATE_HOST_LEN];
	uint16_t port;
	char name[SITE_NAME_MAX + 1]; /* what the owner's certificate must carry */
	char token[LOCATE_TOKEN_LEN];
	char reason[REASON_MAX]; /* of NOT_FOUND */
};

/* Where is the owner of relationship's replica? relay: it could not be reached directly. MOVING and
 * DENIED are troubles. */
int locate_client_ask(const struct locate_client *client, const char *relationship, bool relay,
		      struct locate_answer *ret_answer, struct trouble *trouble);

struct locate_enrolled {
	char resource[RESOURCE_ID_MAX + 1];
	char node[NODE_NAME_MAX + 1];
	char storage[PATH_LEN_MAX + 1];
	char site[SITE_NAME_MAX + 1];
	struct sentence_list warnings; /* what of the VM cannot be had there */
};
void locate_enrolled_destroy(struct locate_enrolled *enrolled);
/* Have the replica's resource made (or found again). enroll->version is filled in here; the rest is
 * the caller's. *ret_enrolled begins as {0} and is destroyed by the caller whatever comes of it. */
int locate_client_enroll(const struct locate_client *client, Vmreplica__Wire__Enroll *enroll,
			 struct locate_enrolled *ret_enrolled, struct trouble *trouble);
/* Have it taken apart; keep_store leaves the replica's files. */
int locate_client_withdraw(const struct locate_client *client, const char *relationship,
			   const char *site, bool keep_store, struct trouble *trouble);

/* The protocol versions that we speak, for HELLO and the frames above. */
void locate_fill_version(Vmreplica__Wire__Version *version);

#endif
