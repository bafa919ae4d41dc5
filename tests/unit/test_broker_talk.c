/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to the other side's broker, each answered by a broker that says what the test wants. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/locate_client.h"
#include "engine/order_client.h"
#include "proto/frame.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"
#include "tests/unit/unit.h"

#define RELATIONSHIP "11111111-2222-4333-8444-555555555555"
#define CUT_ID	     "00112233445566aa"

static struct {
	int listener;
	struct tls_context *tls;
	enum frame_type answer; /* 0 = hangs up on the question */
	const ProtobufCMessage *message;
	enum frame_type asked;
	bool versioned; /* the question told the versions that its sender speaks */
	pthread_t thread;
} broker;
static struct tls_files files; /* borrowed by the store, paths and all */
static struct locate_client client;
static struct trouble trouble;

static char *text(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

static bool has_version(const struct frame *frame)
{
	const Vmreplica__Wire__Version *version = NULL;

	if (frame->type == FRAME_QUERY) {
		version = ((const Vmreplica__Wire__Query *)frame->message)->version;
	} else if (frame->type == FRAME_ORDER) {
		version = ((const Vmreplica__Wire__Order *)frame->message)->version;
	} else if (frame->type == FRAME_LOCATE) {
		version = ((const Vmreplica__Wire__Locate *)frame->message)->version;
	} else if (frame->type == FRAME_ENROLL) {
		version = ((const Vmreplica__Wire__Enroll *)frame->message)->version;
	} else if (frame->type == FRAME_WITHDRAW) {
		version = ((const Vmreplica__Wire__Withdraw *)frame->message)->version;
	}
	return version != NULL && version->max >= version->min && version->min > 0;
}

/* One question, on the connection that comes. */
static void *broker_main(void *arg)
{
	struct tls_conn *conn = tls_server_new(broker.tls, accept(broker.listener, NULL, NULL));
	struct channel channel;
	struct arena arena;
	struct frame frame;

	channel_init_tls(&channel, conn);
	arena_init(&arena, ARENA_MAX);
	if (tls_handshake_full(conn, 10000) == 0 &&
	    channel_receive(&channel, &arena, &frame, NULL, 0, 10000) == 0) {
		broker.asked = frame.type;
		broker.versioned = has_version(&frame);
		if (broker.answer != 0) {
			channel_send(&channel, broker.answer, broker.message, NULL, 0, 10000);
		}
	}
	channel_destroy(&channel);
	arena_reset(&arena);
	tls_conn_free(conn);
	return arg;
}

static void broker_will(enum frame_type answer, const ProtobufCMessage *message)
{
	broker.answer = answer;
	broker.message = message;
	broker.asked = 0;
	memset(&trouble, 0, sizeof(trouble));
	CU_ASSERT_EQUAL_FATAL(pthread_create(&broker.thread, NULL, broker_main, NULL), 0);
}

static void broker_was_asked(enum frame_type type)
{
	pthread_join(broker.thread, NULL);
	CU_ASSERT_EQUAL(broker.asked, type);
	CU_ASSERT_TRUE(broker.versioned);
}

static int ask_query(struct order_answer *ret_answer)
{
	return order_client_query(&client, RELATIONSHIP, "a.example", NULL, ret_answer, &trouble);
}

static void test_query(void)
{
	Vmreplica__Wire__QueryAnswer message = VMREPLICA__WIRE__QUERY_ANSWER__INIT;
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	struct order_answer answer = {0};

	epoch.number = 3;
	epoch.lineage = text(RELATIONSHIP);
	epoch.site = text("b.example");
	message.known = true;
	message.epoch = &epoch;
	message.seq = 17;
	message.cut_id = text(CUT_ID);
	message.storage = text("/srv/replica");
	message.site = text("b.example");
	broker_will(FRAME_QUERY_ANSWER, &message.base);
	CU_ASSERT_EQUAL(ask_query(&answer), 0);
	broker_was_asked(FRAME_QUERY);
	CU_ASSERT_TRUE(answer.known);
	CU_ASSERT_EQUAL(answer.epoch.number, 3);
	CU_ASSERT_EQUAL(answer.seq, 17);
	CU_ASSERT_STRING_EQUAL(answer.cut_id, CUT_ID);
	CU_ASSERT_STRING_EQUAL(answer.storage, "/srv/replica");
	CU_ASSERT_STRING_EQUAL(answer.site, "b.example");
}

static void test_order(void)
{
	Vmreplica__Wire__Order order = VMREPLICA__WIRE__ORDER__INIT;
	Vmreplica__Wire__Ordered message = VMREPLICA__WIRE__ORDERED__INIT;
	struct order_result result = {0};

	order.kind = VMREPLICA__WIRE__ORDER_KIND__ORDER_CANCEL;
	order.relationship = text(RELATIONSHIP);
	order.site = text("a.example");
	message.text = text("not yet");
	broker_will(FRAME_ORDERED, &message.base);
	CU_ASSERT_EQUAL(order_client_order(&client, &order, &result, &trouble), 0);
	broker_was_asked(FRAME_ORDER);
	CU_ASSERT_FALSE(result.done);
	CU_ASSERT_TRUE(result.retry_ms > 0); /* or it would be given again at once */
	CU_ASSERT_FALSE(result.has_cut);
	CU_ASSERT_STRING_EQUAL(result.text, "not yet");
	CU_ASSERT_PTR_NULL(order.version); /* ours, which is gone */
}

static void test_locate(void)
{
	Vmreplica__Wire__Redirect redirect = VMREPLICA__WIRE__REDIRECT__INIT;
	Vmreplica__Wire__NotFound absent = VMREPLICA__WIRE__NOT_FOUND__INIT;
	struct locate_answer answer = {0};

	redirect.node = text("b1");
	redirect.host = text("10.2.0.1");
	redirect.port = 8651;
	redirect.name = text("b1.b.example");
	broker_will(FRAME_REDIRECT, &redirect.base);
	CU_ASSERT_EQUAL(locate_client_ask(&client, RELATIONSHIP, false, &answer, &trouble), 0);
	broker_was_asked(FRAME_LOCATE);
	CU_ASSERT_EQUAL(answer.kind, LOCATE_DIRECT);
	CU_ASSERT_EQUAL(answer.port, 8651);
	CU_ASSERT_STRING_EQUAL(answer.name, "b1.b.example");
	absent.reason = text("it was deleted");
	broker_will(FRAME_NOT_FOUND, &absent.base);
	CU_ASSERT_EQUAL(locate_client_ask(&client, RELATIONSHIP, false, &answer, &trouble), 0);
	broker_was_asked(FRAME_LOCATE);
	CU_ASSERT_EQUAL(answer.kind, LOCATE_ABSENT);
	CU_ASSERT_STRING_EQUAL(answer.reason, "it was deleted");
}

/* What means the same to every question. */
static void test_troubles(void)
{
	Vmreplica__Wire__Denied denied = VMREPLICA__WIRE__DENIED__INIT;
	Vmreplica__Wire__Busy busy = VMREPLICA__WIRE__BUSY__INIT;
	Vmreplica__Wire__Moving moving = VMREPLICA__WIRE__MOVING__INIT;
	struct order_answer answer = {.seq = 5};

	denied.code = text("not-authorized");
	denied.reason = text("no entry");
	broker_will(FRAME_DENIED, &denied.base);
	CU_ASSERT_EQUAL(ask_query(&answer), -EACCES);
	broker_was_asked(FRAME_QUERY);
	CU_ASSERT_STRING_EQUAL(trouble.code, "not-authorized");
	CU_ASSERT_EQUAL(trouble.outcome, SCHEDULE_DENIED);

	denied.code = text("no-quorum"); /* no word about us: tried again */
	broker_will(FRAME_DENIED, &denied.base);
	CU_ASSERT_EQUAL(ask_query(&answer), -EAGAIN);
	broker_was_asked(FRAME_QUERY);
	CU_ASSERT_EQUAL(trouble.outcome, SCHEDULE_FAILED);

	busy.code = text("busy");
	busy.reason = text("many ask");
	broker_will(FRAME_BUSY, &busy.base);
	CU_ASSERT_EQUAL(ask_query(&answer), -EBUSY);
	broker_was_asked(FRAME_QUERY);
	CU_ASSERT_EQUAL(trouble.retry_ms, 5000);

	moving.retry_ms = 700;
	moving.reason = text("b1 is being fenced");
	broker_will(FRAME_MOVING, &moving.base);
	CU_ASSERT_EQUAL(ask_query(&answer), -EAGAIN);
	broker_was_asked(FRAME_QUERY);
	CU_ASSERT_EQUAL(trouble.retry_ms, 700);
	CU_ASSERT_EQUAL(answer.seq, 5); /* untouched by all of them */
}

/* An answer to another question, no answer, nobody there. */
static void test_wrong(void)
{
	Vmreplica__Wire__NotFound absent = VMREPLICA__WIRE__NOT_FOUND__INIT;
	struct order_answer answer = {.seq = 5};
	uint16_t port = client.port;

	absent.reason = text("it was deleted");
	broker_will(FRAME_NOT_FOUND, &absent.base);
	CU_ASSERT_EQUAL(ask_query(&answer), -EPROTO);
	broker_was_asked(FRAME_QUERY);
	CU_ASSERT_STRING_EQUAL(trouble.code, "protocol");

	broker_will(FRAME_NOT_FOUND, &absent.base); /* as good as withdrawn */
	CU_ASSERT_EQUAL(locate_client_withdraw(&client, RELATIONSHIP, "a.example", false, &trouble),
			0);
	broker_was_asked(FRAME_WITHDRAW);

	broker_will(0, NULL);
	CU_ASSERT_TRUE(ask_query(&answer) < 0);
	broker_was_asked(FRAME_QUERY);
	CU_ASSERT_STRING_EQUAL(trouble.code, "broker-unreachable");

	client.port = 1;
	CU_ASSERT_TRUE(ask_query(&answer) < 0);
	CU_ASSERT_STRING_EQUAL(trouble.code, "broker-unreachable");
	client.port = port;
	CU_ASSERT_EQUAL(answer.seq, 5);
}

static bool world_begin(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	peers_make();
	broker.tls = peers_context("loopback");
	broker.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(broker.listener, (struct sockaddr *)&address, len) != 0 ||
	    listen(broker.listener, 1) != 0 ||
	    getsockname(broker.listener, (struct sockaddr *)&address, &len) != 0) {
		return false;
	}
	files = (struct tls_files){.ca = peers_path("ca", ".crt"),
				   .certificate = peers_path("a1", ".crt"),
				   .key = peers_path("a1", ".key")};
	client = (struct locate_client){
		.tls = tls_store_new(&files), .host = "127.0.0.1", .port = ntohs(address.sin_port)};
	return client.tls != NULL;
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a query and its answer", test_query},
		{"an order and its result", test_order},
		{"where an owner is", test_locate},
		{"answers that are troubles", test_troubles},
		{"answers that do not belong there", test_wrong},
	};
	int result = 1;

	if (world_begin()) {
		result = unit_run("broker_talk", tests, sizeof(tests) / sizeof(tests[0]));
	}
	tls_store_free(client.tls);
	tls_context_unref(broker.tls);
	close(broker.listener);
	tempdir_remove();
	return result;
}
