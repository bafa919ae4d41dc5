/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a connection costs before anybody is known by it: the memory of its TLS state while the
 * other side has stopped somewhere in the handshake. It prints the figures. */
#include <errno.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/tls.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"
#include "tests/unit/unit.h"

#define CONNECTIONS 64
#define PIECE	    7
#define COST_MAX    (64u * 1024u) /* issue: a connection costs at most this before authentication */

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "cannot go on: %s\n", what);
		exit(1);
	}
}

/* The other side: OpenSSL between two memory BIOs, so that what it says can be held back. */
struct other {
	SSL *ssl;
	BIO *in, *out;
	int fd;
};

static SSL_CTX *other_context(int chain)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	FILE *file = fopen(peers_path("ca", ".crt"), "re");
	X509 *ca = NULL;

	must(ctx != NULL && file != NULL, "a client");
	ca = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	must(ca != NULL &&
		     SSL_CTX_use_certificate_file(ctx, peers_path("a1", ".crt"),
						  SSL_FILETYPE_PEM) == 1 &&
		     SSL_CTX_use_PrivateKey_file(ctx, peers_path("a1", ".key"), SSL_FILETYPE_PEM) ==
			     1,
	     "its certificate");
	for (int i = 0; i < chain; i++) {
		must(X509_up_ref(ca) == 1 && SSL_CTX_add_extra_chain_cert(ctx, ca) == 1,
		     "a long chain");
	}
	X509_free(ca);
	return ctx;
}

static struct tls_conn *pair_open(struct tls_context *us, SSL_CTX *ctx, struct other *other)
{
	struct tls_conn *conn;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0,
	     "sockets");
	conn = tls_server_new(us, fds[0]);
	other->fd = fds[1];
	other->in = BIO_new(BIO_s_mem());
	other->out = BIO_new(BIO_s_mem());
	other->ssl = SSL_new(ctx);
	must(conn != NULL && other->in != NULL && other->out != NULL && other->ssl != NULL,
	     "a connection");
	SSL_set_bio(other->ssl, other->in, other->out);
	SSL_set_connect_state(other->ssl);
	return conn;
}

/* Send what it has to say, all but the last kept bytes. */
static void other_say(struct other *other, size_t kept)
{
	char *data;
	long len = BIO_get_mem_data(other->out, &data);

	must(len > (long)kept && write(other->fd, data, (size_t)len - kept) == len - (long)kept,
	     "sending");
	(void)BIO_reset(other->out);
}

static void other_hear(struct other *other)
{
	char buffer[65536];
	ssize_t n = read(other->fd, buffer, sizeof(buffer));

	must(n > 0 && BIO_write(other->in, buffer, (int)n) == n, "hearing");
}

enum stop {
	STOP_SILENT, /* not a byte */
	STOP_IN_HELLO,
	STOP_AFTER_HELLO,
	STOP_IN_CERTIFICATE, /* a long chain, but its last byte */
};

static void advance(struct tls_conn *conn, struct other *other, enum stop stop)
{
	if (stop == STOP_SILENT) {
		CU_ASSERT_EQUAL(tls_handshake(conn), -EAGAIN);
		return;
	}
	SSL_do_handshake(other->ssl);
	other_say(other, stop == STOP_IN_HELLO);
	CU_ASSERT_EQUAL(tls_handshake(conn), -EAGAIN);
	if (stop == STOP_IN_CERTIFICATE) {
		other_hear(other);
		SSL_do_handshake(other->ssl);
		other_say(other, 1);
		CU_ASSERT_EQUAL(tls_handshake(conn), -EAGAIN);
	}
}

/* Bytes of our end alone; the other's are taken before it is. */
static size_t cost_of(enum stop stop, int chain)
{
	static struct tls_conn *conns[CONNECTIONS];
	static struct other others[CONNECTIONS];
	struct tls_context *us = peers_context("b1");
	SSL_CTX *ctx = other_context(chain);
	size_t before, after, freed;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		conns[i] = pair_open(us, ctx, &others[i]);
		advance(conns[i], &others[i], stop);
	}
	/* By what goes when it is freed: nothing of the other side is touched by that. */
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		tls_conn_free(conns[i]);
	}
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	freed = (before - after) / CONNECTIONS;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		SSL_free(others[i].ssl);
		close(others[i].fd);
	}
	SSL_CTX_free(ctx);
	tls_context_unref(us);
	return freed;
}

static void measure(enum stop stop, int chain, const char *what)
{
	size_t bytes = cost_of(stop, chain);

	printf("\n    %-52s %6zu bytes", what, bytes);
	CU_ASSERT_TRUE(bytes <= COST_MAX);
}

static void test_cost(void)
{
	measure(STOP_SILENT, 0, "connected, and silent");
	measure(STOP_IN_HELLO, 0, "stopped in the ClientHello");
	measure(STOP_AFTER_HELLO, 0, "stopped after the ClientHello");
	measure(STOP_IN_CERTIFICATE, 0, "stopped in its certificate");
	measure(STOP_IN_CERTIFICATE, 2, "stopped in a chain of 3 certificates");
	measure(STOP_IN_CERTIFICATE, 3, "stopped in a chain of 4 certificates");
	printf("\n  ");
}

/* As many certificates as it likes, which are anybody's: refused, not kept. */
static void test_long_chain(void)
{
	struct tls_context *us = peers_context("b1");
	SSL_CTX *ctx = other_context(4);
	struct tls_conn *conn;
	struct other other;

	conn = pair_open(us, ctx, &other);
	SSL_do_handshake(other.ssl);
	other_say(&other, 0);
	CU_ASSERT_EQUAL(tls_handshake(conn), -EAGAIN);
	other_hear(&other);
	SSL_do_handshake(other.ssl);
	other_say(&other, 0);
	CU_ASSERT_EQUAL(tls_handshake(conn), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_error(conn), "at most three authorities"));
	tls_conn_free(conn);
	SSL_free(other.ssl);
	close(other.fd);
	SSL_CTX_free(ctx);
	tls_context_unref(us);
}

/* A record that comes in pieces is one record. */
static void test_pieces(void)
{
	struct tls_context *us = peers_context("b1");
	SSL_CTX *ctx = other_context(0);
	struct tls_conn *conn;
	struct other other;
	int result = -EAGAIN;

	conn = pair_open(us, ctx, &other);
	while (result == -EAGAIN) {
		char *data;
		long len;

		SSL_do_handshake(other.ssl);
		len = BIO_get_mem_data(other.out, &data);
		for (long i = 0; i < len; i += PIECE) {
			size_t piece = len - i < PIECE ? (size_t)(len - i) : PIECE;

			must(write(other.fd, data + i, piece) == (ssize_t)piece, "sending");
			result = tls_handshake(conn);
		}
		(void)BIO_reset(other.out);
		if (result == -EAGAIN) {
			other_hear(&other);
		}
	}
	CU_ASSERT_EQUAL(result, 1);
	tls_conn_free(conn);
	SSL_free(other.ssl);
	close(other.fd);
	SSL_CTX_free(ctx);
	tls_context_unref(us);
}

static const struct unit_test tests[] = {
	{"what a half-open connection costs", test_cost},
	{"a chain of too many", test_long_chain},
	{"a handshake in pieces", test_pieces},
};

int main(void)
{
	int rc;

	peers_make();
	rc = unit_run("TLS cost", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return rc;
}
