/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/net_door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/net_door_wire.h"
#include "common/unix_socket.h"

#define DOOR_CONNECT_MS 5000
#define DOOR_RESOLVE_S	60 /* names take what they take, beside the time to connect */

const char *net_door_path(void)
{
	const char *path = getenv(NET_DOOR_VARIABLE);

	return path == NULL || path[0] == '\0' ? NULL : path;
}

/* The answer, and the descriptor that came with it or -1. 0 or a negative errno. */
static int answer_receive(int fd, struct net_door_answer *ret_answer, int *ret_passed)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = ret_answer, .iov_len = sizeof(*ret_answer)};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

	*ret_passed = -1;
	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int))) {
		memcpy(ret_passed, CMSG_DATA(header), sizeof(int));
	}
	return n < 0 ? -errno : n != (ssize_t)sizeof(*ret_answer) ? -ECONNRESET : 0;
}

static int ask(const char *path, const struct net_door_request *request,
	       struct net_door_answer *ret_answer)
{
	cleanup_close int fd = unix_connect(path, DOOR_CONNECT_MS), passed = -1;
	struct timeval patience = {.tv_sec = request->timeout_ms / 1000 + DOOR_RESOLVE_S};
	int rc;

	if (fd < 0) {
		return fd;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    send(fd, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request)) {
		return -EPIPE;
	}
	rc = answer_receive(fd, ret_answer, &passed);
	if (rc < 0) {
		return rc == -EAGAIN ? -ETIMEDOUT : rc;
	}
	ret_answer->text[sizeof(ret_answer->text) - 1] = '\0';
	if (ret_answer->result < 0) {
		return ret_answer->result;
	}
	return passed < 0 ? -EPROTO : steal_fd(&passed);
}

int net_door_dial(const char *path, const char *host, uint16_t port, int timeout_ms,
		  char error[NET_DOOR_ERROR_LEN])
{
	struct net_door_request request = {.magic = NET_DOOR_MAGIC,
					   .action = NET_DOOR_DIAL,
					   .port = port,
					   .timeout_ms = timeout_ms};
	struct net_door_answer answer = {0};
	int rc;

	if (strlen(host) >= sizeof(request.host)) {
		snprintf(error, NET_DOOR_ERROR_LEN, "the name of a host is too long");
		return -ENAMETOOLONG;
	}
	memcpy(request.host, host, strlen(host));
	rc = ask(path, &request, &answer);
	if (rc < 0 && answer.text[0] != '\0') {
		snprintf(error, NET_DOOR_ERROR_LEN, "%s", answer.text);
	} else if (rc < 0) {
		snprintf(error, NET_DOOR_ERROR_LEN,
			 "%.100s does not connect us: %s; does vmreplica-net.service run?", path,
			 strerror(-rc));
	}
	return rc;
}

int net_door_listen(const char *path, const char *address, uint16_t port)
{
	struct net_door_request request = {
		.magic = NET_DOOR_MAGIC, .action = NET_DOOR_LISTEN, .port = port};
	struct net_door_answer answer = {0};

	if (strlen(address) >= sizeof(request.host)) {
		return -EINVAL;
	}
	memcpy(request.host, address, strlen(address));
	return ask(path, &request, &answer);
}
