/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker's admin socket: a Unix stream socket for root and one group, one request at a time per
 * connection. */
#ifndef VMR_BROKER_ADMIN_SOCKET_H
#define VMR_BROKER_ADMIN_SOCKET_H

#include "broker/broker.h"
#include "proto/admin.pb-c.h"

#define ADMIN_CONNECTIONS_MAX 64u

/* Listen on path. 0 with *ret_socket, or a negative errno. broker is borrowed. */
int admin_socket_open(struct broker *broker, const char *path, const char *group,
		      struct admin_socket **ret_socket);
void admin_socket_free(struct admin_socket *socket); /* NULL allowed */
/* Answer connection id, if it is still there. */
void admin_socket_answer(struct admin_socket *socket, uint64_t id,
			 const Vmreplica__Admin__Response *response);

#endif
