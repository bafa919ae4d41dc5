/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/listen_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

static int socket_listen(const struct addrinfo *info)
{
	cleanup_close int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				      info->ai_protocol);
	int on = 1, off = 0;

	if (fd < 0) {
		return -errno;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	}
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		return -errno;
	}
	return steal_fd(&fd);
}

int listen_socket_open(const char *address, uint16_t port)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *info = NULL;
	char service[8];
	int fd;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(address, service, &hints, &info) != 0) {
		return -EINVAL;
	}
	fd = socket_listen(info);
	freeaddrinfo(info);
	return fd;
}

uint16_t listen_socket_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {0};
	socklen_t len = sizeof(address);

	if (getsockname(fd, &address.any, &len) < 0) {
		return 0;
	}
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
						       : address.v4.sin_port);
}

void listen_socket_describe(const struct sockaddr_storage *address, socklen_t len,
			    struct in6_addr *ret_host, char ret_text[LISTEN_ADDRESS_LEN])
{
	memset(ret_host, 0, sizeof(*ret_host));
	if (address->ss_family == AF_INET6) {
		*ret_host = ((const struct sockaddr_in6 *)address)->sin6_addr;
	} else if (address->ss_family == AF_INET) {
		ret_host->s6_addr[10] = ret_host->s6_addr[11] = 0xff;
		memcpy(&ret_host->s6_addr[12], &((const struct sockaddr_in *)address)->sin_addr, 4);
	}
	if (getnameinfo((const struct sockaddr *)address, len, ret_text, LISTEN_ADDRESS_LEN, NULL,
			0, NI_NUMERICHOST) != 0) {
		snprintf(ret_text, LISTEN_ADDRESS_LEN, "unknown");
	}
	/* An IPv4 peer of a socket for both families: in the form that its admin knows. */
	if (IN6_IS_ADDR_V4MAPPED(ret_host)) {
		(void)inet_ntop(AF_INET, &ret_host->s6_addr[12], ret_text, LISTEN_ADDRESS_LEN);
	}
}
