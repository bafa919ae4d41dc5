/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/access_point.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#define ACCESS_BACKLOG	     256
#define ACCESS_ACCEPT_BATCH  32
#define ACCESS_SCAN_NS	     500000000ull
#define ACCESS_PAUSE_NS	     1000000000ull /* out of descriptors: accept again after this */
#define ACCESS_BIND_RETRY_MS 100
#define ACCESS_BIND_WAIT_MS                                                                        \
	3000 /* an address that was added a moment ago may be tentative still                      \
	      */

struct access_point {
	qb_loop_t *loop;
	struct access_callbacks callbacks;
	void *arg;
	struct tls_context *tls; /* a reference */
	int listen_fd;
	int handshake_ms, idle_ms;
	size_t connections_max, per_address_max;
	struct peer_session *sessions; /* list */
	size_t count;
	uint64_t next_id;
	qb_loop_timer_handle scan_timer, pause_timer;
	bool started, listening, paused;
};

/* ---- small views for peer_session.c ---- */

struct tls_context *access_point_tls(const struct access_point *point)
{
	return point->tls;
}

const struct access_callbacks *access_point_callbacks(const struct access_point *point,
						      void **ret_arg)
{
	*ret_arg = point->arg;
	return &point->callbacks;
}

qb_loop_t *access_point_loop(const struct access_point *point)
{
	return point->loop;
}

int access_point_idle_ms(const struct access_point *point)
{
	return point->idle_ms;
}

size_t access_point_count(const struct access_point *point)
{
	return point->count;
}

/* ---- sessions ---- */

static int session_poll_fd(const struct peer_session *session)
{
	return session->conn != NULL ? tls_fd(session->conn) : session->fd;
}

/* The one place where a session ends. */
static void access_point_drop(struct access_point *point, struct peer_session *session)
{
	int fd = session_poll_fd(session);

	if (fd >= 0) {
		qb_loop_poll_del(point->loop, fd);
	}
	if (session->prev != NULL) {
		session->prev->next = session->next;
	} else {
		point->sessions = session->next;
	}
	if (session->next != NULL) {
		session->next->prev = session->prev;
	}
	point->count--;
	peer_session_free(session);
}

static int32_t session_dispatch_cb(int32_t fd, int32_t revents, void *data)
{
	struct peer_session *session = data;

	(void)fd;
	if ((revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 && session->events == 0) {
		session->state = PEER_OVER; /* it hung up while it waited for its answer */
	}
	peer_session_step(session);
	access_point_settle(session->access_point, session);
	return 0;
}

void access_point_settle(struct access_point *point, struct peer_session *session)
{
	if (session->state != PEER_OVER &&
	    qb_loop_poll_mod(point->loop, QB_LOOP_MED, session_poll_fd(session), session->events,
			     session, session_dispatch_cb) < 0) {
		session->state = PEER_OVER;
	}
	if (session->state == PEER_OVER) {
		access_point_drop(point, session);
	}
}

struct peer_session *access_point_find(struct access_point *point, uint64_t id)
{
	struct peer_session *session = point->sessions;

	while (session != NULL && session->id != id) {
		session = session->next;
	}
	return session != NULL && session->state != PEER_OVER ? session : NULL;
}

static size_t access_point_count_host(const struct access_point *point, const struct in6_addr *host)
{
	size_t count = 0;

	for (const struct peer_session *session = point->sessions; session != NULL;
	     session = session->next) {
		count += memcmp(&session->host, host, sizeof(*host)) == 0;
	}
	return count;
}

/* The peer's address as IPv6 (IPv4 mapped) for comparing, and in words. */
static void peer_describe(const struct sockaddr_storage *address, socklen_t len,
			  struct in6_addr *ret_host, char ret_text[PEER_ADDRESS_LEN])
{
	memset(ret_host, 0, sizeof(*ret_host));
	if (address->ss_family == AF_INET6) {
		*ret_host = ((const struct sockaddr_in6 *)address)->sin6_addr;
	} else if (address->ss_family == AF_INET) {
		ret_host->s6_addr[10] = ret_host->s6_addr[11] = 0xff;
		memcpy(&ret_host->s6_addr[12], &((const struct sockaddr_in *)address)->sin_addr, 4);
	}
	if (getnameinfo((const struct sockaddr *)address, len, ret_text, PEER_ADDRESS_LEN, NULL, 0,
			NI_NUMERICHOST) != 0) {
		snprintf(ret_text, PEER_ADDRESS_LEN, "unknown");
	}
	/* An IPv4 peer of a socket for both families: in the form that its admin knows. */
	if (IN6_IS_ADDR_V4MAPPED(ret_host)) {
		(void)inet_ntop(AF_INET, &ret_host->s6_addr[12], ret_text, PEER_ADDRESS_LEN);
	}
}

/* Take an accepted descriptor. */
static void access_point_admit(struct access_point *point, int fd,
			       const struct sockaddr_storage *address, socklen_t len)
{
	cleanup_close int accepted = fd;
	struct peer_session *session;
	char text[PEER_ADDRESS_LEN];
	struct in6_addr host;

	peer_describe(address, len, &host, text);
	if (point->count >= point->connections_max) {
		point->callbacks.refused_cb(point->arg, text,
					    "the broker has too many connections");
		return;
	}
	if (access_point_count_host(point, &host) >= point->per_address_max) {
		point->callbacks.refused_cb(point->arg, text,
					    "its address has too many connections");
		return;
	}
	session = calloc(1, sizeof(*session));
	if (session == NULL || qb_loop_poll_add(point->loop, QB_LOOP_MED, fd, POLLIN, session,
						session_dispatch_cb) < 0) {
		free(session);
		return;
	}
	session->access_point = point;
	session->id = point->next_id++;
	session->fd = steal_fd(&accepted);
	session->host = host;
	memcpy(session->address, text, sizeof(text));
	session->deadline_ms = clock_monotonic_ms() + point->handshake_ms;
	session->next = point->sessions;
	if (session->next != NULL) {
		session->next->prev = session;
	}
	point->sessions = session;
	point->count++;
}

/* ---- the listener ---- */

static int32_t listen_dispatch_cb(int32_t fd, int32_t revents, void *data);

static void access_point_unpause_cb(void *data)
{
	struct access_point *point = data;

	point->paused = false;
	point->listening = qb_loop_poll_add(point->loop, QB_LOOP_LOW, point->listen_fd, POLLIN,
					    point, listen_dispatch_cb) == 0;
}

/* Out of descriptors or memory: the backlog stays readable, so look away for a while. */
static void access_point_pause(struct access_point *point, int error)
{
	log_warning("cannot accept connections for a moment: %s", strerror(error));
	qb_loop_poll_del(point->loop, point->listen_fd);
	point->listening = false;
	point->paused = qb_loop_timer_add(point->loop, QB_LOOP_MED, ACCESS_PAUSE_NS, point,
					  access_point_unpause_cb, &point->pause_timer) == 0;
}

static int32_t listen_dispatch_cb(int32_t fd, int32_t revents, void *data)
{
	struct access_point *point = data;

	(void)revents;
	for (int i = 0; i < ACCESS_ACCEPT_BATCH; i++) {
		struct sockaddr_storage address;
		socklen_t len = sizeof(address);
		int peer = accept4(fd, (struct sockaddr *)&address, &len,
				   SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer >= 0) {
			access_point_admit(point, peer, &address, len);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			access_point_pause(point, errno);
			return 0;
		} else if (errno == EAGAIN) {
			return 0;
		}
	}
	return 0;
}

static void access_point_scan_cb(void *data)
{
	struct access_point *point = data;
	int64_t now = clock_monotonic_ms();
	struct peer_session *next;

	for (struct peer_session *session = point->sessions; session != NULL; session = next) {
		next = session->next;
		if (now >= session->deadline_ms && !session->busy) {
			log_debug("%s said nothing for too long", session->address);
			session->state = PEER_OVER;
		}
		if (session->state == PEER_OVER) {
			access_point_drop(point, session);
		}
	}
	if (qb_loop_timer_add(point->loop, QB_LOOP_MED, ACCESS_SCAN_NS, point, access_point_scan_cb,
			      &point->scan_timer) < 0) {
		log_error("the timer of the access point is lost: restart the broker");
	}
}

static int listen_try(const struct addrinfo *info)
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
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, ACCESS_BACKLOG) < 0) {
		return -errno;
	}
	return steal_fd(&fd);
}

/* Returns a listening descriptor or a negative errno. */
static int listen_open(const char *address, uint16_t port)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	int64_t deadline = clock_monotonic_ms() + ACCESS_BIND_WAIT_MS;
	struct addrinfo *info = NULL;
	char service[8];
	int fd;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(address[0] == '\0' ? "::" : address, service, &hints, &info) != 0) {
		return -EINVAL;
	}
	while ((fd = listen_try(info)) == -EADDRNOTAVAIL && clock_monotonic_ms() < deadline) {
		clock_sleep_ms(ACCESS_BIND_RETRY_MS);
	}
	freeaddrinfo(info);
	return fd;
}

int access_point_open(qb_loop_t *loop, const struct access_options *options,
		      struct tls_context *tls, const struct access_callbacks *callbacks, void *arg,
		      struct access_point **ret_point)
{
	struct access_point *point = calloc(1, sizeof(*point));
	int fd;

	if (point == NULL) {
		return -ENOMEM;
	}
	fd = listen_open(options->address, options->port);
	if (fd < 0) {
		free(point);
		return fd;
	}
	point->loop = loop;
	point->callbacks = *callbacks;
	point->arg = arg;
	point->tls = tls_context_ref(tls);
	point->listen_fd = fd;
	point->next_id = 1;
	point->handshake_ms =
		options->handshake_ms > 0 ? options->handshake_ms : ACCESS_HANDSHAKE_MS;
	point->idle_ms = options->idle_ms > 0 ? options->idle_ms : ACCESS_IDLE_MS;
	point->connections_max =
		options->connections_max > 0 ? options->connections_max : ACCESS_CONNECTIONS_MAX;
	point->per_address_max =
		options->per_address_max > 0 ? options->per_address_max : ACCESS_PER_ADDRESS_MAX;
	*ret_point = point;
	return 0;
}

int access_point_start(struct access_point *point)
{
	int rc = qb_loop_timer_add(point->loop, QB_LOOP_MED, ACCESS_SCAN_NS, point,
				   access_point_scan_cb, &point->scan_timer);

	if (rc < 0) {
		return rc;
	}
	point->started = true;
	rc = qb_loop_poll_add(point->loop, QB_LOOP_LOW, point->listen_fd, POLLIN, point,
			      listen_dispatch_cb);
	point->listening = rc == 0;
	return rc;
}

void access_point_free(struct access_point *point)
{
	if (point == NULL) {
		return;
	}
	while (point->sessions != NULL) {
		access_point_drop(point, point->sessions);
	}
	if (point->started) {
		qb_loop_timer_del(point->loop, point->scan_timer);
	}
	if (point->paused) {
		qb_loop_timer_del(point->loop, point->pause_timer);
	}
	if (point->listening) {
		qb_loop_poll_del(point->loop, point->listen_fd);
	}
	close(point->listen_fd);
	tls_context_unref(point->tls);
	free(point);
}

void access_point_set_tls(struct access_point *point, struct tls_context *tls)
{
	tls_context_unref(point->tls);
	point->tls = tls_context_ref(tls);
}

uint16_t access_point_port(const struct access_point *point)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(point->listen_fd, (struct sockaddr *)&address, &len) < 0) {
		return 0;
	}
	return ntohs(address.ss_family == AF_INET6
			     ? ((const struct sockaddr_in6 *)&address)->sin6_port
			     : ((const struct sockaddr_in *)&address)->sin_port);
}
