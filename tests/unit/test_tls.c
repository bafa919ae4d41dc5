/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/tls.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"
#include "tests/unit/unit.h"

#define BULK_BYTES (8u * 1024u * 1024u)

static void test_good(void)
{
	struct peers peers;
	const char *const *names;
	char byte = 0;

	peers_connect(&peers, "a1", "b1", "b.example");
	CU_ASSERT_EQUAL(peers.client_result, 0);
	CU_ASSERT_EQUAL(peers.server_result, 0);
	names = tls_peer_names(peers.server);
	CU_ASSERT_PTR_NOT_NULL_FATAL(names);
	CU_ASSERT_STRING_EQUAL(names[0], "a1.a.example");
	CU_ASSERT_STRING_EQUAL(names[1], "a.example");
	CU_ASSERT_PTR_NULL(names[2]);
	CU_ASSERT_STRING_EQUAL(tls_peer_names(peers.client)[0], "b1.b.example");
	CU_ASSERT_STRING_EQUAL(tls_error(peers.client), "");
	CU_ASSERT_EQUAL(strncmp(tls_peer_address(peers.client), "127.0.0.1:", 10), 0);
	CU_ASSERT_EQUAL(tls_write_full(peers.client, "x", 1, 1000), 0);
	CU_ASSERT_EQUAL(tls_read_full(peers.server, &byte, 1, 1000), 0);
	CU_ASSERT_EQUAL(byte, 'x');
	CU_ASSERT_EQUAL(tls_read_full(peers.server, &byte, 1, 20), -ETIMEDOUT);
	CU_ASSERT_TRUE(tls_bytes_sent(peers.client) > 300);
	peers_free(&peers);
}

/* The client must refuse the server's certificate, naming what. */
static void assert_server_refused(const char *server_pair, const char *expected, const char *what)
{
	struct peers peers;

	peers_connect(&peers, "a1", server_pair, expected);
	CU_ASSERT_EQUAL(peers.client_result, -EKEYREJECTED);
	if (strstr(tls_error(peers.client), what) == NULL) {
		fprintf(stderr, "\n    error is: %s\n", tls_error(peers.client));
		CU_FAIL("the client's error does not say why");
	}
	CU_ASSERT_EQUAL(peers.server_result, -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_error(peers.server), "refuses our certificate"));
	CU_ASSERT_PTR_NULL(tls_peer_names(peers.client));
	peers_free(&peers);
}

static void test_server_certificates(void)
{
	struct peers peers;

	assert_server_refused("foreign", "a1.a.example", "not from the CA that we trust");
	assert_server_refused("expired", "a1.a.example", "expired; renew it");
	assert_server_refused("b1", "a1.a.example",
			      "it is for b1.b.example, b.example, not for a1.a.example");
	assert_server_refused("b1", "10.0.0.1", "not for 10.0.0.1");
	assert_server_refused("a1", "10.0.0.2", "not for 10.0.0.2");
	/* The subject's CN is "b1" and says nothing. */
	assert_server_refused("b1", "b1", "not for b1");
	assert_server_refused("nameless", "nameless", "no");
	assert_server_refused("client-only", "a1.a.example", "issue it for server and client");
	assert_server_refused("partial", "ab.a.example", "not for ab.a.example");
	peers_connect(&peers, "b1", "a1", "10.0.0.1");
	CU_ASSERT_EQUAL(peers.client_result, 0);
	peers_free(&peers);
}

/* In TLS 1.3 the client is done first and hears of the refusal when it reads. */
static void assert_client_refused(const char *client_pair, const char *what)
{
	struct peers peers;
	char byte;

	peers_connect(&peers, client_pair, "b1", "b.example");
	CU_ASSERT_EQUAL(peers.server_result, -EKEYREJECTED);
	if (strstr(tls_error(peers.server), what) == NULL) {
		fprintf(stderr, "\n    error is: %s\n", tls_error(peers.server));
		CU_FAIL("the server's error does not say why");
	}
	CU_ASSERT_PTR_NULL(tls_peer_names(peers.server));
	CU_ASSERT_EQUAL(peers.client_result, 0);
	CU_ASSERT_EQUAL(tls_read_full(peers.client, &byte, 1, 2000), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_error(peers.client), "refuses our certificate"));
	peers_free(&peers);
}

static void test_client_certificates(void)
{
	assert_client_refused("foreign", "not from the CA that we trust");
	assert_client_refused("expired", "expired");
	assert_client_refused("wildcard", "wildcard");
	assert_client_refused("nameless", "no DNS name");
	assert_client_refused("server-only", "issue it for server and client");
	assert_client_refused("partial", "malformed");
}

/* The peer has gone by the time that we write: the alert that lies in front of the reset is still
 * found. */
static void test_refusal_is_heard_by_writer(void)
{
	struct peers peers;
	char block[65536] = {0};
	int r = 0;

	peers_connect(&peers, "wildcard", "b1", "b.example");
	CU_ASSERT_EQUAL(peers.client_result, 0);
	tls_conn_free(peers.server);
	peers.server = NULL;
	for (int i = 0; i < 100 && r == 0; i++) {
		r = tls_write_full(peers.client, block, sizeof(block), 1000);
	}
	CU_ASSERT_EQUAL(r, -EKEYREJECTED);
	peers_free(&peers);
}

struct foreign {
	SSL *ssl;
	int result;
};

static void *foreign_main(void *arg)
{
	struct foreign *foreign = arg;
	sigset_t pipe;

	/* OpenSSL's own sockets raise SIGPIPE; ours must not, so that the rest of the program keeps
	 * it deadly. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	foreign->result = SSL_do_handshake(foreign->ssl);
	SSL_shutdown(foreign->ssl);
	return NULL;
}

/* Let a stranger of plain OpenSSL meet one of our ends; ours is freed here. Returns our handshake's
 * result. */
static int meet_stranger(SSL_CTX *ctx, bool we_are_server, int *ret_stranger,
			 char error[TLS_ERROR_LEN])
{
	struct tls_context *context = peers_context("a1");
	struct foreign foreign = {.ssl = SSL_new(ctx)};
	struct tls_conn *ours;
	pthread_t thread;
	int fds[2], r;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ours = we_are_server ? tls_server_new(context, fds[0])
			     : tls_client_new(context, fds[0], "b.example", NULL);
	SSL_set_fd(foreign.ssl, fds[1]);
	if (we_are_server) {
		SSL_set_connect_state(foreign.ssl);
	} else {
		SSL_set_accept_state(foreign.ssl);
	}
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, foreign_main, &foreign), 0);
	r = tls_handshake_full(ours, 5000);
	snprintf(error, TLS_ERROR_LEN, "%s", tls_error(ours));
	tls_conn_free(ours);
	pthread_join(thread, NULL);
	*ret_stranger = foreign.result;
	SSL_free(foreign.ssl);
	close(fds[1]);
	tls_context_unref(context);
	return r;
}

static SSL_CTX *stranger(const char *pair, int min_version, int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	SSL_CTX_set_min_proto_version(ctx, min_version);
	SSL_CTX_set_max_proto_version(ctx, max_version);
	if (pair != NULL) {
		SSL_CTX_use_certificate_file(ctx, peers_path(pair, ".crt"), SSL_FILETYPE_PEM);
		SSL_CTX_use_PrivateKey_file(ctx, peers_path(pair, ".key"), SSL_FILETYPE_PEM);
	}
	return ctx;
}

static void test_old_versions(void)
{
	SSL_CTX *ctx = stranger("b1", TLS1_2_VERSION, TLS1_2_VERSION);
	char error[TLS_ERROR_LEN];
	int theirs;

	CU_ASSERT_EQUAL(meet_stranger(ctx, true, &theirs, error), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "TLS 1.3"));
	CU_ASSERT_NOT_EQUAL(theirs, 1);
	CU_ASSERT_EQUAL(meet_stranger(ctx, false, &theirs, error), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "TLS 1.3"));
	CU_ASSERT_NOT_EQUAL(theirs, 1);
	SSL_CTX_free(ctx);
	/* The same stranger with 1.3 is let in: the refusal above was for the version. */
	ctx = stranger("b1", TLS1_3_VERSION, TLS1_3_VERSION);
	CU_ASSERT_EQUAL(meet_stranger(ctx, true, &theirs, error), 0);
	CU_ASSERT_EQUAL(meet_stranger(ctx, false, &theirs, error), 0);
	SSL_CTX_free(ctx);
}

static void test_client_without_certificate(void)
{
	SSL_CTX *ctx = stranger(NULL, TLS1_3_VERSION, TLS1_3_VERSION);
	char error[TLS_ERROR_LEN];
	int theirs;

	CU_ASSERT_EQUAL(meet_stranger(ctx, true, &theirs, error), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "shows no certificate"));
	SSL_CTX_free(ctx);
}

static void test_no_session_to_resume(void)
{
	SSL_CTX *ctx = stranger("b1", TLS1_3_VERSION, TLS1_3_VERSION);
	struct tls_context *context = peers_context("a1");
	SSL *ssl = SSL_new(ctx);
	struct foreign foreign = {.ssl = ssl};
	struct tls_conn *ours;
	pthread_t thread;
	char byte;
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ours = tls_server_new(context, fds[0]);
	SSL_set_fd(ssl, fds[1]);
	SSL_set_connect_state(ssl);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, foreign_main, &foreign), 0);
	CU_ASSERT_EQUAL(tls_handshake_full(ours, 5000), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(tls_write_full(ours, "x", 1, 1000), 0);
	CU_ASSERT_EQUAL(SSL_read(ssl, &byte, 1), 1);
	CU_ASSERT_FALSE(SSL_SESSION_is_resumable(SSL_get0_session(ssl)));
	tls_conn_free(ours);
	SSL_free(ssl);
	close(fds[1]);
	SSL_CTX_free(ctx);
	tls_context_unref(context);
}

struct mover {
	struct tls_conn *conn;
	uint8_t *data;
	int result;
};

static void *bulk_write_main(void *arg)
{
	struct mover *mover = arg;
	size_t done = 0;

	/* Uneven pieces, some left in the write buffer. */
	for (size_t i = 0; done < BULK_BYTES && mover->result == 0; i++) {
		size_t piece = 1 + i * 7919 % 300000;

		piece = piece > BULK_BYTES - done ? BULK_BYTES - done : piece;
		mover->result =
			i % 2 == 0 && done + piece < BULK_BYTES
				? tls_write_part(mover->conn, mover->data + done, piece, 5000)
				: tls_write_full(mover->conn, mover->data + done, piece, 5000);
		done += piece;
	}
	return NULL;
}

static void *bulk_read_main(void *arg)
{
	struct mover *mover = arg;

	mover->result = tls_read_full(mover->conn, mover->data, BULK_BYTES, 10000);
	return NULL;
}

/* Each end reads in one thread while it writes in another. */
static void test_bulk_both_ways(void)
{
	struct peers peers;
	struct mover movers[4] = {0};
	pthread_t threads[4];

	peers_connect(&peers, "a1", "b1", "b.example");
	CU_ASSERT_EQUAL_FATAL(peers.client_result, 0);
	for (int i = 0; i < 4; i++) {
		movers[i].conn = i % 2 == 0 ? peers.client : peers.server;
		movers[i].data = malloc(BULK_BYTES);
		CU_ASSERT_PTR_NOT_NULL_FATAL(movers[i].data);
		for (size_t at = 0; at < BULK_BYTES; at++) {
			movers[i].data[at] = i < 2 ? (uint8_t)(at * 31 + at / 4096 + (size_t)i) : 0;
		}
	}
	for (int i = 0; i < 4; i++) {
		pthread_create(&threads[i], NULL, i < 2 ? bulk_write_main : bulk_read_main,
			       &movers[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(movers[i].result, 0);
	}
	CU_ASSERT_EQUAL(memcmp(movers[0].data, movers[3].data, BULK_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(movers[1].data, movers[2].data, BULK_BYTES), 0);
	CU_ASSERT_TRUE(tls_bytes_sent(peers.client) > BULK_BYTES);
	for (int i = 0; i < 4; i++) {
		free(movers[i].data);
	}
	peers_free(&peers);
}

static void test_steps_do_not_block(void)
{
	static uint8_t out[4u * 1024u * 1024u], in[sizeof(out)];
	struct peers peers;
	size_t got = 0;
	ssize_t n, written = -EAGAIN;
	int small = 65536;

	peers_connect(&peers, "a1", "b1", "b.example");
	/* Loopback would grow its buffers to more than all of it. */
	setsockopt(tls_fd(peers.client), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(tls_fd(peers.server), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (size_t i = 0; i < sizeof(out); i++) {
		out[i] = (uint8_t)(i * 131 + i / 5000);
	}
	CU_ASSERT_EQUAL(tls_read(peers.server, in, 1), -EAGAIN);
	CU_ASSERT_EQUAL(tls_wants(peers.server), POLLIN);
	/* More than every buffer on the way: the writer has to wait, and ends with the whole
	 * length. */
	CU_ASSERT_EQUAL(tls_write(peers.client, out, sizeof(out)), -EAGAIN);
	CU_ASSERT_EQUAL(tls_wants(peers.client), POLLOUT);
	while (got < sizeof(in)) {
		n = tls_read(peers.server, in + got, sizeof(in) - got);
		if (n == -EAGAIN && written == -EAGAIN) {
			written = tls_write(peers.client, out, sizeof(out));
			continue;
		}
		CU_ASSERT_TRUE_FATAL(n > 0);
		got += (size_t)n;
	}
	CU_ASSERT_EQUAL(written, (ssize_t)sizeof(out));
	CU_ASSERT_EQUAL(memcmp(in, out, sizeof(out)), 0);
	CU_ASSERT_FALSE(tls_has_pending(peers.server));
	peers_free(&peers);
}

static void test_ends(void)
{
	struct peers peers;
	char byte;

	/* A goodbye is an end of stream ... */
	peers_connect(&peers, "a1", "b1", "b.example");
	tls_conn_free(peers.client);
	peers.client = NULL;
	CU_ASSERT_EQUAL(
		poll(&(struct pollfd){.fd = tls_fd(peers.server), .events = POLLIN}, 1, 1000), 1);
	CU_ASSERT_EQUAL(tls_read(peers.server, &byte, 1), 0);
	CU_ASSERT_EQUAL(tls_read_full(peers.server, &byte, 1, 100), -ECONNRESET);
	peers_free(&peers);
	/* ... without one it is a disconnect, and stays one. */
	peers_connect(&peers, "a1", "b1", "b.example");
	tls_shutdown_now(peers.client);
	CU_ASSERT_EQUAL(tls_read_full(peers.server, &byte, 1, 1000), -ECONNRESET);
	CU_ASSERT_EQUAL(tls_read(peers.server, &byte, 1), -ECONNRESET);
	CU_ASSERT_TRUE(strlen(tls_error(peers.server)) > 0);
	CU_ASSERT_EQUAL(tls_write_full(peers.client, "x", 1, 1000), -ECONNRESET);
	peers_free(&peers);
}

static void *shutdown_main(void *arg)
{
	clock_sleep_ms(50);
	tls_shutdown_now(arg);
	return NULL;
}

/* A peer says why and closes with our bytes unread: the writer meets a reset, and still hears it.
 */
static void test_last_words(void)
{
	static uint8_t bulk[64 * 1024];
	struct peers peers;
	char words[8] = "";
	int rc = 0;

	peers_connect(&peers, "a1", "b1", "b1.b.example");
	CU_ASSERT_EQUAL(tls_write_full(peers.client, bulk, sizeof(bulk), 5000), 0);
	CU_ASSERT_EQUAL(tls_write_full(peers.server, "go away", 8, 5000), 0);
	tls_conn_free(peers.server);
	peers.server = NULL;
	for (int i = 0; i < 1000 && rc == 0; i++) {
		rc = tls_write_full(peers.client, bulk, sizeof(bulk), 5000);
	}
	CU_ASSERT_EQUAL(rc, -ECONNRESET);
	CU_ASSERT_EQUAL(tls_write_full(peers.client, bulk, 1, 5000), -ECONNRESET);
	CU_ASSERT_EQUAL(tls_read_full(peers.client, words, 8, 5000), 0);
	CU_ASSERT_STRING_EQUAL(words, "go away");
	CU_ASSERT_EQUAL(tls_read_full(peers.client, words, 1, 5000), -ECONNRESET);
	CU_ASSERT_EQUAL(tls_read_full(peers.client, words, 1, 5000), -ECONNRESET);
	peers_free(&peers);
}

static void test_shutdown_wakes_reader(void)
{
	struct peers peers;
	pthread_t thread;
	char byte;

	peers_connect(&peers, "a1", "b1", "b.example");
	pthread_create(&thread, NULL, shutdown_main, peers.server);
	CU_ASSERT_EQUAL(tls_read_full(peers.server, &byte, 1, -1), -ECONNRESET);
	pthread_join(thread, NULL);
	peers_free(&peers);
}

static void test_not_tls(void)
{
	struct tls_context *context = peers_context("a1");
	struct tls_conn *conn;
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	conn = tls_server_new(context, fds[0]);
	CU_ASSERT_EQUAL(write(fds[1], "GET / HTTP/1.0\r\n\r\n", 18), 18);
	CU_ASSERT_EQUAL(tls_handshake_full(conn, 1000), -EPROTO);
	CU_ASSERT_EQUAL(tls_handshake(conn), -EPROTO);
	tls_conn_free(conn);
	close(fds[1]);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	conn = tls_client_new(context, fds[0], "b.example", NULL);
	CU_ASSERT_EQUAL(tls_handshake_full(conn, 50), -ETIMEDOUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_error(conn), "does not answer"));
	tls_conn_free(conn);
	close(fds[1]);
	/* No name to expect would mean that any will do. */
	CU_ASSERT_PTR_NULL(tls_client_new(context, dup(2), "", NULL));
	tls_context_unref(context);
}

static void test_context_files(void)
{
	struct tls_files files = {.ca = peers_path("ca", ".crt"),
				  .certificate = peers_path("a1", ".crt"),
				  .key = peers_path("none", ".key")};
	char error[TLS_ERROR_LEN];

	CU_ASSERT_PTR_NULL(tls_context_new(&files, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "none.key"));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "vmreplica pki"));
	files.key = peers_path("b1", ".key");
	CU_ASSERT_PTR_NULL(tls_context_new(&files, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "b1.key"));
	files.certificate = peers_path("a1", ".key");
	CU_ASSERT_PTR_NULL(tls_context_new(&files, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "a1.key holds no certificate"));
}

static void test_dial(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char error[TLS_ERROR_LEN];
	int fd;

	CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &len);
	fd = tls_dial("127.0.0.1", ntohs(address.sin_port), 1000, error);
	CU_ASSERT_TRUE(fd >= 0);
	close(fd);
	close(listener);
	CU_ASSERT_EQUAL(tls_dial("127.0.0.1", ntohs(address.sin_port), 1000, error), -ECONNREFUSED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "127.0.0.1 port"));
	CU_ASSERT_TRUE(tls_dial("no such host", 1, 1000, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "cannot be resolved"));
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"a good pair", test_good},
	{"servers' certificates that are refused", test_server_certificates},
	{"clients' certificates that are refused", test_client_certificates},
	{"a writer hears why it was refused", test_refusal_is_heard_by_writer},
	{"TLS 1.2 is refused", test_old_versions},
	{"a client without a certificate", test_client_without_certificate},
	{"no session is ever resumed", test_no_session_to_resume},
	{"bulk both ways at once", test_bulk_both_ways},
	{"steps that would block", test_steps_do_not_block},
	{"ends of a stream", test_ends},
	{"last words before a reset", test_last_words},
	{"shutdown wakes a reader", test_shutdown_wakes_reader},
	{"peers that do not speak TLS", test_not_tls},
	{"wrong files", test_context_files},
	{"dialling", test_dial},
};

int main(void)
{
	peers_make();
	return unit_run("tls", tests, sizeof(tests) / sizeof(tests[0]));
}
