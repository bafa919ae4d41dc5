/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thread for each request: names and hosts that do not answer must not delay the others. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/listen_socket.h"
#include "common/log.h"
#include "common/net_door_wire.h"
#include "common/tls.h"

#define REQUESTS_MAX 64 /* at once: the engine's workers are fewer */
#define REQUEST_S    10 /* to say what one wants, and to take it */
#define DIAL_MAX_MS  120000

_Static_assert(NET_DOOR_ERROR_LEN >= TLS_ERROR_LEN, "tls_dial's sentence fits");

static sem_t room;

static int fulfil(const struct net_door_request *request, struct net_door_answer *answer)
{
	if (request->magic != NET_DOOR_MAGIC || request->port > UINT16_MAX ||
	    request->timeout_ms < 0 || request->timeout_ms > DIAL_MAX_MS ||
	    memchr(request->host, '\0', sizeof(request->host)) == NULL) {
		snprintf(answer->text, sizeof(answer->text),
			 "vmreplica-net does not know what is asked: restart its service");
		return -EINVAL;
	}
	switch (request->action) {
	case NET_DOOR_DIAL:
		return tls_dial(request->host, (uint16_t)request->port, request->timeout_ms,
				answer->text);
	case NET_DOOR_LISTEN:
		return listen_socket_open(request->host, (uint16_t)request->port);
	default:
		return -EINVAL;
	}
}

static void answer_send(int fd, const struct net_door_answer *answer, int passed)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof(*answer)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (passed >= 0) {
		struct cmsghdr *header = &control.align;

		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &passed, sizeof(int));
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
		log_info("who asked for a connection is gone: %s", strerror(errno));
	}
}

static void *request_run(void *arg)
{
	cleanup_close int fd = (int)(intptr_t)arg, made = -1;
	struct net_door_request request;
	struct net_door_answer answer = {0};

	if (recv(fd, &request, sizeof(request), MSG_WAITALL) == (ssize_t)sizeof(request)) {
		made = fulfil(&request, &answer);
		answer.result = made < 0 ? made : 0;
		answer_send(fd, &answer, made);
	}
	sem_post(&room);
	return NULL;
}

static bool is_heard(int fd, uid_t owner)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == owner);
}

/* fd is taken. */
static void request_begin(int fd, uid_t owner)
{
	const struct timeval patience = {.tv_sec = REQUEST_S};
	pthread_t thread;

	if (is_heard(fd, owner) &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    pthread_create(&thread, NULL, request_run, (void *)(intptr_t)fd) == 0) {
		pthread_detach(thread);
		return;
	}
	close(fd);
	sem_post(&room);
}

int net_door_serve(int fd, uid_t owner)
{
	if (sem_init(&room, 0, REQUESTS_MAX) < 0) {
		return -errno;
	}
	for (;;) {
		int accepted;

		while (sem_wait(&room) < 0) {
		}
		accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (accepted >= 0) {
			request_begin(accepted, owner);
			continue;
		}
		sem_post(&room);
		if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
			return -errno;
		}
	}
}
