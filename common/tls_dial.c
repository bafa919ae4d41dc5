/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/net_door.h"

#define TLS_KEEPALIVE_IDLE_S	 10
#define TLS_KEEPALIVE_INTERVAL_S 5
#define TLS_KEEPALIVE_COUNT	 3
#define TLS_USER_TIMEOUT_MS	 25000

static void tls_socket_option(int fd, int level, int name, int value)
{
	/* Comfort, not correctness: a kernel without the option still replicates. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void tls_socket_tune(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
	    address.ss_family == AF_UNIX) {
		return;
	}
	tls_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	tls_socket_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	tls_socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, TLS_KEEPALIVE_IDLE_S);
	tls_socket_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, TLS_KEEPALIVE_INTERVAL_S);
	tls_socket_option(fd, IPPROTO_TCP, TCP_KEEPCNT, TLS_KEEPALIVE_COUNT);
	tls_socket_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, TLS_USER_TIMEOUT_MS);
}

void tls_socket_peer(int fd, char buf[TLS_PEER_ADDRESS_LEN])
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getpeername(fd, (struct sockaddr *)&address, &len) < 0 ||
	    address.ss_family == AF_UNIX ||
	    getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		snprintf(buf, TLS_PEER_ADDRESS_LEN, "local");
		return;
	}
	/* A dual-stack listener shows IPv4 peers in mapped form; admins know them without it. */
	if (strncmp(host, "::ffff:", 7) == 0 && strchr(host, '.') != NULL) {
		snprintf(buf, TLS_PEER_ADDRESS_LEN, "%.50s:%.8s", host + 7, port);
	} else {
		snprintf(buf, TLS_PEER_ADDRESS_LEN,
			 address.ss_family == AF_INET6 ? "[%.50s]:%.8s" : "%.50s:%.8s", host, port);
	}
}

static int tls_connect_wait(int fd, int64_t deadline_ms)
{
	struct pollfd entry = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		int n = poll(&entry, 1, left > 0 ? (int)left : 0);

		if (n > 0) {
			break;
		}
		if (n == 0) {
			return -ETIMEDOUT;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
		return -errno;
	}
	return -error;
}

static int tls_connect(const struct addrinfo *to, int64_t deadline_ms)
{
	cleanup_close int fd = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
				      to->ai_protocol);
	int r;

	if (fd < 0) {
		return -errno;
	}
	tls_socket_tune(fd);
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0) {
		if (errno != EINPROGRESS) {
			return -errno;
		}
		r = tls_connect_wait(fd, deadline_ms);
		if (r < 0) {
			return r;
		}
	}
	return steal_fd(&fd);
}

/* Each address gets an equal share of what time is left. */
static int tls_connect_any(const struct addrinfo *list, int timeout_ms)
{
	int64_t end = clock_monotonic_ms() + timeout_ms;
	int left = 0, r = -EHOSTUNREACH;

	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
		left++;
	}
	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next, left--) {
		int64_t now = clock_monotonic_ms();

		r = tls_connect(at, now + (end > now ? end - now : 0) / left);
		if (r >= 0) {
			return r;
		}
	}
	return r;
}

static int tls_resolve_error(int code)
{
	switch (code) {
	case EAI_SYSTEM:
		return errno != 0 ? -errno : -EIO;
	case EAI_AGAIN:
		return -EHOSTUNREACH;
	case EAI_MEMORY:
		return -ENOMEM;
	default:
		return -ENOENT;
	}
}

int tls_dial(const char *host, uint16_t port, int timeout_ms, char error[TLS_ERROR_LEN])
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	const char *door = net_door_path();
	char service[8];
	int r;

	if (door != NULL) {
		return net_door_dial(door, host, port, timeout_ms, error);
	}
	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0) {
		int code = tls_resolve_error(r);

		snprintf(error, TLS_ERROR_LEN,
			 "the name %.128s cannot be resolved: %s; give an address or correct DNS",
			 host, gai_strerror(r));
		return code;
	}
	r = tls_connect_any(list, timeout_ms);
	freeaddrinfo(list);
	if (r < 0) {
		snprintf(error, TLS_ERROR_LEN,
			 "%.128s port %u cannot be reached: %s; check that it runs there and that "
			 "no firewall is between",
			 host, port, strerror(-r));
	}
	return r;
}
