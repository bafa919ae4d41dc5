/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the broker answers to a LOCATE. A pure decision, golden-tested. */
#ifndef VMR_BROKER_LOCATE_H
#define VMR_BROKER_LOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/routing_table.h"
#include "cluster/authorization.h"
#include "common/config.h"

#define LOCATE_RETRY_MOVING_MS	 300u  /* a move is over within seconds */
#define LOCATE_RETRY_STARTING_MS 500u  /* the broker has just started and does not know all yet */
#define LOCATE_RETRY_STOPPED_MS	 5000u /* somebody has to start it again */

enum locate_answer {
	LOCATE_REDIRECT,
	LOCATE_RELAY, /* the caller makes the token */
	LOCATE_MOVING,
	LOCATE_NOT_FOUND,
	LOCATE_DENIED,
};
const char *locate_answer_to_string(enum locate_answer answer); /* "REDIRECT", ... */

struct locate_input {
	uint32_t version_min, version_max; /* the sender's */
	const char *relationship;
	bool relay_wanted;	  /* the owner could not be reached directly */
	const char *const *names; /* SANs of the peer, NULL-terminated */
	const struct authorization_table *authorizations;
	const struct route *route; /* NULL = not in the table */
	enum relay_mode relay;
	bool quorate;
	const char *missing; /* without quorum: who is absent and what to do */
	bool settled;	     /* configuration and placement were read since the start */
};

struct locate_output {
	enum locate_answer answer;
	uint32_t retry_ms;	     /* MOVING */
	char code[32];		     /* DENIED: a stable word */
	char reason[REASON_MAX + 1]; /* MOVING, NOT_FOUND, DENIED: a sentence */
};

void locate_decide(const struct locate_input *input, struct locate_output *ret_output);

/* The checks that every request of a peer passes first: protocol version and quorum. True when it
 * may go on; otherwise *ret_output is the DENIED answer. */
bool locate_connection_may_ask(const struct locate_input *input, struct locate_output *ret_output);

/* "b1.b.example, b.example" into buf, cut at its size. Returns buf. */
char *locate_names_join(const char *const *names, char *buf, size_t size);

#endif
