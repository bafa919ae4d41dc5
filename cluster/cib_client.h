/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's side of vmreplica-cib: spawns it over a socketpair, restarts it with back-off when
 * it dies, keeps the newest placement and settings, and matches answers to requests. Environment
 * VMREPLICA_CIB_HELPER names another program (tests).
 */
#ifndef VMR_CLUSTER_CIB_CLIENT_H
#define VMR_CLUSTER_CIB_CLIENT_H

#include <qb/qbloop.h>
#include <stdbool.h>

#include "cluster/cluster.h"
#include "cluster/placement.h"
#include "proto/frame.h"
#include "proto/ipc.pb-c.h"

#define CIB_CLIENT_REQUEST_TIMEOUT_MS 60000
#define CIB_CLIENT_REQUESTS_MAX	      256u
#define CIB_CLIENT_PLACEMENT_STALE_MS 150000 /* the helper reads at least every 60 s */

struct cib_client_callbacks {
	void (*placement_cb)(void *arg, const struct placement *placement);
	void (*settings_cb)(void *arg, const Vmreplica__Ipc__CibSettings *settings);
};

struct cib_client;

/* Start the helper from the loop. node is this node's name (copied). NULL when out of memory. */
struct cib_client *cib_client_new(qb_loop_t *loop, const char *node,
				  const struct cib_client_callbacks *callbacks, void *arg);
/* End the helper; what is pending is answered with -ECANCELED. NULL allowed. */
void cib_client_free(struct cib_client *client);

/* Newest snapshot; NULL before the first, and when it is older than CIB_CLIENT_PLACEMENT_STALE_MS
 * because the helper or Pacemaker does not answer. Borrowed. */
const struct placement *cib_client_placement(const struct cib_client *client);
const Vmreplica__Ipc__CibSettings *
cib_client_settings(const struct cib_client *client); /* or NULL */

/* Send a change. *id is the message's id field, which is set here; the message is borrowed for the
 * call. done is called once, from the loop: with the helper's answer, -ETIMEDOUT, or -ECONNRESET
 * when the helper died (the change may have been made: look at the settings). 0, -ENOTCONN while
 * there is no helper, -ENOBUFS, -ENOMEM. */
int cib_client_request(struct cib_client *client, enum frame_type type, ProtobufCMessage *message,
		       uint64_t *id, cluster_done_cb done, void *arg);
/* Answer done from the loop with an error and its sentence (copied), without asking the helper. 0
 * or -ENOMEM. */
int cib_client_refuse(struct cib_client *client, int error, const char *text, cluster_done_cb done,
		      void *arg);
/* Send a message that is not answered. Errors as above. */
int cib_client_tell(struct cib_client *client, enum frame_type type,
		    const ProtobufCMessage *message);

#endif
