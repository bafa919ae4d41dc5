/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tls_bio.h"
#include "tls_internal.h"

#define TLS_READ_BUFFER (64u * 1024u) /* read ahead: several records by one recv */

static struct tls_conn *tls_conn_new(struct tls_context *ctx, int fd, bool server)
{
	struct tls_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		close(fd);
		return NULL;
	}
	conn->fd = fd;
	conn->server = server;
	conn->wants = server ? POLLIN : POLLOUT;
	conn->context = tls_context_ref(ctx);
	pthread_mutex_init(&conn->lock, NULL);
	tls_socket_peer(fd, conn->peer_address);
	tls_socket_tune(fd);
	ERR_clear_error();
	conn->ssl = SSL_new(ctx->ctx);
	conn->bio = tls_bio_new(fd);
	if (conn->ssl == NULL || conn->bio == NULL ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		BIO_free(conn->bio);
		conn->bio = NULL;
		tls_conn_free(conn);
		return NULL;
	}
	SSL_set_bio(conn->ssl, conn->bio, conn->bio); /* takes both */
	SSL_set_app_data(conn->ssl, conn);
	return conn;
}

/* What the server's SAN must carry: an IP address if expected reads as one, else a DNS name. */
static bool tls_expect(SSL *ssl, const char *expected)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (expected[0] == '\0') {
		return false; /* OpenSSL would take it for "any name" */
	}
	if (inet_pton(AF_INET, expected, address) == 1 ||
	    inet_pton(AF_INET6, expected, address) == 1) {
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), expected) == 1;
	}
	return X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), expected, 0) == 1;
}

struct tls_conn *tls_client_new(struct tls_context *ctx, int fd, const char *expected,
				const char *sni)
{
	struct tls_conn *conn = tls_conn_new(ctx, fd, false);

	if (conn == NULL) {
		return NULL;
	}
	conn->expected = strdup(expected);
	if (conn->expected == NULL || !tls_expect(conn->ssl, expected) ||
	    (sni != NULL && SSL_set_tlsext_host_name(conn->ssl, (char *)(uintptr_t)sni) != 1)) {
		tls_conn_free(conn);
		return NULL;
	}
	SSL_set_connect_state(conn->ssl);
	return conn;
}

struct tls_conn *tls_server_new(struct tls_context *ctx, int fd)
{
	struct tls_conn *conn = tls_conn_new(ctx, fd, true);

	if (conn != NULL) {
		SSL_set_accept_state(conn->ssl);
		tls_bio_set_whole(conn->bio, true);
	}
	return conn;
}

void tls_conn_free(struct tls_conn *conn)
{
	if (conn == NULL) {
		return;
	}
	if (conn->ready && conn->failed == 0 && conn->write_failed == 0) {
		/* Say goodbye if the socket takes it at once; nobody waits for the answer. */
		ERR_clear_error();
		(void)SSL_shutdown(conn->ssl);
		ERR_clear_error();
	}
	if (conn->bio != NULL) {
		(void)tls_bio_flush(conn->bio);
		shutdown(conn->fd, SHUT_WR);
	}
	SSL_free(conn->ssl);
	close(conn->fd);
	tls_context_unref(conn->context);
	tls_names_free(conn->peer_names);
	free(conn->expected);
	pthread_mutex_destroy(&conn->lock);
	free(conn);
}

static int tls_handshake_step(struct tls_conn *conn)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(conn->ssl);
	if (r != 1) {
		r = tls_conn_judge(conn, r);
		return r == 0 ? (conn->failed = -ECONNRESET) : r;
	}
	r = tls_certificate_names(SSL_get0_peer_certificate(conn->ssl), &conn->peer_names);
	if (r < 0) {
		snprintf(conn->error, sizeof(conn->error),
			 "the certificate of %s is refused: a name in it is malformed",
			 conn->peer_address);
		return conn->failed = r == -ENOMEM ? r : -EKEYREJECTED;
	}
	/* Only now: before, each half-open connection would cost the buffer. */
	tls_bio_set_whole(conn->bio, false);
	SSL_set_read_ahead(conn->ssl, 1);
	SSL_set_default_read_buffer_len(conn->ssl, TLS_READ_BUFFER);
	conn->ready = true;
	return 1;
}

int tls_handshake(struct tls_conn *conn)
{
	int r;

	pthread_mutex_lock(&conn->lock);
	if (conn->failed < 0 || conn->ready) {
		r = conn->failed < 0 ? conn->failed : 1;
	} else {
		r = tls_handshake_step(conn);
	}
	pthread_mutex_unlock(&conn->lock);
	return r;
}

/* One step under the lock; *ret_wants tells this thread's own wish, since the other thread's may
 * differ. */
static ssize_t tls_read_step(struct tls_conn *conn, void *buf, size_t len, short *ret_wants)
{
	size_t n = 0;
	ssize_t r;
	int ok;

	pthread_mutex_lock(&conn->lock);
	if (conn->failed < 0) {
		r = conn->failed;
	} else {
		ERR_clear_error();
		ok = SSL_read_ex(conn->ssl, buf, len, &n);
		r = ok == 1 ? (ssize_t)n : tls_conn_judge(conn, ok);
	}
	*ret_wants = conn->wants;
	pthread_mutex_unlock(&conn->lock);
	return r;
}

/*
 * The peer has closed while we were writing; what it said before that still lies in the socket, in
 * front of the reset: an alert about our certificate (in TLS 1.3 we may be writing already when it
 * comes), which is then the better error, or a last message, which stays to be read.
 */
static int tls_write_failed(struct tls_conn *conn, int failed)
{
	char error[TLS_ERROR_LEN];
	uint8_t byte;
	size_t n;
	int ok;

	if (failed != -ECONNRESET) {
		return failed;
	}
	memcpy(error, conn->error, sizeof(error));
	ERR_clear_error();
	ok = SSL_peek_ex(conn->ssl, &byte, 1, &n);
	if (ok != 1 && tls_conn_judge(conn, ok) == -EKEYREJECTED) {
		return conn->failed;
	}
	memcpy(conn->error, error, sizeof(error));
	conn->write_failed = failed;
	conn->failed = ok == 1 ? 0 : failed;
	return failed;
}

/* Under the lock. conn->owed counts what SSL took of buf, here or in an earlier step that ended
 * with -EAGAIN. */
static ssize_t tls_write_locked(struct tls_conn *conn, const void *buf, size_t len, bool flush)
{
	while (conn->owed < len) {
		size_t n = 0;
		int ok;

		ERR_clear_error();
		ok = SSL_write_ex(conn->ssl, (const uint8_t *)buf + conn->owed, len - conn->owed,
				  &n);
		if (ok != 1) {
			int r = tls_conn_judge(conn, ok);

			return r == 0 ? (conn->failed = -ECONNRESET) : r;
		}
		conn->owed += n;
	}
	if (flush) {
		int r = tls_bio_flush(conn->bio);

		if (r == 0) {
			conn->wants = POLLOUT;
			return -EAGAIN;
		}
		if (r < 0) {
			return tls_conn_broken(conn);
		}
	}
	conn->owed = 0;
	return (ssize_t)len;
}

static ssize_t tls_write_step(struct tls_conn *conn, const void *buf, size_t len, bool flush,
			      short *ret_wants)
{
	ssize_t r;

	pthread_mutex_lock(&conn->lock);
	r = conn->failed < 0 ? conn->failed : conn->write_failed;
	if (r == 0) {
		r = tls_write_locked(conn, buf, len, flush);
		if (r < 0 && r != -EAGAIN) {
			r = tls_write_failed(conn, (int)r);
		}
	}
	*ret_wants = conn->wants;
	pthread_mutex_unlock(&conn->lock);
	return r;
}

ssize_t tls_read(struct tls_conn *conn, void *buf, size_t len)
{
	short wants;

	return tls_read_step(conn, buf, len, &wants);
}

ssize_t tls_write(struct tls_conn *conn, const void *buf, size_t len)
{
	short wants;

	return tls_write_step(conn, buf, len, true, &wants);
}

short tls_wants(const struct tls_conn *conn)
{
	return conn->wants;
}

bool tls_has_pending(const struct tls_conn *conn)
{
	return SSL_has_pending(conn->ssl) == 1;
}

/* Wait until the socket does what wants says. 0, -ETIMEDOUT or a negative errno. deadline_ms -1: no
 * deadline. */
static int tls_wait(const struct tls_conn *conn, short wants, int64_t deadline_ms)
{
	struct pollfd entry = {.fd = conn->fd, .events = wants};

	for (;;) {
		int64_t left = deadline_ms < 0 ? -1 : deadline_ms - clock_monotonic_ms();
		int n;

		if (deadline_ms >= 0 && left < 0) {
			left = 0;
		}
		n = poll(&entry, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0) {
			return 0;
		}
		if (n == 0) {
			return -ETIMEDOUT;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

static int64_t tls_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : clock_monotonic_ms() + timeout_ms;
}

int tls_handshake_full(struct tls_conn *conn, int timeout_ms)
{
	int64_t deadline = tls_deadline(timeout_ms);
	int r;

	while ((r = tls_handshake(conn)) == -EAGAIN) {
		r = tls_wait(conn, conn->wants, deadline);
		if (r < 0) {
			snprintf(conn->error, sizeof(conn->error),
				 "%s does not answer the TLS handshake", conn->peer_address);
			return r;
		}
	}
	return r == 1 ? 0 : r;
}

int tls_read_full(struct tls_conn *conn, void *buf, size_t len, int timeout_ms)
{
	int64_t deadline = tls_deadline(timeout_ms);
	size_t done = 0;

	while (done < len) {
		short wants;
		ssize_t n = tls_read_step(conn, (uint8_t *)buf + done, len - done, &wants);

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n == -EAGAIN) {
			n = tls_wait(conn, wants, deadline);
			if (n == 0) {
				continue;
			}
		}
		return n == 0 ? -ECONNRESET : (int)n;
	}
	return 0;
}

static int tls_write_all(struct tls_conn *conn, const void *buf, size_t len, int timeout_ms,
			 bool flush)
{
	int64_t deadline = tls_deadline(timeout_ms);
	short wants;
	ssize_t n;

	while ((n = tls_write_step(conn, buf, len, flush, &wants)) == -EAGAIN) {
		int r = tls_wait(conn, wants, deadline);

		if (r < 0) {
			return r;
		}
	}
	return n < 0 ? (int)n : 0;
}

int tls_write_full(struct tls_conn *conn, const void *buf, size_t len, int timeout_ms)
{
	return tls_write_all(conn, buf, len, timeout_ms, true);
}

int tls_write_part(struct tls_conn *conn, const void *buf, size_t len, int timeout_ms)
{
	return tls_write_all(conn, buf, len, timeout_ms, false);
}

void tls_shutdown_now(struct tls_conn *conn)
{
	shutdown(conn->fd, SHUT_RDWR);
}

int tls_fd(const struct tls_conn *conn)
{
	return conn->fd;
}

const char *tls_error(const struct tls_conn *conn)
{
	return conn->error;
}

const char *const *tls_peer_names(const struct tls_conn *conn)
{
	return conn->ready ? (const char *const *)conn->peer_names : NULL;
}

const char *tls_peer_address(const struct tls_conn *conn)
{
	return conn->peer_address;
}

uint64_t tls_bytes_sent(const struct tls_conn *conn)
{
	return tls_bio_bytes_sent(conn->bio);
}

int64_t tls_silent_ms(const struct tls_conn *conn)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	return getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0
		       ? info.tcpi_last_data_recv
		       : INT64_MAX;
}
