/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The access point's bounds: time, number, and connections that never become one. */
#include "broker/access_point.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "tempdir.h"
#include "tls_peers.h"
#include "unit.h"

#define CONNECTIONS 6

static qb_loop_t *loop;
static struct access_point *point;
static int refused, relayed;
static char refused_reason[128];

static void request_cb(void *arg, struct peer_session *session, enum frame_type type,
		       const ProtobufCMessage *message)
{
	(void)arg;
	(void)session;
	(void)type;
	(void)message;
	CU_FAIL("nobody asks anything here");
}

static void relay_cb(void *arg, int fd, const char *token, const char *address)
{
	char byte = 0;

	(void)arg;
	relayed++;
	CU_ASSERT_STRING_EQUAL(token, "0123456789abcdef0123456789abcdef");
	CU_ASSERT_STRING_EQUAL(address, "127.0.0.1");
	/* Nothing of the ClientHello is lost: it is still there to be passed on. */
	CU_ASSERT_EQUAL(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
	CU_ASSERT_EQUAL(byte, 0x16);
	close(fd);
}

static void refused_cb(void *arg, const char *address, const char *reason)
{
	(void)arg;
	(void)address;
	refused++;
	snprintf(refused_reason, sizeof(refused_reason), "%s", reason);
}

static void begin(const struct access_options *options)
{
	static const struct access_callbacks callbacks = {
		.request_cb = request_cb, .relay_cb = relay_cb, .refused_cb = refused_cb};
	struct tls_context *tls = peers_context("b1");

	refused = relayed = 0;
	loop = qb_loop_create();
	CU_ASSERT_EQUAL_FATAL(access_point_open(loop, options, tls, &callbacks, NULL, &point), 0);
	tls_context_unref(tls);
	CU_ASSERT_EQUAL_FATAL(access_point_start(point), 0);
}

static void end(void)
{
	access_point_free(point);
	qb_loop_destroy(loop);
}

static void stop_cb(void *data)
{
	qb_loop_stop(data);
}

static void run_ms(unsigned ms)
{
	qb_loop_timer_handle timer;

	CU_ASSERT_EQUAL(
		qb_loop_timer_add(loop, QB_LOOP_LOW, ms * 1000000ull, loop, stop_cb, &timer), 0);
	qb_loop_run(loop);
}

static void wait_until_empty(void)
{
	run_ms(50);
	for (int i = 0; i < 100 && access_point_count(point) > 0; i++) {
		run_ms(50);
	}
	CU_ASSERT_EQUAL(access_point_count(point), 0);
}

static int dial_from(const char *source)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(access_point_port(point)),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, source, &from.sin_addr);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int dial(void)
{
	return dial_from("127.0.0.1");
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* A ClientHello as a client makes it, with this server name (NULL: none). */
static size_t hello_make(const char *sni, uint8_t *buf, size_t size)
{
	struct tls_context *context = peers_context("a1");
	struct tls_conn *conn;
	int fds[2];
	ssize_t n;

	CU_ASSERT_EQUAL_FATAL(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	conn = tls_client_new(context, fds[0], "b.example", sni);
	tls_context_unref(context);
	CU_ASSERT_EQUAL(tls_handshake(conn), -EAGAIN);
	n = read(fds[1], buf, size);
	CU_ASSERT_TRUE_FATAL(n > 100);
	tls_conn_free(conn);
	close(fds[1]);
	return (size_t)n;
}

/* Who says nothing, or half a hello, or a hello and then nothing, is gone after the handshake's
 * limit. */
static void test_handshake_limit(void)
{
	struct access_options options = {.address = "127.0.0.1", .handshake_ms = 1500};
	uint8_t hello[2048];
	size_t len = hello_make(NULL, hello, sizeof(hello));
	int fds[3];

	begin(&options);
	for (size_t i = 0; i < 3; i++) {
		fds[i] = dial();
	}
	CU_ASSERT_EQUAL(write(fds[1], hello, len / 2), (ssize_t)(len / 2));
	CU_ASSERT_EQUAL(write(fds[2], hello, len), (ssize_t)len);
	run_ms(100);
	CU_ASSERT_EQUAL(access_point_count(point), 3);
	wait_until_empty();
	for (size_t i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(is_closed(fds[i]));
		close(fds[i]);
	}
	close(fds[2]);
	end();
}

static void test_idle_limit(void)
{
	struct access_options options = {.address = "127.0.0.1", .idle_ms = 1500};
	struct tls_context *context = peers_context("a1");
	struct tls_conn *conn;

	begin(&options);
	conn = tls_client_new(context, dial(), "b.example", NULL);
	tls_context_unref(context);
	for (int i = 0; i < 50 && tls_handshake(conn) == -EAGAIN; i++) {
		run_ms(5);
	}
	run_ms(50);
	CU_ASSERT_EQUAL(tls_handshake(conn), 1);
	CU_ASSERT_EQUAL(access_point_count(point), 1);
	wait_until_empty();
	tls_conn_free(conn);
	end();
}

/* One too many ends an older one: the oldest of the address that has the most. */
static void test_numbers(void)
{
	struct access_options options = {
		.address = "127.0.0.1", .per_address_max = 4, .pending_max = 100};
	int fds[CONNECTIONS], other;

	begin(&options);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		fds[i] = dial();
	}
	run_ms(50);
	CU_ASSERT_EQUAL(access_point_count(point), 4);
	CU_ASSERT_EQUAL(refused, 1); /* told once a minute */
	CU_ASSERT_PTR_NOT_NULL(strstr(refused_reason, "to let others in"));
	for (size_t i = 0; i < CONNECTIONS; i++) {
		CU_ASSERT_EQUAL(is_closed(fds[i]), i < CONNECTIONS - 4);
		close(fds[i]);
	}
	wait_until_empty();
	end();
	options.pending_max = 3;
	begin(&options);
	other = dial_from("127.0.0.9"); /* the oldest, and yet not the one that goes */
	run_ms(20);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		fds[i] = dial();
	}
	run_ms(50);
	CU_ASSERT_EQUAL(access_point_count(point), 3);
	CU_ASSERT_FALSE(is_closed(other));
	CU_ASSERT_FALSE(is_closed(fds[CONNECTIONS - 1]));
	for (size_t i = 0; i < CONNECTIONS; i++) {
		close(fds[i]);
	}
	close(other);
	end();
}

/* Connections with a certificate are one site's share, whatever strangers do. */
static void test_share(void)
{
	struct access_options options = {.address = "127.0.0.1",
					 .pending_max = 2,
					 .per_address_max = 2,
					 .connections_max = 3,
					 .per_peer_max = 2};
	struct tls_context *context = peers_context("a1");
	struct tls_conn *conns[3];
	int strangers[CONNECTIONS], over = 0;

	begin(&options);
	for (size_t i = 0; i < 3; i++) {
		conns[i] = tls_client_new(context, dial(), "b.example", NULL);
		for (int k = 0; k < 50 && tls_handshake(conns[i]) == -EAGAIN; k++) {
			run_ms(5);
		}
	}
	tls_context_unref(context);
	run_ms(50);
	CU_ASSERT_EQUAL(access_point_count(point), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(refused_reason, "its site has too many connections"));
	for (size_t i = 0; i < CONNECTIONS; i++) {
		strangers[i] = dial();
	}
	run_ms(50);
	CU_ASSERT_EQUAL(access_point_count(point), 4);
	for (size_t i = 0; i < 3; i++) {
		char byte;

		over += tls_read(conns[i], &byte, 1) != -EAGAIN;
		tls_conn_free(conns[i]);
	}
	CU_ASSERT_EQUAL(over, 1);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		close(strangers[i]);
	}
	end();
}

/* A peer that goes away in the middle of its hello; and pieces of it do not make the loop spin. */
static void test_pieces(void)
{
	struct access_options options = {.address = "127.0.0.1"};
	uint8_t hello[2048];
	size_t len = hello_make("0123456789abcdef0123456789abcdef.relay.vmreplica", hello,
				sizeof(hello));
	int fd, broken;

	begin(&options);
	broken = dial();
	CU_ASSERT_EQUAL(write(broken, hello, len - 1), (ssize_t)(len - 1));
	run_ms(20);
	close(broken);
	wait_until_empty();
	fd = dial();
	for (size_t i = 0; i < len; i++) {
		CU_ASSERT_EQUAL(relayed, 0);
		CU_ASSERT_EQUAL(write(fd, hello + i, 1), 1);
		if (i % 50 == 0) {
			run_ms(2);
		}
	}
	run_ms(50);
	CU_ASSERT_EQUAL(relayed, 1);
	CU_ASSERT_EQUAL(access_point_count(point), 0);
	CU_ASSERT_EQUAL(refused, 0);
	close(fd);
	end();
}

/* More bytes than a hello can have, and still no end of it. */
static void test_endless_hello(void)
{
	struct access_options options = {.address = "127.0.0.1"};
	static uint8_t flood[64 * 1024];
	int fd;

	begin(&options);
	memset(flood, 0, sizeof(flood));
	flood[0] = 0x16; /* one record of a handshake, as long as a record can be ... */
	flood[1] = 0x03;
	flood[2] = 0x01;
	flood[3] = 0x40;
	flood[5] = 0x01; /* ... that begins a ClientHello of 16 MiB */
	flood[6] = 0xff;
	flood[7] = 0xff;
	flood[8] = 0xff;
	fd = dial();
	CU_ASSERT_EQUAL(send(fd, flood, sizeof(flood), MSG_NOSIGNAL), (ssize_t)sizeof(flood));
	wait_until_empty();
	for (int i = 0; i < 100 && refused == 0; i++) {
		run_ms(50);
	}
	CU_ASSERT_EQUAL(refused, 1);
	close(fd);
	end();
}

static void test_ipv6(void)
{
	struct access_options options = {.address = "::1"};
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	begin(&options);
	address.sin6_port = htons(access_point_port(point));
	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	run_ms(20);
	CU_ASSERT_EQUAL(access_point_count(point), 1);
	close(fd);
	end();
}

static void test_addresses(void)
{
	struct access_options options = {.address = "not-an-address"};
	struct tls_context *tls = peers_context("b1");
	static const struct access_callbacks callbacks = {.request_cb = request_cb};

	loop = qb_loop_create();
	CU_ASSERT_EQUAL(access_point_open(loop, &options, tls, &callbacks, NULL, &point), -EINVAL);
	options.address = ""; /* any: both families on one socket */
	CU_ASSERT_EQUAL_FATAL(access_point_open(loop, &options, tls, &callbacks, NULL, &point), 0);
	close(dial());
	access_point_free(point);
	tls_context_unref(tls);
	qb_loop_destroy(loop);
}

static const struct unit_test tests[] = {
	{"the handshake's limit", test_handshake_limit},
	{"the idle limit", test_idle_limit},
	{"numbers", test_numbers},
	{"a site's share", test_share},
	{"a hello in pieces", test_pieces},
	{"a hello without end", test_endless_hello},
	{"IPv6", test_ipv6},
	{"addresses", test_addresses},
};

int main(void)
{
	int status;

	signal(SIGPIPE, SIG_IGN);
	log_open("test", NULL, "error", false);
	peers_make();
	status = unit_run("access point", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return status;
}
