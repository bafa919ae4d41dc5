/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to a daemon over its Unix socket, and its answer. Blocking, each with a deadline. */
#ifndef VMR_ADMIN_CLIENT_H
#define VMR_ADMIN_CLIENT_H

#include "admin/command.h"
#include "proto/admin.pb-c.h"
#include "proto/arena.h"

#define CLIENT_TIMEOUT_MS 20000 /* longer than a daemon waits for another node's answer */

struct client {
	struct arena arena; /* holds the last answer */
	bool lost;	    /* client_ask failed because the engine gave no answer at all */
};

void client_init(struct client *client);
void client_destroy(struct client *client);

/* Socket of a daemon ("engine" or "broker") into buf: VMREPLICA_SOCKET, or <name>.sock in
 * VMREPLICA_RUNDIR, or in /run/vmreplica. Returns buf. */
char *client_socket_path(const char *daemon, char *buf, size_t size);

/* Does anybody listen on the engine's socket? */
bool client_engine_listens(const struct common_options *common);

/* Ask over the socket at path. 0 with *ret_response (owned by client, until its next use), whatever
 * the answer says; otherwise a negative errno: -ENOENT or -ECONNREFUSED (no daemon), -EACCES,
 * -ETIMEDOUT, -ECONNRESET (it went away), -EBADMSG, -EPROTO. Prints nothing. */
int client_exchange(struct client *client, const char *path,
		    const Vmreplica__Admin__Request *request, int timeout_ms,
		    const Vmreplica__Admin__Response **ret_response);

/* The same over the engine's socket. */
int client_exchange_engine(struct client *client, const struct common_options *common,
			   const Vmreplica__Admin__Request *request, int timeout_ms,
			   const Vmreplica__Admin__Response **ret_response);

/* What client_exchange_engine gave (rc, response): STATUS_DONE when it is an answer of kind
 * `expected`, or the exit status after the complaint is printed. */
int client_judge(struct client *client, const struct common_options *common, int rc,
		 const Vmreplica__Admin__Response *response,
		 Vmreplica__Admin__Response__BodyCase expected);

/* Ask the engine and expect an answer of kind `expected`. STATUS_DONE with *ret_response (owned by
 * client, until its next use), or the exit status after the complaint is printed. */
int client_ask(struct client *client, const struct common_options *common,
	       const Vmreplica__Admin__Request *request, int timeout_ms,
	       Vmreplica__Admin__Response__BodyCase expected,
	       const Vmreplica__Admin__Response **ret_response);

#endif
