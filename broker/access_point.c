/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/access_point.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/listen_socket.h"
#include "common/log.h"

#define ACCESS_VICTIMS_MS    60000
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
	struct admission *admission;
	unsigned victims; /* connections ended for others since it was told last */
	int64_t victims_told_ms;
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

struct admission *access_point_admission(struct access_point *point)
{
	return point->admission;
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
	admission_leave(point->admission, &session->ticket);
	peer_session_free(session);
}

/* Strangers wait behind those whom we know. */
static enum qb_loop_priority session_priority(const struct peer_session *session)
{
	return session->state == PEER_OPEN ? QB_LOOP_MED : QB_LOOP_LOW;
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
	    qb_loop_poll_mod(point->loop, session_priority(session), session_poll_fd(session),
			     session->events, session, session_dispatch_cb) < 0) {
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

/* A note of what was ended for others, once in a while: it may be thousands a second. */
static void access_point_note_victim(struct access_point *point, const struct peer_session *session)
{
	int64_t now_ms = clock_monotonic_ms();
	char text[128];

	point->victims++;
	if (point->victims_told_ms != 0 && now_ms - point->victims_told_ms < ACCESS_VICTIMS_MS) {
		return;
	}
	snprintf(text, sizeof(text),
		 "too many connections without a certificate: %u were ended to let others in",
		 point->victims);
	point->victims = 0;
	point->victims_told_ms = now_ms;
	point->callbacks.refused_cb(point->arg, session->address, text);
}

static struct peer_session *session_of(struct admission_ticket *ticket)
{
	return (struct peer_session *)((char *)ticket - offsetof(struct peer_session, ticket));
}

static bool access_point_enter(struct access_point *point, struct peer_session *session,
			       const struct in6_addr *host)
{
	struct admission_ticket *victim;

	if (admission_enter(point->admission, host, &session->ticket, &victim) < 0) {
		return false;
	}
	if (victim != NULL) {
		access_point_note_victim(point, session_of(victim));
		access_point_drop(point, session_of(victim));
	}
	return true;
}

/* Take an accepted descriptor. */
static void access_point_admit(struct access_point *point, int fd,
			       const struct sockaddr_storage *address, socklen_t len)
{
	cleanup_close int accepted = fd;
	struct peer_session *session = calloc(1, sizeof(*session));
	struct in6_addr host;

	if (session == NULL || qb_loop_poll_add(point->loop, QB_LOOP_LOW, fd, POLLIN, session,
						session_dispatch_cb) < 0) {
		free(session);
		return;
	}
	listen_socket_describe(address, len, &host, session->address);
	if (!access_point_enter(point, session, &host)) {
		qb_loop_poll_del(point->loop, fd);
		free(session);
		return;
	}
	session->access_point = point;
	session->id = point->next_id++;
	session->fd = steal_fd(&accepted);
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
		struct sockaddr_storage address = {0};
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

/* Returns a listening descriptor or a negative errno. */
static int listen_open(const char *address, uint16_t port)
{
	int64_t deadline = clock_monotonic_ms() + ACCESS_BIND_WAIT_MS;
	int fd;

	do {
		fd = listen_socket_open(address[0] == '\0' ? "::" : address, port);
	} while (fd == -EADDRNOTAVAIL && clock_monotonic_ms() < deadline &&
		 (clock_sleep_ms(ACCESS_BIND_RETRY_MS), true));
	return fd;
}

static unsigned or_default(unsigned value, unsigned initial)
{
	return value > 0 ? value : initial;
}

static struct admission *admission_make(const struct access_options *options)
{
	const struct admission_limits limits = {
		.pending_max = or_default(options->pending_max, ACCESS_PENDING_MAX),
		.pending_per_address = or_default(options->per_address_max, ACCESS_PER_ADDRESS_MAX),
		.known_max = or_default(options->connections_max, ACCESS_CONNECTIONS_MAX),
		.known_per_peer = or_default(options->per_peer_max, ACCESS_PER_PEER_MAX),
		.rate_per_s = options->rate == ACCESS_RATE_NONE
				      ? 0
				      : or_default(options->rate, ACCESS_RATE),
		.burst = options->rate == 0 ? ACCESS_BURST : options->rate,
	};

	return admission_new(&limits);
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
	point->admission = admission_make(options);
	fd = point->admission == NULL ? -ENOMEM : listen_open(options->address, options->port);
	if (fd < 0) {
		admission_free(point->admission);
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
	admission_free(point->admission);
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
	return listen_socket_port(point->listen_fd);
}
