/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/admin_socket.h"

#include <errno.h>
#include <qb/qblist.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/admin_service.h"
#include "common/log.h"
#include "common/unix_socket.h"
#include "proto/link.h"

struct admin_connection {
	struct qb_list_head list;
	struct admin_socket *socket;
	struct link *link;
	uint64_t id;
	bool is_root;
};

struct admin_socket {
	struct broker *broker;
	char *path;
	int fd;
	struct qb_list_head connections;
	size_t count;
	uint64_t next_id;
};

static void connection_free(struct admin_connection *connection)
{
	qb_list_del(&connection->list);
	connection->socket->count--;
	free(connection);
}

static void connection_frame_cb(void *arg, struct link *link, const struct frame *frame,
				const uint8_t *payload)
{
	struct admin_connection *connection = arg;
	struct admin_asker asker = {
		.local = true, .is_root = connection->is_root, .id = connection->id};

	(void)payload;
	if (frame->type != FRAME_ADMIN_REQUEST) {
		link_close(link);
		return;
	}
	admin_service_handle(connection->socket->broker, &asker,
			     (const Vmreplica__Admin__Request *)frame->message);
}

static void connection_closed_cb(void *arg, struct link *link, int error)
{
	(void)link;
	if (error < 0) {
		log_info("an admin connection broke: %s", strerror(-error));
	}
	connection_free(arg);
}

static void admin_socket_admit(struct admin_socket *socket, int fd)
{
	struct admin_connection *connection;
	uid_t uid = (uid_t)-1;

	/* The daemon's own user is let in where it was started without privileges (tests, a user's
	 * own lab). */
	if (socket->count >= ADMIN_CONNECTIONS_MAX ||
	    (!unix_peer_is_allowed(fd, socket->broker->options.socket_group, &uid) &&
	     uid != getuid())) {
		log_warning("an admin connection of uid %d is refused", (int)uid);
		close(fd);
		return;
	}
	connection = calloc(1, sizeof(*connection));
	if (connection == NULL) {
		close(fd);
		return;
	}
	connection->socket = socket;
	connection->id = socket->next_id++;
	connection->is_root = uid == 0 || uid == socket->broker->starter;
	connection->link = link_new(socket->broker->loop, fd, connection_frame_cb,
				    connection_closed_cb, connection);
	if (connection->link == NULL) {
		free(connection);
		return;
	}
	qb_list_add_tail(&connection->list, &socket->connections);
	socket->count++;
}

static int32_t admin_socket_accept_cb(int32_t fd, int32_t revents, void *data)
{
	int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (peer >= 0) {
		admin_socket_admit(data, peer);
	}
	return 0;
}

int admin_socket_open(struct broker *broker, const char *path, const char *group,
		      struct admin_socket **ret_socket)
{
	struct admin_socket *admin = calloc(1, sizeof(*admin));
	int rc;

	if (admin == NULL) {
		return -ENOMEM;
	}
	admin->broker = broker;
	admin->next_id = 1;
	qb_list_init(&admin->connections);
	admin->path = strdup(path);
	admin->fd = unix_listen(path, group, 0660);
	rc = admin->path == NULL ? -ENOMEM : admin->fd;
	if (rc >= 0) {
		rc = qb_loop_poll_add(broker->loop, QB_LOOP_MED, admin->fd, POLLIN, admin,
				      admin_socket_accept_cb);
	}
	if (rc < 0) {
		if (admin->fd >= 0) {
			close(admin->fd);
		}
		free(admin->path);
		free(admin);
		return rc;
	}
	*ret_socket = admin;
	return 0;
}

void admin_socket_free(struct admin_socket *admin)
{
	if (admin == NULL) {
		return;
	}
	while (!qb_list_empty(&admin->connections)) {
		struct admin_connection *connection =
			qb_list_first_entry(&admin->connections, struct admin_connection, list);

		link_free(connection->link);
		connection_free(connection);
	}
	qb_loop_poll_del(admin->broker->loop, admin->fd);
	close(admin->fd);
	/* Without privileges the directory may not be ours: a stale socket is replaced at the next
	 * start. */
	if (unlink(admin->path) < 0) {
		log_debug("%s stays: %s", admin->path, strerror(errno));
	}
	free(admin->path);
	free(admin);
}

void admin_socket_answer(struct admin_socket *admin, uint64_t id,
			 const Vmreplica__Admin__Response *response)
{
	struct admin_connection *connection;

	qb_list_for_each_entry(connection, &admin->connections, list)
	{
		if (connection->id == id) {
			int rc = link_send(connection->link, FRAME_ADMIN_RESPONSE, &response->base);

			if (rc < 0) {
				log_warning("an answer to an admin is lost: %s", strerror(-rc));
			}
			return;
		}
	}
}
