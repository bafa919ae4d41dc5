/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Admin requests between the daemons of one cluster, over its CPG group: a Forward carries the
 * request in one message, the answer comes back as ForwardReply pieces below CPG_MESSAGE_MAX.
 * Engine and broker each hold one `struct forward`. Everything here is on the control thread and
 * none of it blocks.
 *
 *   asker                                  the one asked
 *   forward_request ---- Forward --------> forward_handle_message -> handler_cb(from, id, request)
 *   reply_cb <---------- ForwardReply x n  forward_reply(from, id, response)
 */
#ifndef VMR_CLUSTER_FORWARD_H
#define VMR_CLUSTER_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "proto/limits.h"

/* The broker's name, wherever it runs. An engine's name is its node's. */
#define FORWARD_BROKER	    "@broker"
#define FORWARD_PIECE_MAX   (CPG_MESSAGE_MAX - 2048u) /* bytes of an answer in one message */
#define FORWARD_PENDING_MAX 256u		      /* own requests without an answer */

struct forward;

/* A request for us: answer it, now or later, with exactly one forward_reply(forward, from, id,
 * ...). from and request are borrowed for the call: copy what is kept. */
typedef void (*forward_handler_cb)(void *arg, const char *from, uint64_t id,
				   const Vmreplica__Admin__Request *request);
/* The outcome of forward_request, once: error 0 with the answer (borrowed for the call; its own
 * error field is the other side's verdict), or a negative errno and response NULL: -ETIMEDOUT
 * (nobody answered), -EBADMSG (broken pieces), -ECANCELED (forward_free). Never called from inside
 * forward_request. */
typedef void (*forward_reply_cb)(void *arg, int error, const Vmreplica__Admin__Response *response);

/* cluster is borrowed, self_name copied: this node's name, or FORWARD_BROKER. NULL when out of
 * memory. */
struct forward *forward_new(struct cluster *cluster, const char *self_name,
			    forward_handler_cb handler, void *arg);
/* Calls the reply_cb of everything that still waits with -ECANCELED. NULL allowed. */
void forward_free(struct forward *forward);

/* Ask `to` (a node's name or FORWARD_BROKER). 0: reply will be called within timeout_ms. Otherwise
 * it is not called: -EMSGSIZE (request does not fit into one message), -ENOBUFS (too many wait),
 * -ENOTCONN (no group), -ENOMEM. */
int forward_request(struct forward *forward, const char *to,
		    const Vmreplica__Admin__Request *request, int timeout_ms,
		    forward_reply_cb reply, void *arg);

/* Answer request id of `from` (both as given to the handler). An answer above
 * FRAME_ADMIN_MESSAGE_MAX is replaced by an error that says so. 0, or a negative errno when the
 * group cannot be reached: the asker then times out. */
int forward_reply(struct forward *forward, const char *from, uint64_t id,
		  const Vmreplica__Admin__Response *response);

/* Give every message of the group here (our own too). True when it was a Forward or ForwardReply,
 * whoever it is for. */
bool forward_handle_message(struct forward *forward, const Vmreplica__Cluster__Message *message);

#endif
