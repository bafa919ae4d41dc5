/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A listening TCP socket, and who comes to it. */
#ifndef VMR_COMMON_LISTEN_SOCKET_H
#define VMR_COMMON_LISTEN_SOCKET_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* A flood must not make the kernel drop who comes beside it (it takes net.core.somaxconn at most).
 */
#define LISTEN_BACKLOG	   4096
#define LISTEN_ADDRESS_LEN 64u

/* Bind and listen, non-blocking: a numeric address ("::" for both families, as far as the host has
 * them), port 0 = any. A descriptor, -EINVAL for an address that is none, or another negative
 * errno.
 */
int listen_socket_open(const char *address, uint16_t port);
uint16_t listen_socket_port(int fd); /* 0 when it cannot be told */
/* A peer's address as IPv6 (IPv4 mapped) for comparing, and in words as its admin knows it. */
void listen_socket_describe(const struct sockaddr_storage *address, socklen_t len,
			    struct in6_addr *ret_host, char ret_text[LISTEN_ADDRESS_LEN]);

#endif
