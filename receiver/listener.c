/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/listener.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/admission.h"
#include "common/clock.h"
#include "common/listen_socket.h"
#include "common/log.h"
#include "receiver/authorization.h"
#include "receiver/session.h"

#define PENDING_MAX	    256u  /* whose handshake is not done */
#define PENDING_PER_ADDRESS 64u	  /* of them; one site may sit behind one address */
#define SESSIONS_MAX	    1024u /* whose is */
#define SESSIONS_PER_PEER   512u  /* of them, of one site */
#define HANDSHAKE_MS	    10000
#define ACCEPT_BATCH	    16
#define VICTIMS_MS	    60000

struct listener {
	struct receiver *receiver;
	pthread_mutex_t lock;
	struct tls_context *context; /* a reference; under the lock, which is for workers' sake */
	int fd;			     /* -1 once stopped */
	bool accepting;
	struct qb_list_head sessions;
	struct qb_list_head waiting; /* sessions of peers that have all workers of their share */
	struct admission *admission;
	unsigned victims; /* connections ended for others since it was told last */
	int64_t victims_told_ms;
	size_t count;
};

/* ---- sessions on the loop ---- */

static void session_remove(struct session *session)
{
	struct listener *listener = session->receiver->listener;

	if (session->phase == SESSION_WAITING) {
		qb_list_del(&session->waiting);
	}
	admission_leave(listener->admission, &session->ticket);
	session->phase = SESSION_OVER;
	listener->count--;
	qb_list_del(&session->entry);
	session_release(session);
	session_unref(session);
}

static int32_t session_readable_cb(int32_t fd, int32_t revents, void *data);

/* Strangers wait behind those whom we know. */
static enum qb_loop_priority session_priority(const struct session *session)
{
	return session->phase == SESSION_HANDSHAKE ? QB_LOOP_LOW : QB_LOOP_MED;
}

static int session_watch(struct session *session, short events)
{
	return qb_loop_poll_add(session->receiver->loop, session_priority(session),
				tls_fd(session->conn), events, session, session_readable_cb);
}

static void session_unwatch(struct session *session)
{
	qb_loop_poll_del(session->receiver->loop, tls_fd(session->conn));
}

static void session_start(struct session *session);

static struct session *waiting_first(struct listener *listener)
{
	struct session *session;

	qb_list_for_each_entry(session, &listener->waiting, waiting)
	{
		if (admission_work(listener->admission, &session->ticket)) {
			return session;
		}
	}
	return NULL;
}

/* A worker is free again: whose peer may have it? */
static void sessions_start_waiting(struct listener *listener)
{
	struct session *session;

	while ((session = waiting_first(listener)) != NULL) {
		qb_list_del(&session->waiting);
		session->phase = SESSION_PARKED;
		session_start(session);
	}
}

/* Back from a worker. */
static void session_done_cb(void *arg, int result)
{
	struct session *session = arg;
	struct listener *listener = session->receiver->listener;

	admission_rest(&session->ticket);
	if (result < 0) {
		session_remove(session);
	} else if (session->kicked) {
		session_start(session);
	} else {
		session->phase = SESSION_PARKED;
		if (session_watch(session, POLLIN) < 0) {
			session_remove(session);
		}
	}
	sessions_start_waiting(listener);
}

/* Hand it to a worker; it is not on the loop now. One peer's streams do not take all workers: when
 * its line stalls, each holds one for a minute. */
static void session_start(struct session *session)
{
	struct listener *listener = session->receiver->listener;

	if (!admission_work(listener->admission, &session->ticket)) {
		session->phase = SESSION_WAITING;
		qb_list_add_tail(&session->waiting, &listener->waiting);
		return;
	}
	session->phase = SESSION_RUNNING;
	session->kicked = false;
	if (workers_submit(session->receiver->stream_workers, session_run, session_done_cb,
			   session) < 0) {
		session_done_cb(session, -ENOMEM);
	}
}

static void session_report(struct session *session, const char *why)
{
	if (authorization_denial_is_news(session->receiver->authorization, why)) {
		receiver_event(session->receiver, "warning", "", "refused a stream from %s: %s",
			       tls_peer_address(session->conn), why);
	}
}

/* A peer whose certificate does not hold is worth an event; a port scan is not. */
static void handshake_report(struct session *session, int rc)
{
	log_info("%s: no TLS session: %s", tls_peer_address(session->conn),
		 tls_error(session->conn));
	if (rc == -EKEYREJECTED) {
		session_report(session, tls_error(session->conn));
	}
}

/* -EAGAIN while it goes on; 0 done; else over. */
static int session_handshake(struct session *session)
{
	int rc = tls_handshake(session->conn);

	if (rc == -EAGAIN) {
		return qb_loop_poll_mod(session->receiver->loop, QB_LOOP_LOW, tls_fd(session->conn),
					tls_wants(session->conn), session, session_readable_cb) < 0
			       ? -EIO
			       : -EAGAIN;
	}
	if (rc < 0) {
		handshake_report(session, rc);
		return rc;
	}
	if (admission_recognize(session->receiver->listener->admission, &session->ticket,
				tls_peer_names(session->conn), clock_monotonic_ms()) < 0) {
		session_report(session, "it has too many streams to this node");
		return -EBUSY;
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

/* A note of what was ended for others, once in a while: it may be thousands a second. */
static void victim_end(struct listener *listener, struct session *victim)
{
	int64_t now_ms = clock_monotonic_ms();

	listener->victims++;
	if (listener->victims_told_ms == 0 || now_ms - listener->victims_told_ms >= VICTIMS_MS) {
		receiver_event(
			listener->receiver, "warning", "",
			"too many connections without a certificate, the last ended one from "
			"%s: %u were ended to let others in",
			tls_peer_address(victim->conn), listener->victims);
		listener->victims = 0;
		listener->victims_told_ms = now_ms;
	}
	session_unwatch(victim);
	session_remove(victim);
}

static void connection_take(struct listener *listener, int fd, const struct in6_addr *host)
{
	struct admission_ticket *victim;
	struct session *session;
	struct tls_conn *conn;

	conn = tls_server_new(listener->context, fd);
	session = conn == NULL ? NULL : session_new(listener->receiver, conn);
	if (session == NULL) {
		return;
	}
	if (admission_enter(listener->admission, host, &session->ticket, &victim) < 0) {
		session_unref(session);
		return;
	}
	if (victim != NULL) {
		victim_end(listener, qb_list_entry(victim, struct session, ticket));
	}
	session->phase = SESSION_HANDSHAKE;
	session->deadline_ms = clock_monotonic_ms() + HANDSHAKE_MS;
	listener->count++;
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
		char text[LISTEN_ADDRESS_LEN];
		struct sockaddr_storage address = {0};
		socklen_t len = sizeof(address);
		struct in6_addr host;
		int accepted = accept4(fd, (struct sockaddr *)&address, &len,
				       SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted >= 0) {
			listen_socket_describe(&address, len, &host, text);
			connection_take(listener, accepted, &host);
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
	int rc = qb_loop_poll_add(listener->receiver->loop, QB_LOOP_LOW, listener->fd, POLLIN,
				  listener, listener_readable_cb);

	listener->accepting = rc == 0;
	return rc;
}

struct listener *listener_new(struct receiver *receiver, int fd, struct tls_context *context)
{
	static const struct admission_limits limits = {.pending_max = PENDING_MAX,
						       .pending_per_address = PENDING_PER_ADDRESS,
						       .known_max = SESSIONS_MAX,
						       .known_per_peer = SESSIONS_PER_PEER,
						       .working_per_peer = STREAM_WORKERS_PER_PEER,
						       .shares_per_peer = STREAM_BUFFERS_PER_PEER};
	struct listener *listener = calloc(1, sizeof(*listener));
	int rc;

	if (listener != NULL) {
		listener->admission = admission_new(&limits);
	}
	if (listener == NULL || listener->admission == NULL) {
		free(listener);
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	listener->receiver = receiver;
	listener->fd = fd;
	pthread_mutex_init(&listener->lock, NULL);
	listener->context = tls_context_ref(context);
	qb_list_init(&listener->sessions);
	qb_list_init(&listener->waiting);
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
		} else if (session->phase == SESSION_WAITING) {
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
	admission_free(listener->admission);
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
