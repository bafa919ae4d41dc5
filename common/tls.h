/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS 1.3, always mutual, identity from SAN. The only file pair that knows OpenSSL besides pki.
 * A connection sits on a non-blocking socket. Workers use the _full calls, which poll with a
 * deadline; loops use tls_handshake/tls_read/tls_write and tls_wants. One thread may read while one
 * other writes; tls_shutdown_now may be called by any to wake them. After a failure (other than
 * -EAGAIN and -ETIMEDOUT) the connection is over: every later call returns the same error. One
 * exception: when the peer closed while we were writing (-ECONNRESET), what it had said before can
 * still be read.
 */
#ifndef VMR_COMMON_TLS_H
#define VMR_COMMON_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_context;
struct tls_conn;

/* What is made of a certificate whose authority has no current revocation list. */
enum tls_crl_check {
	TLS_CRL_WARN, /* it is taken, and the log says so; one that a list names is refused */
	TLS_CRL_REQUIRE,
	TLS_CRL_OFF, /* no list is read */
};

struct tls_files {
	const char *ca, *certificate, *key; /* PEM paths, borrowed during tls_context_new */
	/* Revocation lists (RFC 5280) in PEM form: a file of one or several, or a directory of such
	 * files. NULL: none. */
	const char *crl;
	enum tls_crl_check crl_check;
};

int tls_crl_check_from_string(const char *text, enum tls_crl_check *ret_check); /* 0, -EINVAL */

#define TLS_ERROR_LEN 256

/* Load the files. NULL on failure with a sentence in error (names the file and what to do). A list
 * that is there but damaged is a failure; one that is not there is logged, and no failure. */
struct tls_context *tls_context_new(const struct tls_files *files, char error[TLS_ERROR_LEN]);
/* Renewal swaps contexts while connections live on. */
struct tls_context *tls_context_ref(struct tls_context *ctx);
void tls_context_unref(struct tls_context *ctx);

/* Dial host:port (name, IPv4 or IPv6) within timeout_ms; returns a connected non-blocking fd, or a
 * negative errno with a sentence in error. Blocking: workers only. Sets TCP_NODELAY, keepalive and
 * TCP_USER_TIMEOUT. */
int tls_dial(const char *host, uint16_t port, int timeout_ms, char error[TLS_ERROR_LEN]);

/* Wrap fd (taken, also on failure). Client: expected is the DNS name or IP that a SAN of the peer
 * must carry; sni (may be NULL: none is sent) goes into the ClientHello. NULL when out of memory or
 * expected is empty. */
struct tls_conn *tls_client_new(struct tls_context *ctx, int fd, const char *expected,
				const char *sni);
struct tls_conn *tls_server_new(struct tls_context *ctx, int fd);
void tls_conn_free(struct tls_conn *conn); /* closes fd; NULL allowed */

/* Non-blocking steps: 1 = done / >0 bytes, 0 = end of stream (read only), -EAGAIN = see tls_wants,
 * -EPROTO, -ECONNRESET, -EKEYREJECTED (certificate; tls_error says which), other negative errno. */
int tls_handshake(struct tls_conn *conn);
ssize_t tls_read(struct tls_conn *conn, void *buf, size_t len);
/* All or nothing: len once everything has gone to the socket, or -EAGAIN: call again with the same
 * bytes. */
ssize_t tls_write(struct tls_conn *conn, const void *buf, size_t len);
short tls_wants(const struct tls_conn *conn); /* POLLIN or POLLOUT, after -EAGAIN */
/* Bytes have been taken from the socket already: poll would not tell. Read until -EAGAIN. */
bool tls_has_pending(const struct tls_conn *conn);

/* Blocking forms for workers: whole length or failure. 0, -ETIMEDOUT (a part may have gone: only
 * good for giving up, unless len is 1), -ECONNRESET (also for end of stream), ... timeout_ms -1
 * waits for ever. */
int tls_handshake_full(struct tls_conn *conn, int timeout_ms);
int tls_read_full(struct tls_conn *conn, void *buf, size_t len, int timeout_ms);
int tls_write_full(struct tls_conn *conn, const void *buf, size_t len, int timeout_ms);
/* As tls_write_full, but the last bytes may wait in the write buffer for the next one. */
int tls_write_part(struct tls_conn *conn, const void *buf, size_t len, int timeout_ms);

/* shutdown(2) the socket so that a blocked thread returns -ECONNRESET. Any thread. */
void tls_shutdown_now(struct tls_conn *conn);

int tls_fd(const struct tls_conn *conn);
/* Last failure as a sentence, "" if none; owned by conn. */
const char *tls_error(const struct tls_conn *conn);
/* DNS SANs of the verified peer, NULL-terminated, owned by conn; NULL before the handshake ends. */
const char *const *tls_peer_names(const struct tls_conn *conn);
/* Does the verified peer's certificate carry host, a DNS name or a numeric address, in its SANs?
 * False before the handshake ends. */
bool tls_peer_carries(const struct tls_conn *conn, const char *host);
/* The peer's certificate is judged again by the files that ctx was loaded from, if they are others
 * than before: it may have been revoked since the handshake. 0, or -EKEYREJECTED with a sentence in
 * error; the connection itself stays usable, for a last word. Blocks for no I/O. Any thread. */
int tls_conn_recheck(struct tls_conn *conn, struct tls_context *ctx, char error[TLS_ERROR_LEN]);
const char *tls_peer_address(const struct tls_conn *conn); /* numeric address and port */
/* On the wire, as counted at the TLS record layer's BIO. Any thread. */
uint64_t tls_bytes_sent(const struct tls_conn *conn);
/* How long ago, in ms, data of the peer last came to this host, read or not; INT64_MAX: it cannot
 * be told. Any thread. */
int64_t tls_silent_ms(const struct tls_conn *conn);

/* Server name in a ClientHello that lies in buf (for the relay, which never decrypts). 1 with
 * *ret_name filled (ret_size bytes, terminated), 0 = no SNI, -EAGAIN = more bytes needed, -EPROTO =
 * not a ClientHello. Pure. */
int tls_client_hello_sni(const uint8_t *buf, size_t len, char *ret_name, size_t ret_size);

#endif
