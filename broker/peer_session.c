/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/peer_session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/access_point.h"
#include "broker/token_table.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/tls_expiry.h"
#include "proto/limits.h"
#include "proto/validate.h"

#define PEER_TURN_REQUESTS 64		  /* then the others get their turn */
#define PEER_ARENA_BYTES   (512u * 1024u) /* for one decoded request */
#define PEER_OUT_MAX	   (2u * FRAME_MESSAGE_MAX)
#define PEER_RESUME_NS	   1000000u

static void session_end(struct peer_session *session)
{
	session->state = PEER_OVER;
}

/* End with a word for the admin. */
static void session_refuse(struct peer_session *session, const char *reason)
{
	const struct access_callbacks *callbacks;
	void *arg;

	callbacks = access_point_callbacks(session->access_point, &arg);
	callbacks->refused_cb(arg, session->address, reason);
	session_end(session);
}

bool peer_session_carries(const struct peer_session *session, const char *host)
{
	return session->conn != NULL && tls_peer_carries(session->conn, host);
}

int64_t peer_session_not_after_ms(const struct peer_session *session)
{
	return session->conn == NULL ? 0 : tls_peer_not_after_ms(session->conn);
}

const char *const *peer_session_names(const struct peer_session *session)
{
	return session->conn == NULL ? NULL : tls_peer_names(session->conn);
}

void peer_session_free(struct peer_session *session)
{
	if (session->resume_armed) {
		qb_loop_timer_del(access_point_loop(session->access_point), session->resume_timer);
	}
	if (session->conn != NULL) {
		tls_conn_free(session->conn);
	} else if (session->fd >= 0) {
		close(session->fd);
	}
	free(session->message);
	byte_buffer_destroy(&session->out);
	free(session);
}

/* ---- sniffing ---- */

/* Wait for more than what is there already: level-triggered polling would otherwise tell of the
 * same bytes for ever. */
static void session_want_bytes(struct peer_session *session, int count)
{
	if (setsockopt(session->fd, SOL_SOCKET, SO_RCVLOWAT, &count, sizeof(count)) < 0) {
		session_end(session);
	}
}

static void session_to_relay(struct peer_session *session, const char *sni)
{
	const struct access_callbacks *callbacks;
	char token[TOKEN_LEN + 1];
	void *arg;
	int fd;

	if (!token_from_sni(sni, token)) {
		session_refuse(session, "its relay token is malformed");
		return;
	}
	callbacks = access_point_callbacks(session->access_point, &arg);
	qb_loop_poll_del(access_point_loop(session->access_point), session->fd);
	fd = session->fd;
	session->fd = -1;
	session_end(session);
	callbacks->relay_cb(arg, fd, token, session->address);
}

static void session_to_tls(struct peer_session *session)
{
	session->conn = tls_server_new(access_point_tls(session->access_point), session->fd);
	if (session->conn == NULL) {
		session->fd = -1; /* taken, and closed */
		session_end(session);
		return;
	}
	session->state = PEER_HANDSHAKE;
}

/* The peer has ended its side: no more bytes will come. */
static bool session_peer_is_gone(const struct peer_session *session)
{
	struct pollfd fd = {.fd = session->fd, .events = POLLRDHUP};

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void session_sniff(struct peer_session *session)
{
	static uint8_t
		hello[ACCESS_HELLO_MAX]; /* one control thread: nothing is kept between two looks */
	char sni[256] = "";
	ssize_t n = recv(session->fd, hello, sizeof(hello), MSG_PEEK | MSG_DONTWAIT);
	int found;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0 || ((size_t)n == session->sniffed && session_peer_is_gone(session))) {
		session_end(session); /* gone before its hello was complete */
		return;
	}
	if ((size_t)n == session->sniffed) {
		return; /* woken for bytes that the last look saw already: the event was under way
			 */
	}
	session->sniffed = (size_t)n;
	found = tls_client_hello_sni(hello, (size_t)n, sni, sizeof(sni));
	if (found == -EAGAIN && session->sniffed < sizeof(hello)) {
		session_want_bytes(session, (int)n + 1);
		return;
	}
	if (found < 0) {
		session_refuse(session, "it does not speak TLS");
		return;
	}
	session_want_bytes(session, 1);
	if (session->state == PEER_OVER) {
		return;
	}
	if (found == 1 && token_sni_is_relay(sni)) {
		session_to_relay(session, sni);
	} else {
		session_to_tls(session);
	}
}

/* ---- TLS ---- */

static void session_met(struct peer_session *session)
{
	const struct access_callbacks *callbacks;
	void *arg;

	callbacks = access_point_callbacks(session->access_point, &arg);
	if (callbacks->met_cb != NULL) {
		callbacks->met_cb(arg, session);
	}
}

static void session_handshake(struct peer_session *session)
{
	int rc = tls_handshake(session->conn);

	if (rc == 1 &&
	    admission_recognize(access_point_admission(session->access_point), &session->ticket,
				tls_peer_names(session->conn), clock_monotonic_ms()) < 0) {
		session_refuse(session, "its site has too many connections to this broker");
	} else if (rc == 1) {
		session->state = PEER_OPEN;
		session->deadline_ms =
			clock_monotonic_ms() + access_point_idle_ms(session->access_point);
		log_debug("%s is connected", session->address);
		session_met(session);
	} else if (rc == -EAGAIN) {
		session->events = tls_wants(session->conn);
	} else if (rc == -EKEYREJECTED) {
		session_refuse(session, tls_error(session->conn));
	} else {
		log_info("TLS handshake with %s failed: %s", session->address,
			 tls_error(session->conn));
		session_end(session);
	}
}

/* True when all that was queued is out. */
static bool session_flush(struct peer_session *session)
{
	ssize_t n;

	if (session->out.len == 0) {
		return true;
	}
	n = tls_write(session->conn, session->out.data, session->out.len);
	if (n == -EAGAIN) {
		session->events = tls_wants(session->conn);
		return false;
	}
	if (n < 0) {
		log_debug("%s is lost: %s", session->address, tls_error(session->conn));
		session_end(session);
		return false;
	}
	byte_buffer_consume(&session->out, (size_t)n);
	return session->out.len == 0;
}

/* Read up to `need` bytes of a part into buf. True when the part is complete. */
static bool session_read_part(struct peer_session *session, uint8_t *buf, size_t need)
{
	while (session->have_bytes < need) {
		ssize_t n = tls_read(session->conn, buf + session->have_bytes,
				     need - session->have_bytes);

		if (n == -EAGAIN) {
			session->events = tls_wants(session->conn);
			return false;
		}
		if (n <= 0) {
			session_end(session); /* the ordinary end of a connection */
			return false;
		}
		session->have_bytes += (size_t)n;
	}
	session->have_bytes = 0;
	return true;
}

static bool frame_type_is_ours(uint16_t type)
{
	return type == FRAME_LOCATE || type == FRAME_ENROLL || type == FRAME_WITHDRAW ||
	       type == FRAME_QUERY || type == FRAME_ORDER;
}

/* The header, and room for the message that it announces. True when the message can be read. */
static bool session_read_header(struct peer_session *session)
{
	if (session->have_header) {
		return true;
	}
	if (!session_read_part(session, session->header, sizeof(session->header))) {
		return false;
	}
	if (frame_header_decode(session->header, &session->frame) < 0 ||
	    session->frame.payload_len != 0 || !frame_type_is_ours(session->frame.type)) {
		session_refuse(session, "it sent a frame that no broker takes");
		return false;
	}
	session->message = malloc(session->frame.message_len + 1u);
	if (session->message == NULL) {
		session_end(session);
		return false;
	}
	session->have_header = true;
	return true;
}

/* Who asks more often than it may is not refused: it waits, and its site's other connections. */
static void session_charge(struct peer_session *session)
{
	int64_t now_ms = clock_monotonic_ms();

	session->wait_ms = now_ms + admission_charge(access_point_admission(session->access_point),
						     &session->ticket, now_ms);
}

static void session_handle(struct peer_session *session)
{
	const struct access_callbacks *callbacks;
	struct frame frame = {.type = session->frame.type};
	char error[VALIDATE_ERROR_LEN] = "the message cannot be decoded";
	struct arena arena;
	void *arg;

	arena_init(&arena, PEER_ARENA_BYTES);
	frame.message =
		frame_decode(frame.type, session->message, session->frame.message_len, &arena);
	if (frame.message == NULL || validate_frame(&frame, error) < 0) {
		session_refuse(session, error);
	} else {
		session->busy = true;
		callbacks = access_point_callbacks(session->access_point, &arg);
		session_charge(session);
		callbacks->request_cb(arg, session, frame.type, frame.message);
	}
	arena_reset(&arena);
	free(session->message);
	session->message = NULL;
	session->have_header = false;
}

static void session_resume_cb(void *data)
{
	struct peer_session *session = data;

	session->resume_armed = false;
	peer_session_step(session);
	access_point_settle(session->access_point, session);
}

static void session_resume_later(struct peer_session *session, uint64_t delay_ns)
{
	if (!session->resume_armed) {
		session->resume_armed =
			qb_loop_timer_add(access_point_loop(session->access_point), QB_LOOP_MED,
					  delay_ns, session, session_resume_cb,
					  &session->resume_timer) == 0;
	}
}

/* True: nothing is read for a while. */
static bool session_waits(struct peer_session *session)
{
	int64_t left_ms = session->wait_ms - clock_monotonic_ms();

	if (left_ms <= 0) {
		return false;
	}
	session->events = 0;
	session_resume_later(session, (uint64_t)left_ms * 1000000u);
	return true;
}

static void session_serve(struct peer_session *session)
{
	int turn;

	for (turn = 0; turn < PEER_TURN_REQUESTS && session->state == PEER_OPEN; turn++) {
		if (!session_flush(session)) {
			return;
		}
		if (session->busy) {
			session->events =
				0; /* one request at a time: only a hangup is of interest now */
			return;
		}
		if (session_waits(session)) {
			return;
		}
		if (!session_read_header(session) ||
		    !session_read_part(session, session->message, session->frame.message_len)) {
			return;
		}
		session->deadline_ms =
			clock_monotonic_ms() + access_point_idle_ms(session->access_point);
		session_handle(session);
	}
	if (session->state == PEER_OPEN) {
		session_resume_later(session, PEER_RESUME_NS);
	}
}

void peer_session_step(struct peer_session *session)
{
	session->events = POLLIN;
	session->stepping = true;
	if (session->state == PEER_SNIFFING) {
		session_sniff(session);
	}
	if (session->state == PEER_HANDSHAKE) {
		session_handshake(session);
	}
	if (session->state == PEER_OPEN) {
		session_serve(session);
	}
	session->stepping = false;
}

void peer_session_reply(struct peer_session *session, enum frame_type type,
			const ProtobufCMessage *message)
{
	size_t size = frame_size(message);

	session->busy = false;
	session->out.limit = PEER_OUT_MAX;
	if (session->state != PEER_OPEN || byte_buffer_reserve(&session->out, size) < 0) {
		session_end(session);
		return;
	}
	session->out.len += frame_encode(type, message, 0, session->out.data + session->out.len);
	if (!session->stepping) {
		session_resume_later(session, 0);
	}
}
