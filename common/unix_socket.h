/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unix stream sockets of the admin interface, and the peer's credentials. */
#ifndef VMR_COMMON_UNIX_SOCKET_H
#define VMR_COMMON_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/* Listen on path (a stale socket is replaced; a live one: -EADDRINUSE), owner root, the group named
 * (NULL: none), the mode given. Returns the listening fd (non-blocking, close-on-exec) or a
 * negative errno. */
int unix_listen(const char *path, const char *group, mode_t mode);
/* Connect, waiting timeout_ms at most. A blocking fd (close-on-exec) or a negative errno. */
int unix_connect(const char *path, int timeout_ms);
/* True when the peer at fd is root or has the named group as its primary or a supplementary one
 * (SO_PEERCRED, SO_PEERGROUPS). */
bool unix_peer_is_allowed(int fd, const char *group, uid_t *ret_uid);

#endif
