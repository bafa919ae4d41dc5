/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "proto/admin.pb-c.h"
#include "proto/ipc.pb-c.h"
#include "proto/link.h"
#include "proto/wire.pb-c.h"
#include "tests/unit/unit.h"

#define NS_PER_MS 1000000ull

static qb_loop_t *loop;
static int fds[2];

/* One end's tale. */
struct end {
	struct link *link;
	unsigned int frames;
	uint64_t sum;
	size_t text_len;
	int closed; /* times */
	int error;
	bool close_on_frame, stop_when_closed, echo;
};

static void frame_cb(void *arg, struct link *link, const struct frame *frame,
		     const uint8_t *payload)
{
	struct end *end = arg;

	CU_ASSERT_PTR_EQUAL(link, end->link);
	CU_ASSERT_PTR_NULL(payload);
	end->frames++;
	if (frame->type == FRAME_PING) {
		end->sum += ((const Vmreplica__Wire__Ping *)(const void *)frame->message)->value;
	} else if (frame->type == FRAME_ADMIN_RESPONSE) {
		end->text_len = strlen(
			((const Vmreplica__Admin__Response *)(const void *)frame->message)->text);
	}
	if (end->echo) {
		CU_ASSERT_EQUAL(link_send(link, frame->type, frame->message), 0);
	}
	if (end->close_on_frame) {
		link_close(link);
	}
}

static void closed_cb(void *arg, struct link *link, int error)
{
	struct end *end = arg;

	CU_ASSERT_PTR_EQUAL(link, end->link);
	end->closed++;
	end->error = error;
	end->link = NULL;
	if (end->stop_when_closed) {
		qb_loop_stop(loop);
	}
}

static void timeout_cb(void *arg)
{
	*(int *)arg += 1;
	qb_loop_stop(loop);
}

/* Run the loop for at most ms; true when something stopped it before. */
static bool run(uint64_t ms)
{
	qb_loop_timer_handle timer;
	int late = 0;

	qb_loop_timer_add(loop, QB_LOOP_LOW, ms * NS_PER_MS, &late, timeout_cb, &timer);
	qb_loop_run(loop);
	if (late == 0) {
		qb_loop_timer_del(loop, timer);
	}
	return late == 0;
}

static void open_end(struct end *end, int fd)
{
	end->link = link_new(loop, fd, frame_cb, closed_cb, end);
	CU_ASSERT_PTR_NOT_NULL_FATAL(end->link);
}

static void begin(void)
{
	loop = qb_loop_create();
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static int send_ping(struct link *link, uint64_t value)
{
	Vmreplica__Wire__Ping ping = VMREPLICA__WIRE__PING__INIT;

	ping.value = value;
	return link_send(link, FRAME_PING, &ping.base);
}

static void test_many_frames_and_close(void)
{
	struct end a = {0}, b = {.stop_when_closed = true};

	begin();
	open_end(&a, fds[0]);
	open_end(&b, fds[1]);
	for (uint64_t i = 1; i <= 20000; i++) {
		CU_ASSERT_EQUAL_FATAL(send_ping(a.link, i), 0);
	}
	link_close(a.link);
	CU_ASSERT_EQUAL(send_ping(a.link, 1), -ENOTCONN);
	CU_ASSERT_TRUE(run(5000));
	/* All that was queued has come, and both ends heard of the end once. */
	CU_ASSERT_EQUAL(b.frames, 20000);
	CU_ASSERT_EQUAL(b.sum, 20000ull * 20001 / 2);
	CU_ASSERT_EQUAL(a.closed, 1);
	CU_ASSERT_EQUAL(a.error, 0);
	CU_ASSERT_EQUAL(b.closed, 1);
	CU_ASSERT_EQUAL(b.error, 0);
	qb_loop_destroy(loop);
}

static void test_large_frame_and_echo(void)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	struct end a = {.close_on_frame = true, .stop_when_closed = true}, b = {.echo = true};
	char *text = malloc(3u << 20);

	begin();
	open_end(&a, fds[0]);
	open_end(&b, fds[1]);
	memset(text, 'x', (3u << 20) - 1);
	text[(3u << 20) - 1] = '\0';
	response.text = text;
	CU_ASSERT_EQUAL(link_send(a.link, FRAME_ADMIN_RESPONSE, &response.base), 0);
	CU_ASSERT_TRUE(run(5000));
	CU_ASSERT_EQUAL(b.text_len, (3u << 20) - 1);
	CU_ASSERT_EQUAL(a.text_len, (3u << 20) - 1);
	CU_ASSERT_EQUAL(a.closed, 1);
	run(50);
	CU_ASSERT_EQUAL(b.closed, 1);
	free(text);
	qb_loop_destroy(loop);
}

/* A peer that reads nothing: the queue has an end, and so has the link. */
static void test_queue_overflow(void)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	struct end a = {.stop_when_closed = true};
	char *text = calloc(1, 1u << 20);
	int r = 0, sent = 0;

	begin();
	open_end(&a, fds[0]);
	memset(text, 'x', (1u << 20) - 1);
	response.text = text;
	while (r == 0 && sent < 100) {
		r = link_send(a.link, FRAME_ADMIN_RESPONSE, &response.base);
		sent++;
	}
	CU_ASSERT_EQUAL(r, -ENOBUFS);
	CU_ASSERT_TRUE(sent >= 8 && sent <= 12);
	CU_ASSERT_EQUAL(a.closed, 0); /* not from inside link_send */
	CU_ASSERT_TRUE(run(1000));
	CU_ASSERT_EQUAL(a.closed, 1);
	CU_ASSERT_EQUAL(a.error, -ENOBUFS);
	free(text);
	close(fds[1]);
	qb_loop_destroy(loop);
}

static void test_close_is_bounded(void)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	struct end a = {.stop_when_closed = true};
	char *text = calloc(1, 1u << 20);
	int64_t from_ms;

	begin();
	open_end(&a, fds[0]);
	memset(text, 'x', (1u << 20) - 1);
	response.text = text;
	CU_ASSERT_EQUAL(link_send(a.link, FRAME_ADMIN_RESPONSE, &response.base), 0);
	from_ms = clock_monotonic_ms();
	link_close(a.link);
	CU_ASSERT_TRUE(run(5000));
	CU_ASSERT_TRUE(clock_monotonic_ms() - from_ms >= 900 &&
		       clock_monotonic_ms() - from_ms < 4500);
	CU_ASSERT_EQUAL(a.closed, 1);
	free(text);
	close(fds[1]);
	qb_loop_destroy(loop);
}

/* What raw bytes and then the end of the stream make of a link. */
static int end_of(const char *raw, size_t len, unsigned int *ret_frames)
{
	struct end a = {.stop_when_closed = true};

	begin();
	open_end(&a, fds[0]);
	CU_ASSERT_EQUAL(write(fds[1], raw, len), (ssize_t)len);
	close(fds[1]);
	CU_ASSERT_TRUE(run(1000));
	CU_ASSERT_EQUAL(a.closed, 1);
	qb_loop_destroy(loop);
	*ret_frames = a.frames;
	return a.error;
}

static void test_bad_streams(void)
{
	unsigned int frames;

	CU_ASSERT_EQUAL(end_of("", 0, &frames), 0);
	CU_ASSERT_EQUAL(end_of("VMR1\0\x2f\0\0\0\0\0\0\0\0\0\0", 16, &frames), 0);
	CU_ASSERT_EQUAL(frames, 1);
	CU_ASSERT_EQUAL(end_of("VMR1\0\x2f\0\0\0\0\0\0\0\0\0\0VMR1", 20, &frames), -ECONNRESET);
	CU_ASSERT_EQUAL(frames, 1);
	CU_ASSERT_EQUAL(end_of("VMR1\0\x2f\0\0\0\0\0\x02\0\0\0\0\x08", 17, &frames), -ECONNRESET);
	CU_ASSERT_EQUAL(end_of("VMR1\0\x2f\0\0\0\0\0\x01\0\0\0\0\x08", 17, &frames), -EBADMSG);
	CU_ASSERT_EQUAL(end_of("rubbish, a whole header of it", 29, &frames), -EPROTO);
	CU_ASSERT_EQUAL(end_of("VMR1\0\x2f\0\0\xff\xff\xff\xff\0\0\0\0", 16, &frames), -EMSGSIZE);
	CU_ASSERT_EQUAL(frames, 0);
}

static void test_free_at_once(void)
{
	struct end a = {0}, b = {.stop_when_closed = true};

	begin();
	open_end(&a, fds[0]);
	open_end(&b, fds[1]);
	link_close(a.link);
	link_free(a.link);
	link_free(NULL);
	CU_ASSERT_TRUE(run(1000));
	CU_ASSERT_EQUAL(a.closed, 0);
	CU_ASSERT_EQUAL(b.closed, 1);
	qb_loop_destroy(loop);
}

static const struct unit_test tests[] = {
	{"many frames, then close", test_many_frames_and_close},
	{"a large frame there and back", test_large_frame_and_echo},
	{"a queue that overflows", test_queue_overflow},
	{"closing waits no longer than a second", test_close_is_bounded},
	{"streams that end or are wrong", test_bad_streams},
	{"freed at once, without a word", test_free_at_once},
};

UNIT_MAIN("link", tests)
