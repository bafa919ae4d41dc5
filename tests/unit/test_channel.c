/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"
#include "tests/unit/unit.h"

static struct channel a, b;
static struct arena arena;
static int fds[2];
static uint8_t payload[CHUNK_MAX], received[CHUNK_MAX];

static void open_pair(void)
{
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	channel_init_fd(&a, fds[0]);
	channel_init_fd(&b, fds[1]);
	arena_init(&arena, ARENA_MAX);
}

static void close_pair(void)
{
	channel_destroy(&a);
	channel_destroy(&b);
	arena_reset(&arena);
	close(fds[0]);
	if (fds[1] >= 0) {
		close(fds[1]);
	}
}

static int send_ping(struct channel *channel, uint64_t value)
{
	Vmreplica__Wire__Ping ping = VMREPLICA__WIRE__PING__INIT;

	ping.value = value;
	return channel_send(channel, FRAME_PING, &ping.base, NULL, 0, 1000);
}

static int send_chunk(struct channel *channel, uint32_t len)
{
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;

	chunk.length = len;
	return channel_send(channel, FRAME_CHUNK, &chunk.base, payload, len, 5000);
}

static void *chunk_main(void *arg)
{
	CU_ASSERT_EQUAL(send_chunk(arg, CHUNK_MAX), 0);
	CU_ASSERT_EQUAL(send_ping(arg, 7), 0);
	return NULL;
}

static void exchange(void)
{
	struct frame frame;
	pthread_t thread;

	for (size_t i = 0; i < sizeof(payload); i++) {
		payload[i] = (uint8_t)(i * 17 + i / 1000);
	}
	pthread_create(&thread, NULL, chunk_main, &a);
	CU_ASSERT_EQUAL_FATAL(channel_receive(&b, &arena, &frame, received, sizeof(received), 5000),
			      0);
	CU_ASSERT_EQUAL(frame.type, FRAME_CHUNK);
	CU_ASSERT_EQUAL(frame.payload_len, CHUNK_MAX);
	CU_ASSERT_EQUAL(((const Vmreplica__Wire__Chunk *)(void *)frame.message)->length, CHUNK_MAX);
	CU_ASSERT_EQUAL(memcmp(payload, received, CHUNK_MAX), 0);
	CU_ASSERT_EQUAL_FATAL(channel_receive(&b, &arena, &frame, NULL, 0, 5000), 0);
	CU_ASSERT_EQUAL(frame.type, FRAME_PING);
	CU_ASSERT_EQUAL(((const Vmreplica__Wire__Ping *)(void *)frame.message)->value, 7);
	CU_ASSERT_EQUAL(frame.raw_message_len, 2);
	CU_ASSERT_EQUAL(memcmp(frame.raw_message, "\x08\x07", 2), 0);
	pthread_join(thread, NULL);
}

static void test_over_socket(void)
{
	open_pair();
	exchange();
	close_pair();
}

static void test_over_tls(void)
{
	struct peers peers;

	peers_make();
	peers_connect(&peers, "a1", "b1", "b.example");
	CU_ASSERT_EQUAL_FATAL(peers.client_result, 0);
	channel_init_tls(&a, peers.client);
	channel_init_tls(&b, peers.server);
	arena_init(&arena, ARENA_MAX);
	exchange();
	CU_ASSERT_EQUAL(channel_receive(&b, &arena, &(struct frame){0}, NULL, 0, 20), -ETIMEDOUT);
	CU_ASSERT_EQUAL(send_ping(&a, 8), 0);
	CU_ASSERT_EQUAL(channel_receive(&b, &arena, &(struct frame){0}, NULL, 0, 1000), 0);
	channel_destroy(&a);
	channel_destroy(&b);
	arena_reset(&arena);
	peers_free(&peers);
	tempdir_remove();
}

static void test_quiet_peer_costs_nothing(void)
{
	struct frame frame;

	open_pair();
	CU_ASSERT_EQUAL(channel_receive(&b, &arena, &frame, NULL, 0, 20), -ETIMEDOUT);
	CU_ASSERT_EQUAL(send_ping(&a, 1), 0);
	CU_ASSERT_EQUAL(channel_receive(&b, &arena, &frame, NULL, 0, 0), 0);
	close_pair();
}

/* A frame cut at every byte by the end of the stream is a broken connection, and ret_frame stays
 * untouched. */
static void test_end_at_every_byte(void)
{
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;
	uint8_t raw[128];
	size_t len;

	chunk.length = 10;
	chunk.offset = 4096;
	len = frame_encode(FRAME_CHUNK, &chunk.base, 10, raw) + 10;
	for (size_t cut = 0; cut < len; cut++) {
		struct frame frame = {.payload_len = 77};

		open_pair();
		CU_ASSERT_EQUAL(write(fds[0], raw, cut), (ssize_t)cut);
		shutdown(fds[0], SHUT_WR);
		CU_ASSERT_EQUAL(
			channel_receive(&b, &arena, &frame, received, sizeof(received), 1000),
			-ECONNRESET);
		CU_ASSERT_EQUAL(frame.payload_len, 77);
		close_pair();
	}
}

static int receive_raw(const void *raw, size_t len)
{
	struct frame frame;
	int r;

	open_pair();
	CU_ASSERT_EQUAL(write(fds[0], raw, len), (ssize_t)len);
	r = channel_receive(&b, &arena, &frame, received, 100, 1000);
	close_pair();
	return r;
}

static void test_refuses(void)
{
	CU_ASSERT_EQUAL(receive_raw("GET / HTTP/1.0\r\n", 16), -EPROTO);
	CU_ASSERT_EQUAL(receive_raw("VMR1\0\x19\0\0\0\0\0\0\0\0\0\0", 16), -EPROTO);
	CU_ASSERT_EQUAL(receive_raw("VMR1\0\x26\0\0\0\x01\0\x01\0\0\0\0", 16), -EMSGSIZE);
	/* A payload larger than the receiver's buffer. */
	CU_ASSERT_EQUAL(receive_raw("VMR1\0\x26\0\0\0\0\0\0\0\0\0\x65", 16), -EMSGSIZE);
	/* A field of a length beyond the message. */
	CU_ASSERT_EQUAL(receive_raw("VMR1\0\x01\0\0\0\0\0\x02\0\0\0\0\x12\x7f", 18), -EBADMSG);
	open_pair();
	CU_ASSERT_EQUAL(send_chunk(&a, 0), 0);
	CU_ASSERT_EQUAL(channel_send(&a, FRAME_PING,
				     &(Vmreplica__Wire__Ping)VMREPLICA__WIRE__PING__INIT.base,
				     payload, 1, 1000),
			-EMSGSIZE);
	close(fds[1]);
	fds[1] = -1;
	CU_ASSERT_EQUAL(send_ping(&a, 1), -ECONNRESET);
	close_pair();
}

static void test_full_socket_times_out(void)
{
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;
	int64_t begin;

	open_pair();
	begin = clock_monotonic_ms();
	CU_ASSERT_EQUAL(channel_send(&a, FRAME_CHUNK, &chunk.base, payload, CHUNK_MAX, 50),
			-ETIMEDOUT);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin < 5000);
	close_pair();
}

static const struct unit_test tests[] = {
	{"frames over a socket", test_over_socket},
	{"frames over TLS", test_over_tls},
	{"a quiet peer does not cost the channel", test_quiet_peer_costs_nothing},
	{"the stream ends at every byte", test_end_at_every_byte},
	{"what is refused", test_refuses},
	{"a full socket times out", test_full_socket_times_out},
};

UNIT_MAIN("channel", tests)
