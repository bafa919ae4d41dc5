/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shared libvirt connection: opened when first needed, opened anew after it broke. Private to
 * source*.c. Opening may hang for as long as libvirtd does, so only call threads (source_call.h)
 * take the connection.
 */
#ifndef VMR_ENGINE_SOURCE_CONNECTION_H
#define VMR_ENGINE_SOURCE_CONNECTION_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "engine/source.h"

struct source_connection *source_connection_ref(struct source_connection *connection);
void source_connection_unref(struct source_connection *connection);

/* A live libvirt connection; give the reference back with virConnectClose. Blocks without bound
 * while libvirtd hangs. 0, or -ENOTCONN with a sentence. */
int source_connection_take(struct source_connection *connection, virConnectPtr *ret_conn,
			   char error[SOURCE_ERROR_LEN]);
/* True once the owner has let go: calls that repeat themselves end then. */
bool source_connection_is_closing(struct source_connection *connection);

/* Where it connects to. Borrowed, never NULL. */
const char *source_connection_uri(const struct source_connection *connection);

/* How long a call that would wait timeout_ms should wait: less while libvirtd is known to hang. 0 =
 * refuse, because too many calls hang already. */
int64_t source_connection_patience(struct source_connection *connection, int64_t timeout_ms);
/* Count calls whose callers gave up on them (+1) until they come back (-1). */
void source_connection_count_hanging(struct source_connection *connection, int change);

/* The sockets of jobs that a struct source_job of this process watches: the others of ours are
 * orphans. */
int source_connection_job_add(struct source_connection *connection,
			      const char *socket_path); /* 0 or -ENOMEM */
void source_connection_job_remove(struct source_connection *connection, const char *socket_path);
bool source_connection_job_is_watched(struct source_connection *connection,
				      const char *socket_path);

#endif
