/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP for who has none: on a host without a cluster the engine's unit, which is root, has a network
 * namespace without a network. A process without privileges, vmreplica-net, makes the connections
 * and hands them over.
 */
#ifndef VMR_COMMON_NET_DOOR_H
#define VMR_COMMON_NET_DOOR_H

#include <stdint.h>
#include <sys/types.h>

#define NET_DOOR_VARIABLE  "VMREPLICA_NET" /* the socket's path; unset: we have a network */
#define NET_DOOR_ERROR_LEN 256

/* ---- who asks ---- */

/* NULL: connections are ours to make. */
const char *net_door_path(void);
/* As tls_dial() and listen_socket_open(). A descriptor, or a negative errno; with a sentence.
 * Blocking. */
int net_door_dial(const char *path, const char *host, uint16_t port, int timeout_ms,
		  char error[NET_DOOR_ERROR_LEN]);
int net_door_listen(const char *path, const char *address, uint16_t port);

/* ---- who answers ---- */

/* For ever, on a Unix socket that listens; nobody but root and owner is heard. Returns a negative
 * errno when there is no going on. */
int net_door_serve(int fd, uid_t owner);

#endif
