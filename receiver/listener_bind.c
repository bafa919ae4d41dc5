/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/listen_socket.h"
#include "common/net_door.h"
#include "receiver/listener.h"

#define BIND_WAIT_MS 5000

int listener_bind(const char *address, uint16_t port, int *ret_fd, char error[LISTENER_ERROR_LEN])
{
	const char *door = net_door_path();
	int64_t deadline_ms = clock_monotonic_ms() + BIND_WAIT_MS;
	int fd;

	if (address[0] == '\0') {
		address = "::";
	}
	for (;;) {
		fd = door != NULL ? net_door_listen(door, address, port)
				  : listen_socket_open(address, port);
		if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && strcmp(address, "::") == 0) {
			address = "0.0.0.0"; /* a host without IPv6 */
			continue;
		}
		if (fd != -EADDRINUSE || clock_monotonic_ms() > deadline_ms) {
			break;
		}
		clock_sleep_ms(200);
	}
	if (fd < 0) {
		snprintf(error, LISTENER_ERROR_LEN, "cannot listen on %.100s port %u: %s", address,
			 port,
			 fd == -EINVAL ? "not a numeric address: see [node] listen"
				       : strerror(-fd));
		return fd;
	}
	*ret_fd = fd;
	return 0;
}

uint16_t listener_port(int fd)
{
	return listen_socket_port(fd);
}
