/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns a relationship, out of what is known: Pacemaker's placement and the engines'
 * announcements. Pure, so that every case stands in a table of golden tests.
 *
 * The rule: when both agree, that is the owner. When they disagree the relationship is MOVING,
 * until they agree or until the announcements are the newer evidence: then every engine concerned
 * has spoken since placement was read, and there is no reason to wait for the cluster database.
 */
#ifndef VMR_BROKER_ROUTE_H
#define VMR_BROKER_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/placement.h"
#include "proto/status.pb-c.h"

enum route_source {
	ROUTE_SOURCE_NONE,
	ROUTE_SOURCE_ANNOUNCEMENT, /* the owner's engine says so itself */
	ROUTE_SOURCE_PLACEMENT,	   /* the cluster database alone says so */
};
const char *
route_source_to_string(enum route_source source); /* "announcement", "placement", "none" */

/* What is known about one relationship. Times are monotonic milliseconds. Pointers are borrowed. */
struct route_evidence {
	bool placement_known; /* a snapshot was read and the resource is configured */
	enum placement_state placement;
	const char *placed_on;	     /* the node of RUNNING and MOVING; NULL = none */
	const char *placement_why;   /* a phrase for UNKNOWN, may be NULL */
	int64_t placement_ms;	     /* when the snapshot was read */
	bool placed_engine_known;    /* the engine on placed_on has said where it listens */
	bool placed_engine_complete; /* ... and has announced all of its VMs */
	int64_t placed_engine_ms;    /* ... at this time */
	const char *claimed_by; /* the node whose claim has the highest generation; NULL = nobody
				   claims it */
	bool claim_contested;	/* another node claims it with the same generation */
	bool claim_moving;	/* the claimer itself says that it is detaching */
	int64_t claim_ms;
};

struct route_verdict {
	const char *owner; /* NULL = nobody; while moving: the last node known, for display only */
	bool moving;	   /* do not send anybody there yet */
	enum route_source source;
	int64_t since_ms; /* age of the evidence */
	const char *why;  /* moving: a static phrase */
};

/* Judge the evidence. Never fails: what is unclear is moving. */
void route_judge(const struct route_evidence *evidence, struct route_verdict *ret_verdict);

#endif
