/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/local_group.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cluster/message_queue.h"
#include "cluster/retry.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/arena.h"
#include "proto/limits.h"

#define SEND_RETRY_MS	 10
#define CONNECT_RETRY_MS 1000 /* a local socket: no need to back off further */

struct local_group {
	qb_loop_t *loop;
	char *path, *node, *member; /* owned */
	bool listens;
	struct group_callbacks callbacks;
	void *arg;
	int listener;		       /* -1: none */
	int peer;		       /* the other process, or -1 */
	char *peer_node, *peer_member; /* owned; NULL until it said what it is */
	bool joined;
	struct retry start_retry, send_retry, loop_retry;
	struct message_queue to_peer, to_self;
};

static void peer_lost(struct local_group *group)
{
	char *node = steal_ptr(group->peer_node);
	char *member = steal_ptr(group->peer_member);

	if (group->peer >= 0) {
		(void)qb_loop_poll_del(group->loop, group->peer);
		close(group->peer);
		group->peer = -1;
	}
	retry_destroy(&group->send_retry);
	message_queue_clear(&group->to_peer);
	if (node != NULL && member != NULL && group->callbacks.member_cb != NULL) {
		group->callbacks.member_cb(group->arg, node, member, false);
	}
	free(node);
	free(member);
	if (!group->listens) {
		retry_after(&group->start_retry, CONNECT_RETRY_MS);
	}
}

static void peer_learn(struct local_group *group, const Vmreplica__Cluster__Presence *presence)
{
	if (group->peer_node != NULL) {
		return;
	}
	group->peer_node = strdup(presence->node);
	group->peer_member = strdup(presence->member);
	if (group->peer_node == NULL || group->peer_member == NULL) {
		log_error("no memory for the %s of this host", presence->member);
		return;
	}
	if (group->callbacks.member_cb != NULL) {
		group->callbacks.member_cb(group->arg, group->peer_node, group->peer_member, true);
	}
}

static void message_handle(struct local_group *group, const void *data, size_t len, bool from_self)
{
	Vmreplica__Cluster__Message *message;
	struct arena arena;

	message = message_unpack(data, len, &arena);
	if (message == NULL) {
		log_warning("dropped a malformed message (%zu bytes) of this host's group", len);
	} else if (message->body_case == VMREPLICA__CLUSTER__MESSAGE__BODY_PRESENCE) {
		if (!from_self) {
			peer_learn(group, message->presence);
		}
	} else if (group->callbacks.message_cb != NULL) {
		group->callbacks.message_cb(group->arg, message, from_self);
	}
	arena_reset(&arena);
}

/* Our own messages come back from the loop, never inside send. */
static void loopback_cb(void *arg)
{
	struct local_group *group = arg;
	size_t count = group->to_self.count; /* what comes on top waits for the next turn */

	while (count-- > 0) {
		struct queued_message *first = message_queue_first(&group->to_self);

		message_handle(group, first->data, first->len, true);
		message_queue_drop_first(&group->to_self);
	}
	if (group->to_self.count > 0) {
		retry_after(&group->loop_retry, 0);
	}
}

static void peer_flush(struct local_group *group)
{
	struct queued_message *first;

	while (group->peer >= 0 && (first = message_queue_first(&group->to_peer)) != NULL) {
		if (send(group->peer, first->data, first->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			/* A broken connection shows itself on the descriptor and ends there. */
			retry_after(&group->send_retry, SEND_RETRY_MS);
			return;
		}
		message_queue_drop_first(&group->to_peer);
	}
}

static void send_retry_cb(void *arg)
{
	peer_flush(arg);
}

static int peer_send(struct local_group *group, const Vmreplica__Cluster__Message *message)
{
	int error;

	if (group->peer < 0) {
		return 0;
	}
	error = message_queue_push(&group->to_peer, message);
	if (error == 0 && group->send_retry.timer == 0) {
		peer_flush(group);
	}
	return error;
}

int local_group_send(struct local_group *group, const Vmreplica__Cluster__Message *message)
{
	int error;

	if (!group->joined) {
		return -ENOTCONN;
	}
	error = message_queue_push(&group->to_self, message);
	if (error < 0) {
		return error;
	}
	retry_after(&group->loop_retry, 0);
	return peer_send(group, message);
}

static int peer_dispatch_cb(int fd, int revents, void *data)
{
	struct local_group *group = data;
	uint8_t buffer[CPG_MESSAGE_MAX];
	ssize_t got;

	(void)revents;
	got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (got <= 0) {
		peer_lost(group);
		return 0;
	}
	message_handle(group, buffer, (size_t)got, false);
	return 0;
}

static void peer_take(struct local_group *group, int fd)
{
	Vmreplica__Cluster__Presence presence = VMREPLICA__CLUSTER__PRESENCE__INIT;
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    (peer.uid != 0 && peer.uid != geteuid())) {
		log_warning("user id %u may not join this host's group", (unsigned int)peer.uid);
		close(fd);
		return;
	}
	if (group->peer >= 0) {
		peer_lost(group); /* the newer process replaces the older one */
	}
	if (qb_loop_poll_add(group->loop, QB_LOOP_MED, fd, POLLIN, group, peer_dispatch_cb) < 0) {
		close(fd);
		return;
	}
	group->peer = fd;
	presence.node = group->node;
	presence.member = group->member;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_PRESENCE;
	message.presence = &presence;
	(void)peer_send(group, &message);
}

static int listener_dispatch_cb(int fd, int revents, void *data)
{
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (peer >= 0) {
		peer_take(data, peer);
	}
	return 0;
}

static int address_fill(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

static int group_listen(struct local_group *group)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int error = address_fill(group->path, &address);

	if (fd < 0 || error < 0) {
		return fd < 0 ? -errno : error;
	}
	if (unlink(group->path) < 0 && errno != ENOENT) {
		return -errno;
	}
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4) < 0) {
		return -errno;
	}
	error = qb_loop_poll_add(group->loop, QB_LOOP_MED, fd, POLLIN, group, listener_dispatch_cb);
	if (error == 0) {
		group->listener = steal_fd(&fd);
	}
	return error;
}

/* The engine may not be there yet: no failure, only a reason to come back. */
static void group_connect(struct local_group *group)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd < 0 || address_fill(group->path, &address) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		retry_after(&group->start_retry, CONNECT_RETRY_MS);
		return;
	}
	peer_take(group, steal_fd(&fd));
}

static void group_start_cb(void *arg)
{
	struct local_group *group = arg;
	bool first = !group->joined;
	int error = 0;

	group->joined = true;
	if (!group->listens) {
		group_connect(group);
	} else if (group->listener < 0) {
		error = group_listen(group);
	}
	if (error < 0) {
		log_error("%s: %s; a broker on this host cannot join", group->path,
			  strerror(-error));
		retry_later(&group->start_retry);
	}
	if (first && group->callbacks.member_cb != NULL) {
		group->callbacks.member_cb(group->arg, group->node, group->member, true);
	}
}

struct local_group *local_group_new(qb_loop_t *loop, const char *path, bool listens,
				    const char *node, const char *member,
				    const struct group_callbacks *callbacks, void *arg)
{
	struct local_group *group = calloc(1, sizeof(*group));

	if (group == NULL) {
		return NULL;
	}
	group->loop = loop;
	group->listens = listens;
	group->callbacks = *callbacks;
	group->arg = arg;
	group->listener = -1;
	group->peer = -1;
	retry_init(&group->start_retry, loop, group_start_cb, group);
	retry_init(&group->send_retry, loop, send_retry_cb, group);
	retry_init(&group->loop_retry, loop, loopback_cb, group);
	message_queue_init(&group->to_peer);
	message_queue_init(&group->to_self);
	group->path = strdup(path);
	group->node = strdup(node);
	group->member = strdup(member);
	if (group->path == NULL || group->node == NULL || group->member == NULL) {
		local_group_free(group);
		return NULL;
	}
	retry_after(&group->start_retry, 0);
	return group;
}

void local_group_free(struct local_group *group)
{
	if (group == NULL) {
		return;
	}
	group->callbacks = (struct group_callbacks){0};
	group->listens = true; /* no new connection from peer_lost */
	peer_lost(group);
	retry_destroy(&group->start_retry);
	retry_destroy(&group->loop_retry);
	if (group->listener >= 0) {
		(void)qb_loop_poll_del(group->loop, group->listener);
		close(group->listener);
		(void)unlink(group->path);
	}
	message_queue_clear(&group->to_self);
	free(group->path);
	free(group->node);
	free(group->member);
	free(group);
}
