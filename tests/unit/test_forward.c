/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and answers between two daemons over a group that a fake cluster plays. */
#include "cluster/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "proto/arena.h"
#include "proto/limits.h"
#include "unit.h"

#define MESSAGES_MAX 512

/* The group: what was multicast waits here until the test delivers it to both. */
static struct {
	uint8_t *data[MESSAGES_MAX];
	size_t len[MESSAGES_MAX];
	size_t count, delivered, largest;
	int refuse; /* so many multicasts fail with -ENOBUFS */
} group;

static qb_loop_t *loop;
static struct cluster cluster;
static struct forward *engine, *broker;

static int fake_multicast(struct cluster *unused, const Vmreplica__Cluster__Message *message)
{
	size_t len = vmreplica__cluster__message__get_packed_size(message);

	(void)unused;
	if (group.refuse > 0) {
		group.refuse--;
		return -ENOBUFS;
	}
	if (len > CPG_MESSAGE_MAX || group.count == MESSAGES_MAX) {
		return -EMSGSIZE;
	}
	group.largest = len > group.largest ? len : group.largest;
	group.data[group.count] = malloc(len + 1);
	group.len[group.count] =
		vmreplica__cluster__message__pack(message, group.data[group.count]);
	group.count++;
	return 0;
}

static void group_deliver(void)
{
	while (group.delivered < group.count) {
		struct arena arena;
		Vmreplica__Cluster__Message *message;
		size_t i = group.delivered++;

		arena_init(&arena, ARENA_MAX);
		message = vmreplica__cluster__message__unpack(&arena.allocator, group.len[i],
							      group.data[i]);
		CU_ASSERT_PTR_NOT_NULL_FATAL(message);
		CU_ASSERT_TRUE(forward_handle_message(engine, message));
		CU_ASSERT_TRUE(forward_handle_message(broker, message));
		arena_reset(&arena);
	}
}

/* ---- the two daemons ---- */

static size_t answer_bytes;
static bool hold_answer;
static char held_from[64];
static uint64_t held_id;

static void answer(struct forward *forward, const char *from, uint64_t id)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	cleanup_free char *words = malloc(answer_bytes + 1);

	for (size_t i = 0; i < answer_bytes; i++) {
		words[i] = (char)('a' + i % 26);
	}
	words[answer_bytes] = '\0';
	response.text = words;
	CU_ASSERT_EQUAL(forward_reply(forward, from, id, &response), 0);
}

static void broker_cb(void *arg, const char *from, uint64_t id,
		      const Vmreplica__Admin__Request *request)
{
	(void)arg;
	CU_ASSERT_STRING_EQUAL(from, "b1");
	CU_ASSERT_EQUAL(request->body_case, VMREPLICA__ADMIN__REQUEST__BODY_LOCATE);
	if (hold_answer) {
		snprintf(held_from, sizeof(held_from), "%s", from);
		held_id = id;
		return;
	}
	answer(broker, from, id);
}

static void engine_cb(void *arg, const char *from, uint64_t id,
		      const Vmreplica__Admin__Request *request)
{
	(void)arg;
	(void)from;
	(void)id;
	(void)request;
	CU_FAIL("nobody asks the engine");
}

static int replies, reply_error;
static size_t reply_len;
static bool reply_right;

static void reply_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	(void)arg;
	replies++;
	reply_error = error;
	reply_len = response == NULL ? 0 : strlen(response->text);
	reply_right = true;
	for (size_t i = 0; i < reply_len; i++) {
		reply_right = reply_right && response->text[i] == (char)('a' + i % 26);
	}
	if (response != NULL && response->error != 0) {
		reply_error = response->error;
	}
}

static void stop_cb(void *data)
{
	qb_loop_stop(data);
}

static void run_loop_ms(unsigned ms)
{
	qb_loop_timer_handle timer;

	CU_ASSERT_EQUAL(
		qb_loop_timer_add(loop, QB_LOOP_LOW, ms * 1000000ull, loop, stop_cb, &timer), 0);
	qb_loop_run(loop);
}

static void begin(void)
{
	static const struct cluster_ops ops = {.multicast = fake_multicast};

	loop = qb_loop_create();
	cluster = (struct cluster){.ops = &ops, .loop = loop};
	memset(&group, 0, sizeof(group));
	replies = reply_error = 0;
	hold_answer = false;
	answer_bytes = 10;
	engine = forward_new(&cluster, "b1", engine_cb, NULL);
	broker = forward_new(&cluster, FORWARD_BROKER, broker_cb, NULL);
}

static void end(void)
{
	forward_free(engine);
	forward_free(broker);
	for (size_t i = 0; i < group.count; i++) {
		free(group.data[i]);
	}
	qb_loop_destroy(loop);
}

static int ask(int timeout_ms)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__LocateRequest body = VMREPLICA__ADMIN__LOCATE_REQUEST__INIT;
	static char vm[] = "web1";

	body.vm = vm;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_LOCATE;
	request.locate = &body;
	return forward_request(engine, FORWARD_BROKER, &request, timeout_ms, reply_cb, NULL);
}

static void test_answer_sizes(void)
{
	static const size_t sizes[] = {0,
				       10,
				       FORWARD_PIECE_MAX - 4,
				       FORWARD_PIECE_MAX,
				       FORWARD_PIECE_MAX * 3 + 17,
				       1024 * 1024};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin();
		answer_bytes = sizes[i];
		CU_ASSERT_EQUAL(ask(1000), 0);
		CU_ASSERT_EQUAL(replies, 0);
		group_deliver();
		CU_ASSERT_EQUAL(replies, 1);
		CU_ASSERT_EQUAL(reply_error, 0);
		CU_ASSERT_EQUAL(reply_len, sizes[i]);
		CU_ASSERT_TRUE(reply_right);
		CU_ASSERT_TRUE(group.largest <= CPG_MESSAGE_MAX);
		end();
	}
}

static void test_too_long(void)
{
	begin();
	answer_bytes = FRAME_ADMIN_MESSAGE_MAX + 1;
	CU_ASSERT_EQUAL(ask(1000), 0);
	group_deliver();
	CU_ASSERT_EQUAL(replies, 1);
	CU_ASSERT_EQUAL(reply_error, EMSGSIZE);
	end();
}

static void test_timeout(void)
{
	begin();
	hold_answer = true;
	CU_ASSERT_EQUAL(ask(30), 0);
	group_deliver();
	run_loop_ms(80);
	CU_ASSERT_EQUAL(replies, 1);
	CU_ASSERT_EQUAL(reply_error, -ETIMEDOUT);
	answer(broker, held_from, held_id); /* too late: nobody is called again */
	group_deliver();
	CU_ASSERT_EQUAL(replies, 1);
	end();
}

static void test_busy_group(void)
{
	begin();
	answer_bytes = FORWARD_PIECE_MAX * 3;
	CU_ASSERT_EQUAL(ask(5000), 0);
	group.refuse = 2;
	group_deliver(); /* the broker's pieces are refused now */
	CU_ASSERT_EQUAL(replies, 0);
	run_loop_ms(300);
	group_deliver();
	CU_ASSERT_EQUAL(replies, 1);
	CU_ASSERT_EQUAL(reply_len, answer_bytes);
	CU_ASSERT_TRUE(reply_right);
	group.refuse = 1;
	CU_ASSERT_EQUAL(ask(100), -ENOBUFS);
	run_loop_ms(150);
	CU_ASSERT_EQUAL(replies, 1); /* refused: not called */
	end();
}

static void deliver_piece(uint64_t id, uint32_t part, uint32_t parts)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__ForwardReply body = VMREPLICA__CLUSTER__FORWARD_REPLY__INIT;
	static char to[] = "b1";
	uint8_t byte = 0;

	body.to = to;
	body.id = id;
	body.part = part;
	body.parts = parts;
	body.piece.data = &byte;
	body.piece.len = 1;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_REPLY;
	message.reply = &body;
	CU_ASSERT_TRUE(forward_handle_message(engine, &message));
}

static void test_broken_pieces(void)
{
	static const uint32_t broken[][2] = {{0, 0}, {1, 2}, {5, 2}};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		begin();
		hold_answer = true;
		CU_ASSERT_EQUAL(ask(1000), 0);
		group_deliver();
		deliver_piece(held_id + 1, 0, 1); /* somebody else's answer */
		CU_ASSERT_EQUAL(replies, 0);
		deliver_piece(held_id, broken[i][0], broken[i][1]);
		CU_ASSERT_EQUAL(replies, 1);
		CU_ASSERT_EQUAL(reply_error, -EBADMSG);
		end();
	}
	begin();
	hold_answer = true;
	CU_ASSERT_EQUAL(ask(1000), 0);
	group_deliver();
	deliver_piece(held_id, 0, 1); /* whole, but no message */
	CU_ASSERT_EQUAL(reply_error, -EBADMSG);
	end();
}

static void test_end(void)
{
	begin();
	hold_answer = true;
	CU_ASSERT_EQUAL(ask(60000), 0);
	group_deliver();
	forward_free(engine);
	CU_ASSERT_EQUAL(replies, 1);
	CU_ASSERT_EQUAL(reply_error, -ECANCELED);
	engine = NULL;
	end();
}

static void test_bounded(void)
{
	begin();
	hold_answer = true;
	for (unsigned i = 0; i < FORWARD_PENDING_MAX; i++) {
		CU_ASSERT_EQUAL(ask(60000), 0);
	}
	CU_ASSERT_EQUAL(ask(60000), -ENOBUFS);
	end();
}

static void test_other_messages(void)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__Solicit solicit = VMREPLICA__CLUSTER__SOLICIT__INIT;

	begin();
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_SOLICIT;
	message.solicit = &solicit;
	CU_ASSERT_FALSE(forward_handle_message(engine, &message));
	end();
}

static const struct unit_test tests[] = {
	{"answers of many sizes", test_answer_sizes},
	{"an answer that is too long", test_too_long},
	{"nobody answers", test_timeout},
	{"the group is busy", test_busy_group},
	{"broken pieces", test_broken_pieces},
	{"the asker ends", test_end},
	{"requests are bounded", test_bounded},
	{"other messages", test_other_messages},
};
UNIT_MAIN("forward", tests)
