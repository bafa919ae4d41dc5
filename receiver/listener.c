/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "receiver/authorization.h"
#include "receiver/session.h"

#define SESSIONS_MAX   256u
#define HANDSHAKES_MAX 64u
#define HANDSHAKE_MS   10000
#define BIND_WAIT_MS   5000
#define ACCEPT_BATCH   16
#define BACKLOG	       128

struct listener {
	struct receiver *receiver;
	pthread_mutex_t lock;
	struct tls_context *context; /* a reference; under the lock, which is for workers' sake */
	int fd;			     /* -1 once stopped */
	bool accepting;
	struct qb_list_head sessions;
	size_t count, handshakes;
};

/* ---- binding ---- */

static int socket_bind(const struct addrinfo *info)
{
	cleanup_close int fd =
		socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, off = 0;

	if (fd < 0) {
		return -errno;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	}
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		return -errno;
	}
	return steal_fd(&fd);
}

static int address_bind(const char *address, uint16_t port)
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
	fd = socket_bind(info);
	freeaddrinfo(info);
	return fd;
}

int listener_bind(const char *address, uint16_t port, int *ret_fd, char error[LISTENER_ERROR_LEN])
{
	int64_t deadline_ms = clock_monotonic_ms() + BIND_WAIT_MS;
	int fd;

	if (address[0] == '\0') {
		address = "::";
	}
	for (;;) {
		fd = address_bind(address, port);
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
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		return 0;
	}
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

/* ---- sessions on the loop ---- */

static void session_remove(struct session *session)
{
	struct listener *listener = session->receiver->listener;

	listener->handshakes -=
		session->phase == SESSION_HANDSHAKE || session->phase == SESSION_HELLO;
	session->phase = SESSION_OVER;
	listener->count--;
	qb_list_del(&session->entry);
	session_release(session);
	session_unref(session);
}

static int32_t session_readable_cb(int32_t fd, int32_t revents, void *data);

static int session_watch(struct session *session, short events)
{
	return qb_loop_poll_add(session->receiver->loop, QB_LOOP_MED, tls_fd(session->conn), events,
				session, session_readable_cb);
}

static void session_unwatch(struct session *session)
{
	qb_loop_poll_del(session->receiver->loop, tls_fd(session->conn));
}

static void session_start(struct session *session);

/* Back from a worker. */
static void session_done_cb(void *arg, int result)
{
	struct session *session = arg;

	if (result < 0) {
		session_remove(session);
		return;
	}
	if (session->kicked) {
		session_start(session);
		return;
	}
	session->phase = SESSION_PARKED;
	if (session_watch(session, POLLIN) < 0) {
		session_remove(session);
	}
}

/* Hand it to a worker; it is not on the loop now. */
static void session_start(struct session *session)
{
	struct listener *listener = session->receiver->listener;

	listener->handshakes -=
		session->phase == SESSION_HANDSHAKE || session->phase == SESSION_HELLO;
	session->phase = SESSION_RUNNING;
	session->kicked = false;
	if (workers_submit(session->receiver->stream_workers, session_run, session_done_cb,
			   session) < 0) {
		session_done_cb(session, -ENOMEM);
	}
}

/* A peer whose certificate does not hold is worth an event; a port scan is not. */
static void handshake_report(struct session *session, int rc)
{
	const char *peer = tls_peer_address(session->conn), *why = tls_error(session->conn);

	if (rc == -EKEYREJECTED &&
	    authorization_denial_is_news(session->receiver->authorization, why)) {
		receiver_event(session->receiver, "warning", "", "refused a stream from %s: %s",
			       peer, why);
	} else {
		log_info("%s: no TLS session: %s", peer, why);
	}
}

/* -EAGAIN while it goes on; 0 done; else over. */
static int session_handshake(struct session *session)
{
	int rc = tls_handshake(session->conn);

	if (rc == -EAGAIN) {
		return qb_loop_poll_mod(session->receiver->loop, QB_LOOP_MED, tls_fd(session->conn),
					tls_wants(session->conn), session, session_readable_cb) < 0
			       ? -EIO
			       : -EAGAIN;
	}
	if (rc < 0) {
		handshake_report(session, rc);
		return rc;
	}
	session->phase = SESSION_HELLO;
	if (!tls_has_pending(session->conn)) {
		return qb_loop_poll_mod(session->receiver->loop, QB_LOOP_MED, tls_fd(session->conn),
					POLLIN, session, session_readable_cb) < 0
			       ? -EIO
			       : -EAGAIN;
	}
	return 0;
}

static int32_t session_readable_cb(int32_t fd, int32_t revents, void *data)
{
	struct session *session = data;

	(void)fd;
	(void)revents;
	if (session->phase == SESSION_HANDSHAKE) {
		int rc = session_handshake(session);

		if (rc == -EAGAIN) {
			return 0;
		}
		if (rc < 0) {
			session_unwatch(session);
			session_remove(session);
			return 0;
		}
	}
	session_unwatch(session);
	session_start(session);
	return 0;
}

static void session_kick_cb(void *arg)
{
	struct session *session = arg;

	if (session->phase == SESSION_RUNNING) {
		session->kicked = true;
	} else if (session->phase == SESSION_PARKED) {
		session_unwatch(session);
		session_start(session);
	}
	session_unref(session);
}

void listener_kick(struct session *session)
{
	if (receiver_post(session->receiver, session_kick_cb, session_ref(session)) < 0) {
		session_unref(session);
	}
}

/* ---- accepting ---- */

static void socket_prepare(int fd)
{
	int on = 1, idle_s = 30, interval_s = 10, count = 3;
	unsigned int user_timeout_ms = 60000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
}

static void connection_take(struct listener *listener, int fd)
{
	struct session *session;
	struct tls_conn *conn;

	if (listener->count >= SESSIONS_MAX || listener->handshakes >= HANDSHAKES_MAX) {
		close(fd); /* the sender tries again; nothing of ours grows */
		return;
	}
	socket_prepare(fd);
	conn = tls_server_new(listener->context, fd);
	session = conn == NULL ? NULL : session_new(listener->receiver, conn);
	if (session == NULL) {
		return;
	}
	session->phase = SESSION_HANDSHAKE;
	session->deadline_ms = clock_monotonic_ms() + HANDSHAKE_MS;
	listener->count++;
	listener->handshakes++;
	qb_list_add_tail(&session->entry, &listener->sessions);
	if (session_watch(session, POLLIN) < 0) {
		session_remove(session);
	}
}

static int32_t listener_readable_cb(int32_t fd, int32_t revents, void *data)
{
	struct listener *listener = data;

	(void)revents;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted >= 0) {
			connection_take(listener, accepted);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warning("no new streams for a second: %s", strerror(errno));
			qb_loop_poll_del(listener->receiver->loop, fd);
			listener->accepting = false;
		}
		break;
	}
	return 0;
}

static int listener_accept(struct listener *listener)
{
	int rc = qb_loop_poll_add(listener->receiver->loop, QB_LOOP_MED, listener->fd, POLLIN,
				  listener, listener_readable_cb);

	listener->accepting = rc == 0;
	return rc;
}

struct listener *listener_new(struct receiver *receiver, int fd, struct tls_context *context)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int rc;

	if (listener == NULL) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	listener->receiver = receiver;
	listener->fd = fd;
	pthread_mutex_init(&listener->lock, NULL);
	listener->context = tls_context_ref(context);
	qb_list_init(&listener->sessions);
	rc = listener_accept(listener);
	if (rc < 0) {
		listener_free(listener);
		errno = -rc;
		return NULL;
	}
	return listener;
}

void listener_set_context(struct listener *listener, struct tls_context *context)
{
	struct tls_context *old = listener->context;

	pthread_mutex_lock(&listener->lock);
	listener->context = tls_context_ref(context);
	pthread_mutex_unlock(&listener->lock);
	tls_context_unref(old);
}

int listener_recheck(struct listener *listener, struct tls_conn *conn,
		     char error[LISTENER_ERROR_LEN])
{
	struct tls_context *context;
	int rc;

	pthread_mutex_lock(&listener->lock);
	context = tls_context_ref(listener->context);
	pthread_mutex_unlock(&listener->lock);
	rc = tls_conn_recheck(conn, context, error);
	tls_context_unref(context);
	return rc;
}

void listener_stop(struct listener *listener)
{
	struct qb_list_head *entry, *next;

	if (listener->fd >= 0) {
		if (listener->accepting) {
			qb_loop_poll_del(listener->receiver->loop, listener->fd);
		}
		close(listener->fd);
		listener->fd = -1;
		listener->accepting = false;
	}
	qb_list_for_each_safe(entry, next, &listener->sessions)
	{
		struct session *session = qb_list_entry(entry, struct session, entry);

		if (session->phase == SESSION_HANDSHAKE || session->phase == SESSION_HELLO) {
			session_unwatch(session);
			session_remove(session);
		}
	}
}

size_t listener_count(const struct listener *listener)
{
	return listener->count;
}

void listener_free(struct listener *listener)
{
	if (listener == NULL) {
		return;
	}
	if (listener->fd >= 0) {
		close(listener->fd);
	}
	tls_context_unref(listener->context);
	pthread_mutex_destroy(&listener->lock);
	free(listener);
}

void listener_tick(struct listener *listener)
{
	int64_t now_ms = clock_monotonic_ms();
	struct qb_list_head *entry, *next;

	qb_list_for_each_safe(entry, next, &listener->sessions)
	{
		struct session *session = qb_list_entry(entry, struct session, entry);

		if ((session->phase == SESSION_HANDSHAKE || session->phase == SESSION_HELLO) &&
		    now_ms > session->deadline_ms) {
			log_info("%s: no HELLO within %d s", tls_peer_address(session->conn),
				 HANDSHAKE_MS / 1000);
			session_unwatch(session);
			session_remove(session);
		}
	}
	if (listener->fd >= 0 && !listener->accepting) {
		listener_accept(listener);
	}
}
