/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay over real sockets: two loopback connections and what goes between them. */
#include "broker/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "unit.h"

#define WAIT_MS 5000

static const struct relay_options quick = {.threads = 2,
					   .streams_max = 4,
					   .connect_timeout_ms = 300,
					   .idle_timeout_ms = 60000,
					   .half_idle_timeout_ms = 60000};

static const struct token_target target = {.relationship = "11111111-1111-4111-8111-111111111111",
					   .node = "b1",
					   .host = "127.0.0.1",
					   .port = 1,
					   .peer = "a.example"};

struct wire {
	int peer;  /* the sender's end */
	int owner; /* the owner's end */
};

static int listen_loopback(struct sockaddr_in *ret_address)
{
	socklen_t len = sizeof(*ret_address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_address = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)ret_address, len), 0);
	CU_ASSERT_EQUAL_FATAL(listen(fd, 8), 0);
	CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)ret_address, &len), 0);
	return fd;
}

/* A connected pair; the second end is what the access point would have accepted. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in address;
	int listener = listen_loopback(&address);

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(connect(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	CU_ASSERT_TRUE_FATAL(fds[1] >= 0);
	close(listener);
}

/* `before` is what the sender has sent when the relay gets the connection: its ClientHello. */
static struct wire relay_wire(struct relay *relay, const char *before)
{
	struct sockaddr_in address;
	int listener = listen_loopback(&address);
	struct wire wire;
	int fds[2];

	tcp_pair(fds);
	wire.peer = fds[0];
	CU_ASSERT_EQUAL(write(wire.peer, before, strlen(before)), (ssize_t)strlen(before));
	CU_ASSERT_EQUAL_FATAL(
		relay_start(relay, fds[1], (struct sockaddr *)&address, sizeof(address), &target),
		0);
	wire.owner = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CU_ASSERT_TRUE_FATAL(wire.owner >= 0);
	close(listener);
	return wire;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};

	return poll(&entry, 1, timeout_ms) == 1;
}

static void expect_bytes(int fd, const char *bytes)
{
	char buf[256];
	size_t have = 0, want = strlen(bytes);

	while (have < want && readable(fd, WAIT_MS)) {
		ssize_t n = read(fd, buf + have, want - have);

		if (n <= 0) {
			break;
		}
		have += (size_t)n;
	}
	CU_ASSERT_EQUAL(have, want);
	CU_ASSERT_EQUAL(memcmp(buf, bytes, want), 0);
}

static void expect_end(int fd)
{
	char byte;

	CU_ASSERT_TRUE(readable(fd, WAIT_MS));
	CU_ASSERT_TRUE(read(fd, &byte, 1) <= 0);
}

static void wait_for_streams(struct relay *relay, size_t count)
{
	int64_t deadline = clock_monotonic_ms() + WAIT_MS;

	while (relay_stream_count(relay) != count && clock_monotonic_ms() < deadline) {
		clock_sleep_ms(5);
	}
	CU_ASSERT_EQUAL(relay_stream_count(relay), count);
}

static void count_cb(void *arg, const struct relay_info *info)
{
	uint64_t *bytes = arg;

	CU_ASSERT_STRING_EQUAL(info->node, "b1");
	CU_ASSERT_STRING_EQUAL(info->peer, "a.example");
	CU_ASSERT_TRUE(info->age_ms >= 0);
	*bytes += info->bytes;
}

static void test_both_ways(void)
{
	struct relay *relay = relay_new(&quick);
	uint64_t bytes = 0;
	struct wire wire;

	CU_ASSERT_PTR_NOT_NULL_FATAL(relay);
	wire = relay_wire(relay, "hello");
	expect_bytes(wire.owner, "hello");
	CU_ASSERT_EQUAL(write(wire.owner, "answer", 6), 6);
	expect_bytes(wire.peer, "answer");
	CU_ASSERT_EQUAL(relay_stream_count(relay), 1);
	clock_sleep_ms(20); /* the counter follows the bytes */
	relay_for_each(relay, count_cb, &bytes);
	CU_ASSERT_EQUAL(bytes, 11);
	close(wire.peer);
	expect_end(wire.owner);
	close(wire.owner);
	wait_for_streams(relay, 0);
	CU_ASSERT_EQUAL(relay_total_bytes(relay), 11);
	relay_free(relay);
}

/* One side says that it has no more to send; the other goes on. */
static void test_half_closed(void)
{
	struct relay *relay = relay_new(&quick);
	struct wire wire = relay_wire(relay, "question");

	expect_bytes(wire.owner, "question");
	shutdown(wire.peer, SHUT_WR);
	expect_end(wire.owner);
	CU_ASSERT_EQUAL(relay_stream_count(relay), 1);
	CU_ASSERT_EQUAL(write(wire.owner, "long answer", 11), 11);
	expect_bytes(wire.peer, "long answer");
	CU_ASSERT_FALSE(readable(wire.peer, 50));
	shutdown(wire.owner, SHUT_WR);
	expect_end(wire.peer);
	wait_for_streams(relay, 0);
	close(wire.peer);
	close(wire.owner);
	relay_free(relay);
}

struct flood {
	int fd;
	size_t bytes;
	uint64_t sum;
};

static void *flood_write(void *arg)
{
	struct flood *flood = arg;
	static uint8_t block[256 * 1024];
	size_t left = flood->bytes;

	for (size_t i = 0; i < sizeof(block); i++) {
		block[i] = (uint8_t)(i * 31 + i / 251);
	}
	while (left > 0) {
		size_t offset = (flood->bytes - left) % sizeof(block);
		size_t chunk = sizeof(block) - offset < left ? sizeof(block) - offset : left;
		ssize_t n = write(flood->fd, block + offset, chunk);

		if (n <= 0) {
			break;
		}
		left -= (size_t)n;
	}
	shutdown(flood->fd, SHUT_WR);
	return NULL;
}

/* Many bytes against a reader that stalls now and then: all arrive, in order, and the two ends are
 * seen. */
static void test_volume(void)
{
	struct relay *relay = relay_new(&quick);
	struct wire wire = relay_wire(relay, "");
	struct flood flood = {.fd = wire.peer, .bytes = 48u * 1024 * 1024 + 7};
	static uint8_t buf[200 * 1000];
	size_t have = 0;
	bool same = true;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, flood_write, &flood), 0);
	for (unsigned turn = 0;; turn++) {
		ssize_t n = read(wire.owner, buf, sizeof(buf));

		if (n <= 0) {
			break;
		}
		for (ssize_t i = 0; i < n; i += 997) {
			size_t at = (have + (size_t)i) % (256 * 1024);

			same = same && buf[i] == (uint8_t)(at * 31 + at / 251);
		}
		have += (size_t)n;
		if (turn % 100 == 50) {
			clock_sleep_ms(5);
		}
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(have, flood.bytes);
	CU_ASSERT_TRUE(same);
	close(wire.owner);
	close(wire.peer);
	wait_for_streams(relay, 0);
	CU_ASSERT_EQUAL(relay_total_bytes(relay), flood.bytes);
	relay_free(relay);
}

static void test_refused(void)
{
	struct relay *relay = relay_new(&quick);
	struct sockaddr_in address;
	int listener = listen_loopback(&address);
	int fds[2];

	close(listener); /* nobody listens there now */
	tcp_pair(fds);
	CU_ASSERT_EQUAL(
		relay_start(relay, fds[1], (struct sockaddr *)&address, sizeof(address), &target),
		0);
	expect_end(fds[0]);
	wait_for_streams(relay, 0);
	close(fds[0]);
	relay_free(relay);
}

static void test_owner_resets(void)
{
	struct relay *relay = relay_new(&quick);
	struct wire wire = relay_wire(relay, "hello");
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	expect_bytes(wire.owner, "hello");
	setsockopt(wire.owner, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(wire.owner);
	expect_end(wire.peer);
	wait_for_streams(relay, 0);
	close(wire.peer);
	relay_free(relay);
}

/* A full backlog: the owner's machine does not answer the connect at all. */
static void test_connect_timeout(void)
{
	struct relay *relay = relay_new(&quick);
	struct sockaddr_in address;
	int listener = listen_loopback(&address);
	int fillers[16], fds[2];
	int64_t begun;

	listen(listener, 0);
	for (size_t i = 0; i < 16; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fillers[i], (struct sockaddr *)&address, sizeof(address)) < 0) {
			CU_ASSERT_EQUAL(errno, EINPROGRESS);
		}
	}
	tcp_pair(fds);
	begun = clock_monotonic_ms();
	CU_ASSERT_EQUAL(
		relay_start(relay, fds[1], (struct sockaddr *)&address, sizeof(address), &target),
		0);
	expect_end(fds[0]);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begun >= quick.connect_timeout_ms);
	wait_for_streams(relay, 0);
	for (size_t i = 0; i < 16; i++) {
		close(fillers[i]);
	}
	close(fds[0]);
	close(listener);
	relay_free(relay);
}

static void test_idle(void)
{
	struct relay_options impatient = quick;
	struct relay *relay;
	struct wire wire;

	impatient.idle_timeout_ms = 200;
	relay = relay_new(&impatient);
	wire = relay_wire(relay, "hello");
	expect_bytes(wire.owner, "hello");
	expect_end(wire.peer);
	expect_end(wire.owner);
	wait_for_streams(relay, 0);
	close(wire.peer);
	close(wire.owner);
	relay_free(relay);
}

static size_t open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		count += fcntl(fd, F_GETFD) >= 0;
	}
	return count;
}

/* Streams without bytes in them hold their two sockets and nothing else, and their number is
 * bounded. */
static void test_idle_cost_and_bound(void)
{
	struct relay *relay = relay_new(&quick);
	size_t before = open_descriptors(), at_rest;
	struct sockaddr_in address;
	struct wire wires[4];
	int listener, fds[2];

	for (size_t i = 0; i < 4; i++) {
		wires[i] = relay_wire(relay, "hello");
		expect_bytes(wires[i].owner, "hello");
	}
	clock_sleep_ms(50);
	at_rest = open_descriptors() - before;
	/* Four descriptors a stream, two of them this test's; and a pipe that each thread keeps for
	 * the next bytes. */
	CU_ASSERT_TRUE(at_rest <= 4 * 4 + 2 * 2 * 2);
	tcp_pair(fds);
	listener = listen_loopback(&address);
	CU_ASSERT_EQUAL(
		relay_start(relay, fds[1], (struct sockaddr *)&address, sizeof(address), &target),
		-ENOBUFS);
	expect_end(fds[0]);
	close(fds[0]);
	close(listener);
	relay_free(relay); /* cuts all */
	for (size_t i = 0; i < 4; i++) {
		expect_end(wires[i].peer);
		expect_end(wires[i].owner);
		close(wires[i].peer);
		close(wires[i].owner);
	}
}

static const struct unit_test tests[] = {
	{"bytes go both ways", test_both_ways},
	{"half closed", test_half_closed},
	{"volume with stalls", test_volume},
	{"the owner refuses", test_refused},
	{"the owner resets", test_owner_resets},
	{"the owner does not answer", test_connect_timeout},
	{"idle streams end", test_idle},
	{"idle streams are cheap and bounded", test_idle_cost_and_bound},
};

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the program does */
	log_open("test", NULL, "error", false);
	return unit_run("relay", tests, sizeof(tests) / sizeof(tests[0]));
}
