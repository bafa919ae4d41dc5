/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker as other sites and admins meet it. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker_fixture.h"
#include "broker_world.h"
#include "common/clock.h"
#include "proto/validate.h"
#include "proto/wire.pb-c.h"
#include "tempdir.h"
#include "tls_peers.h"
#include "unit.h"

static struct world *world;

static Vmreplica__Wire__Version version_now(void)
{
	Vmreplica__Wire__Version version = VMREPLICA__WIRE__VERSION__INIT;

	version.min = PROTOCOL_VERSION_MIN;
	version.max = PROTOCOL_VERSION_MAX;
	return version;
}

static void ask_locate(struct client *client, const char *relationship, bool relay)
{
	Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;
	Vmreplica__Wire__Version version = version_now();
	char error[VALIDATE_ERROR_LEN] = "";

	locate.version = &version;
	locate.relationship = text(relationship);
	locate.relay = relay;
	client_ask(client, FRAME_LOCATE, &locate.base);
	CU_ASSERT_EQUAL_FATAL(client->result, 0);
	CU_ASSERT_EQUAL(validate_frame(&client->frame, error),
			0); /* the sender checks every answer so */
	CU_ASSERT_STRING_EQUAL(error, "");
}

static void expect_denied(const struct client *client, const char *code, const char *part)
{
	const Vmreplica__Wire__Denied *denied =
		(const Vmreplica__Wire__Denied *)client->frame.message;

	CU_ASSERT_EQUAL_FATAL(client->result, 0);
	CU_ASSERT_EQUAL_FATAL(client->frame.type, FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(denied->code, code);
	CU_ASSERT_PTR_NOT_NULL(strstr(denied->reason, part));
}

/* ---- LOCATE ---- */

static void locate_client(void *arg)
{
	const Vmreplica__Wire__Redirect *redirect;
	struct client client;

	(void)arg;
	client_open(&client, world->port, "a1", "b.example", NULL);
	CU_ASSERT_EQUAL_FATAL(client.result, 0);
	for (int i = 0; i < 200; i++) { /* one connection, many questions */
		ask_locate(&client, REL_1, false);
		CU_ASSERT_EQUAL_FATAL(client.frame.type, FRAME_REDIRECT);
	}
	redirect = (const Vmreplica__Wire__Redirect *)client.frame.message;
	CU_ASSERT_STRING_EQUAL(redirect->node, "b1");
	CU_ASSERT_STRING_EQUAL(redirect->host, "127.0.0.1");
	CU_ASSERT_EQUAL(redirect->port, world->owner_port);
	CU_ASSERT_STRING_EQUAL(redirect->name, "b1.b.example");
	ask_locate(&client, REL_2, false);
	CU_ASSERT_EQUAL(client.frame.type, FRAME_NOT_FOUND);
	client_close(&client);
}

static void test_locate(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, locate_client, NULL);
	CU_ASSERT_EQUAL(world->broker.lookups, 201);
	/* the tests' certificates hold for an hour */
	CU_ASSERT_PTR_NOT_NULL(
		strstr(world->event, "the certificate of a1.a.example expires on"));
	CU_ASSERT_TRUE(world->announced_active > 0);
	world_run_ms(world, 20);
	CU_ASSERT_EQUAL(access_point_count(world->broker.access_point), 0);
	world_end(world);
}

static void denied_client(void *arg)
{
	struct client client;

	client_open(&client, world->port, arg, "b.example", NULL);
	CU_ASSERT_EQUAL_FATAL(client.result, 0);
	ask_locate(&client, REL_1, false);
	expect_denied(&client, world->broker.quorate ? "not-authorized" : "no-quorum",
		      world->broker.quorate ? "b1.b.example" : "missing b2");
	client_close(&client);
}

static void test_denied(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, denied_client, text("b1")); /* a good certificate without an entry */
	CU_ASSERT_PTR_NOT_NULL_FATAL(denial_ring_at(&world->broker.denials, 0));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(denial_ring_at(&world->broker.denials, 0)->peer, "b.example"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(denial_ring_at(&world->broker.denials, 0)->peer, "127.0.0.1"));
	world_set_quorum(world, false, "no quorum, missing b2: start it");
	world_run(world, denied_client, text("a1"));
	world_end(world);
}

static void moving_client(void *arg)
{
	struct client client;

	(void)arg;
	client_open(&client, world->port, "a1", "b.example", NULL);
	ask_locate(&client, REL_1, false);
	CU_ASSERT_EQUAL(client.frame.type, FRAME_MOVING);
	CU_ASSERT_TRUE(((const Vmreplica__Wire__Moving *)client.frame.message)->retry_ms > 0);
	client_close(&client);
}

static void test_moving(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world->engine_has_vm = false;
	world_announce(world); /* the engine has let it go, the cluster does not know yet */
	world_run(world, moving_client, NULL);
	world_end(world);
}

static void refused_client(void *arg)
{
	struct client client;

	client_open(&client, world->port, arg, "b.example", NULL);
	if (client.result ==
	    0) { /* in TLS 1.3 the client may be through before the server has judged it */
		Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;

		locate.relationship = text(REL_1);
		client_ask(&client, FRAME_LOCATE, &locate.base);
	}
	CU_ASSERT_NOT_EQUAL(client.result, 0);
	client_close(&client);
}

static void test_bad_certificates(void)
{
	static const char *const pairs[] = {"foreign", "expired", "wildcard", "server-only"};

	world = world_begin(RELAY_AUTO);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		world_run(world, refused_client, text(pairs[i]));
		world_run_ms(world, 20);
		CU_ASSERT_TRUE(world->broker.denials.count >= 1);
		CU_ASSERT_PTR_NOT_NULL(
			strstr(denial_ring_at(&world->broker.denials, 0)->peer, "127.0.0.1"));
	}
	CU_ASSERT_EQUAL(world->broker.lookups, 0);
	world_end(world);
}

/* ---- what is no request ---- */

static bool closed_soon(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&entry, 1, WORLD_WAIT_MS) == 1 && read(fd, &byte, 1) <= 0;
}

static void garbage_client(void *arg)
{
	Vmreplica__Wire__Hello hello = VMREPLICA__WIRE__HELLO__INIT;
	uint8_t header[FRAME_HEADER_LEN];
	struct frame_header big = {.type = FRAME_LOCATE, .message_len = FRAME_MESSAGE_MAX + 1};
	struct client client;
	int fd = dial_loopback(world->port);

	(void)arg;
	CU_ASSERT_EQUAL(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	CU_ASSERT_TRUE(closed_soon(fd));
	close(fd);
	client_open(&client, world->port, "a1", "b.example", NULL);
	CU_ASSERT_EQUAL_FATAL(client.result, 0);
	client_ask(&client, FRAME_HELLO,
		   &hello.base); /* a frame of the wire, but not for a broker */
	CU_ASSERT_NOT_EQUAL(client.result, 0);
	client_close(&client);
	client_open(&client, world->port, "a1", "b.example", NULL);
	frame_header_encode(&big, header);
	CU_ASSERT_EQUAL(tls_write_full(client.conn, header, sizeof(header), WORLD_WAIT_MS), 0);
	CU_ASSERT_NOT_EQUAL(tls_read_full(client.conn, header, 1, WORLD_WAIT_MS), 0);
	client_close(&client);
	client_open(&client, world->port, "a1", "b.example", NULL);
	big.message_len = 0; /* no relationship: the message is malformed */
	frame_header_encode(&big, header);
	CU_ASSERT_EQUAL(tls_write_full(client.conn, header, sizeof(header), WORLD_WAIT_MS), 0);
	CU_ASSERT_NOT_EQUAL(tls_read_full(client.conn, header, 1, WORLD_WAIT_MS), 0);
	client_close(&client);
}

static void test_garbage(void)
{
	world = world_begin(RELAY_AUTO);
	world_run(world, garbage_client, NULL);
	world_run_ms(world, 20);
	CU_ASSERT_EQUAL(world->broker.lookups, 0);
	CU_ASSERT_EQUAL(access_point_count(world->broker.access_point), 0);
	CU_ASSERT_TRUE(world->broker.denials.count >= 2);
	world_end(world);
}

/* ---- ENROLL and WITHDRAW ---- */

struct enroll_talk {
	uint32_t frequency_s;
	bool dry_run, with_definition, force;
	enum frame_type answer;
	char resource[160], node[64], storage[64], code[32], reason[256], warning[256];
	size_t warnings;
};

static void enroll_client(void *arg)
{
	Vmreplica__Wire__Enroll enroll = VMREPLICA__WIRE__ENROLL__INIT;
	Vmreplica__Wire__Disk disk = VMREPLICA__WIRE__DISK__INIT, *list = &disk;
	Vmreplica__Wire__Version version = version_now();
	char error[VALIDATE_ERROR_LEN] = "", *map = text("net:prod=dr");
	static uint8_t definition[] = "<domain/>";
	struct enroll_talk *talk = arg;
	struct client client;

	enroll.version = &version;
	enroll.relationship = text(REL_1);
	enroll.vm = text("web1");
	enroll.site = text("a.example");
	enroll.frequency_s = talk->frequency_s;
	enroll.dry_run = talk->dry_run;
	disk.name = text("vda");
	disk.size_bytes = 1 << 30;
	enroll.n_disks = 1;
	enroll.disks = &list;
	if (talk->with_definition) {
		enroll.domain_xml = (ProtobufCBinaryData){.data = definition, .len = 9};
		enroll.maps = &map;
		enroll.n_maps = 1;
		enroll.force = talk->force;
	}
	client_open(&client, world->port, "a1", "b.example", NULL);
	client_ask(&client, FRAME_ENROLL, &enroll.base);
	CU_ASSERT_EQUAL_FATAL(client.result, 0);
	CU_ASSERT_EQUAL(validate_frame(&client.frame, error), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	talk->answer = client.frame.type;
	if (talk->answer == FRAME_ENROLLED) {
		const Vmreplica__Wire__Enrolled *enrolled =
			(const Vmreplica__Wire__Enrolled *)client.frame.message;

		snprintf(talk->resource, sizeof(talk->resource), "%s", enrolled->resource);
		snprintf(talk->node, sizeof(talk->node), "%s", enrolled->node);
		snprintf(talk->storage, sizeof(talk->storage), "%s", enrolled->storage);
		CU_ASSERT_STRING_EQUAL(enrolled->site, "b.example");
		talk->warnings = enrolled->n_warnings;
		snprintf(talk->warning, sizeof(talk->warning), "%s",
			 enrolled->n_warnings > 0 ? enrolled->warnings[0] : "");
	} else if (talk->answer == FRAME_DENIED) {
		snprintf(talk->code, sizeof(talk->code), "%s",
			 ((const Vmreplica__Wire__Denied *)client.frame.message)->code);
		snprintf(talk->reason, sizeof(talk->reason), "%s",
			 ((const Vmreplica__Wire__Denied *)client.frame.message)->reason);
	}
	client_close(&client);
}

static void withdraw_client(void *arg)
{
	Vmreplica__Wire__Withdraw withdraw = VMREPLICA__WIRE__WITHDRAW__INIT;
	Vmreplica__Wire__Version version = version_now();
	struct client client;

	withdraw.version = &version;
	withdraw.relationship = text(REL_1);
	withdraw.site = text("a.example");
	client_open(&client, world->port, "a1", "b.example", NULL);
	client_ask(&client, FRAME_WITHDRAW, &withdraw.base);
	CU_ASSERT_EQUAL_FATAL(client.result, 0);
	*(enum frame_type *)arg = client.frame.type;
	client_close(&client);
}

/* The chosen node's engine says whether the VM would start there. */
static void test_enroll_with_definition(void)
{
	struct enroll_talk talk = {.frequency_s = 30, .with_definition = true};

	world = world_begin(RELAY_AUTO);
	world->refusal = "b1 has no QEMU for aarch64";
	world->warning = "metadata is not taken over";
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(talk.code, "unfit");
	CU_ASSERT_STRING_EQUAL(talk.reason, "b1 has no QEMU for aarch64");
	CU_ASSERT_EQUAL(world->created, 0);
	talk.force = true;
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_ENROLLED);
	CU_ASSERT_EQUAL(talk.warnings, 2);
	CU_ASSERT_STRING_EQUAL(talk.warning, "b1 has no QEMU for aarch64");
	CU_ASSERT_EQUAL(world->created, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(world->created_parameters, " map=net:prod=dr "));
	CU_ASSERT_EQUAL(world->fit_asked, 2);
	world_end(world);
	/* An engine of before says nothing of it: no reason to refuse. */
	world = world_begin(RELAY_AUTO);
	world->engine_is_deaf = true;
	talk.force = false;
	talk.dry_run = true;
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_ENROLLED);
	CU_ASSERT_EQUAL(talk.warnings, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(talk.warning, "is not known"));
	CU_ASSERT_EQUAL(world->created, 0);
	world_end(world);
}

static void test_enroll(void)
{
	struct enroll_talk talk = {.frequency_s = 30, .dry_run = true};
	enum frame_type answer = FRAME_DENIED;

	world = world_begin(RELAY_AUTO);
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_ENROLLED);
	CU_ASSERT_EQUAL(world->created, 0);
	talk.dry_run = false;
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_ENROLLED);
	CU_ASSERT_STRING_EQUAL(talk.resource, "web1-a-replica");
	CU_ASSERT_STRING_EQUAL(talk.node, "b1");
	CU_ASSERT_STRING_EQUAL(talk.storage, "/srv/replica");
	CU_ASSERT_EQUAL(world->created, 1);
	CU_ASSERT_STRING_EQUAL(world->created_resource, "web1-a-replica");
	CU_ASSERT_STRING_EQUAL(world->created_location, "b1"); /* only one node has this storage */
	CU_ASSERT_PTR_NOT_NULL(strstr(world->created_domain, ".xml"));
	CU_ASSERT_STRING_EQUAL(
		world->created_parameters,
		"relationship=" REL_1
		" vm=web1 role=replica peer=a.example storage=/srv/replica frequency=30 ");
	world_run(world, enroll_client, &talk); /* the same again */
	CU_ASSERT_EQUAL(talk.answer, FRAME_ENROLLED);
	CU_ASSERT_EQUAL(world->created, 1);
	CU_ASSERT_EQUAL(world->updated, 0);
	talk.frequency_s = 300;
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_ENROLLED);
	CU_ASSERT_STRING_EQUAL(world->updated_parameters, "web1-a-replica frequency=300");
	world_set("vmreplica-suspended-" REL_1, "1");
	world_set("vmreplica-suspended-" REL_2, "1");
	world->store_busy = true; /* its resource is stopping still at the first try */
	world_run(world, withdraw_client, &answer);
	CU_ASSERT_EQUAL(answer, FRAME_WITHDRAWN);
	CU_ASSERT_EQUAL(world->deleted, 1);
	CU_ASSERT_EQUAL(world->destroyed, 1);
	CU_ASSERT_STRING_EQUAL(world->deleted_resource, "web1-a-replica");
	/* the admin's order went with it, and no other's */
	CU_ASSERT_STRING_EQUAL(world->setting_name, "vmreplica-suspended-" REL_1);
	CU_ASSERT_STRING_EQUAL(world->setting_value, "");
	world_run(world, withdraw_client, &answer); /* gone is gone */
	CU_ASSERT_EQUAL(answer, FRAME_WITHDRAWN);
	CU_ASSERT_EQUAL(world->deleted, 1);
	world_end(world);
}

static void grant_storage_cb(void *data)
{
	((struct world *)data)->engine_has_storage = true;
}

static void test_enroll_trouble(void)
{
	struct enroll_talk talk = {.frequency_s = 30};
	qb_loop_timer_handle timer;

	world = world_begin(RELAY_AUTO);
	world->create_error = -EPERM;
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(talk.code, "configuration");
	world->create_error = -ETIMEDOUT;
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_BUSY);
	CU_ASSERT_EQUAL(world->created, 2);
	/* The directory was authorized a moment ago: its engine has yet to look at it. */
	world->engine_has_storage = false;
	world_announce(world);
	CU_ASSERT_EQUAL(qb_loop_timer_add(world->loop, QB_LOOP_MED, 300000000ull, world,
					  grant_storage_cb, &timer),
			0);
	world_run(world, enroll_client, &talk);
	CU_ASSERT_EQUAL(talk.answer, FRAME_ENROLLED);
	CU_ASSERT_EQUAL(world->created, 3);
	world_end(world);
}

/* The peer hangs up while the change is made: nothing is lost, nobody is answered. */
static void hasty_client(void *arg)
{
	Vmreplica__Wire__Withdraw withdraw = VMREPLICA__WIRE__WITHDRAW__INIT;
	Vmreplica__Wire__Version version = version_now();
	struct client client;

	(void)arg;
	withdraw.version = &version;
	withdraw.relationship = text(REL_1);
	withdraw.site = text("a.example");
	client_open(&client, world->port, "a1", "b.example", NULL);
	CU_ASSERT_EQUAL(channel_send(&client.channel, FRAME_WITHDRAW, &withdraw.base, NULL, 0,
				     WORLD_WAIT_MS),
			0);
	client_close(&client);
}

static void test_hasty_peer(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, hasty_client, NULL);
	world_run_ms(world, 1500);
	CU_ASSERT_EQUAL(world->deleted, 1);
	CU_ASSERT_EQUAL(world->destroyed, 1);
	world_end(world);
}

/* ---- the relay ---- */

/* The owner: one TLS connection; what it reads it sends back doubled. */
static void *owner_main(void *arg)
{
	struct tls_context *context = peers_context("b1");
	int fd = accept4(world->owner_fd, NULL, NULL, SOCK_CLOEXEC);
	struct tls_conn *conn = tls_server_new(context, fd);
	char byte;

	(void)arg;
	tls_context_unref(context);
	if (tls_handshake_full(conn, WORLD_WAIT_MS) == 0) {
		while (tls_read_full(conn, &byte, 1, WORLD_WAIT_MS) == 0) {
			char twice[2] = {byte, byte};

			tls_write_full(conn, twice, 2, WORLD_WAIT_MS);
		}
	}
	tls_conn_free(conn);
	return NULL;
}

/* Between the sender and the broker: the first bytes go one by one. */
struct trickle {
	int from, to;
	size_t single;
};

static void trickle_pump(int from, int to, size_t *single)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n <= 0) {
		shutdown(to, SHUT_WR);
		return;
	}
	for (ssize_t done = 0; done < n;) {
		size_t chunk = *single > 0 ? 1 : (size_t)(n - done);
		ssize_t sent = write(to, buf + done, chunk);

		if (sent <= 0) {
			return;
		}
		done += sent;
		if (*single > 0) {
			--*single;
			usleep(100);
		}
	}
}

static void *trickle_main(void *arg)
{
	struct trickle *trickle = arg;
	size_t none = 0;

	for (;;) {
		struct pollfd entries[2] = {{.fd = trickle->from, .events = POLLIN},
					    {.fd = trickle->to, .events = POLLIN}};

		if (poll(entries, 2, WORLD_WAIT_MS) <= 0) {
			break;
		}
		if (entries[0].revents != 0) {
			trickle_pump(trickle->from, trickle->to, &trickle->single);
		}
		if (entries[1].revents != 0) {
			char byte;

			if (recv(trickle->to, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) {
				break;
			}
			trickle_pump(trickle->to, trickle->from, &none);
		}
	}
	close(trickle->from);
	close(trickle->to);
	return NULL;
}

static void get_token(char *token, size_t size)
{
	const Vmreplica__Wire__Relay *relay;
	struct client client;

	client_open(&client, world->port, "a1", "b.example", NULL);
	ask_locate(&client, REL_1, true);
	CU_ASSERT_EQUAL_FATAL(client.frame.type, FRAME_RELAY);
	relay = (const Vmreplica__Wire__Relay *)client.frame.message;
	CU_ASSERT_STRING_EQUAL(relay->node, "b1");
	CU_ASSERT_STRING_EQUAL(relay->name, "b1.b.example");
	CU_ASSERT_TRUE(relay->valid_ms > 0);
	snprintf(token, size, "%s", relay->token);
	client_close(&client);
}

static void talk_to_owner(struct tls_conn *conn)
{
	char answer[6];

	CU_ASSERT_EQUAL_FATAL(tls_handshake_full(conn, WORLD_WAIT_MS), 0);
	CU_ASSERT_EQUAL(tls_write_full(conn, "abc", 3, WORLD_WAIT_MS), 0);
	CU_ASSERT_EQUAL(tls_read_full(conn, answer, 6, WORLD_WAIT_MS), 0);
	CU_ASSERT_EQUAL(memcmp(answer, "aabbcc", 6), 0);
}

/* A stream through the broker; single: so many bytes of the ClientHello go one by one. */
static void relayed_talk(const char *sni, size_t single)
{
	struct tls_context *context = peers_context("a1");
	struct trickle trickle = {.single = single};
	pthread_t owner, pump;
	struct tls_conn *conn;
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	trickle.from = fds[1];
	trickle.to = dial_loopback(world->port);
	pthread_create(&owner, NULL, owner_main, NULL);
	pthread_create(&pump, NULL, trickle_main, &trickle);
	conn = tls_client_new(context, fds[0], "b1.b.example", sni);
	tls_context_unref(context);
	talk_to_owner(conn);
	tls_conn_free(conn);
	pthread_join(owner, NULL);
	pthread_join(pump, NULL);
}

static void relay_client(void *arg)
{
	char token[256], suffixed[300];

	(void)arg;
	get_token(token, sizeof(token));
	relayed_talk(token, 0);
	get_token(token, sizeof(token));
	relayed_talk(token, 1000); /* the whole ClientHello in pieces of one byte */
	get_token(token, sizeof(token));
	snprintf(suffixed, sizeof(suffixed), "%s%s", token, TOKEN_SNI_SUFFIX);
	relayed_talk(suffixed, 30);
}

static void test_relay(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, relay_client, NULL);
	world_run_ms(world, 100);
	CU_ASSERT_EQUAL(relay_stream_count(world->broker.relay), 0);
	CU_ASSERT_TRUE(relay_total_bytes(world->broker.relay) > 3000);
	world_end(world);
}

static bool owner_was_contacted(void)
{
	struct pollfd entry = {.fd = world->owner_fd, .events = POLLIN};

	return poll(&entry, 1, 200) == 1;
}

static void show_sni(const char *sni)
{
	struct client client;

	client_open(&client, world->port, "a1", "b1.b.example", sni);
	CU_ASSERT_NOT_EQUAL(client.result, 0);
	client_close(&client);
}

static void bad_token_client(void *arg)
{
	char token[256];
	struct client client;

	(void)arg;
	show_sni("00112233445566778899aabbccddeeff"); /* unknown */
	show_sni("00112233445566778899aabbccddeeff.relay.vmreplica");
	show_sni("short.relay.vmreplica"); /* malformed */
	CU_ASSERT_FALSE(owner_was_contacted());
	get_token(token, sizeof(token));
	relayed_talk(token, 0);
	show_sni(token); /* used up */
	CU_ASSERT_FALSE(owner_was_contacted());
	client_open(&client, world->port, "a1", "b.example",
		    "b.example"); /* an ordinary name is no token */
	CU_ASSERT_EQUAL(client.result, 0);
	client_close(&client);
}

static void test_bad_tokens(void)
{
	world = world_begin(RELAY_ALWAYS);
	world_add_replica(world);
	world_run(world, bad_token_client, NULL);
	CU_ASSERT_TRUE(world->broker.denials.count > 0);
	world_end(world);
}

static void stale_first_client(void *arg)
{
	get_token(arg, 256);
}

static void stale_second_client(void *arg)
{
	show_sni(arg);
	CU_ASSERT_FALSE(owner_was_contacted());
}

/* The owner changes between the LOCATE and the relayed connection. */
static void test_stale_token(void)
{
	char token[256];

	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, stale_first_client, token);
	world->engine_has_vm = false;
	world_announce(world);
	world_run(world, stale_second_client, token);
	world_end(world);
}

static void relay_never_client(void *arg)
{
	struct client client;

	(void)arg;
	client_open(&client, world->port, "a1", "b.example", NULL);
	ask_locate(&client, REL_1, true);
	expect_denied(&client, "relay-disabled", "reachable");
	client_close(&client);
}

static void test_relay_never(void)
{
	world = world_begin(RELAY_NEVER);
	world_add_replica(world);
	world_run(world, relay_never_client, NULL);
	world_end(world);
}

/* ---- admins ---- */

static void admin_client(void *arg)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__LocateRequest locate = VMREPLICA__ADMIN__LOCATE_REQUEST__INIT;
	Vmreplica__Admin__BrokerRequest report = VMREPLICA__ADMIN__BROKER_REQUEST__INIT;
	Vmreplica__Admin__StatusRequest status = VMREPLICA__ADMIN__STATUS_REQUEST__INIT;
	Vmreplica__Admin__Response *response;
	struct arena arena;

	(void)arg;
	arena_init(&arena, ARENA_MAX);
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_LOCATE;
	request.locate = &locate;
	locate.vm = text("web1");
	response = admin_ask(world, &request, &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL_FATAL(response->body_case, VMREPLICA__ADMIN__RESPONSE__BODY_LOCATE);
	CU_ASSERT_STRING_EQUAL(response->locate->owner, "b1");
	CU_ASSERT_STRING_EQUAL(response->locate->relationship, REL_1);
	CU_ASSERT_STRING_EQUAL(response->locate->source, "announcement");
	CU_ASSERT_STRING_EQUAL(response->locate->answer, "REDIRECT");
	CU_ASSERT_TRUE(response->locate->age_ms < 60000);
	locate.vm = text("web9");
	response = admin_ask(world, &request, &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL(response->error, ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(response->text, "web9"));
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_BROKER;
	request.broker = &report;
	response = admin_ask(world, &request, &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL_FATAL(response->body_case, VMREPLICA__ADMIN__RESPONSE__BODY_BROKER);
	CU_ASSERT_STRING_EQUAL(response->broker->node, "b1");
	CU_ASSERT_STRING_EQUAL(response->broker->relay, "auto");
	CU_ASSERT_TRUE(response->broker->quorate);
	CU_ASSERT_EQUAL(response->broker->port, world->port);
	CU_ASSERT_EQUAL_FATAL(response->broker->n_routes, 1);
	CU_ASSERT_STRING_EQUAL(response->broker->routes[0]->owner, "b1");
	CU_ASSERT_EQUAL_FATAL(response->broker->n_denials, 1);
	CU_ASSERT_STRING_EQUAL(response->broker->denials[0]->reason, "just so");
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_STATUS;
	request.status = &status;
	response = admin_ask(world, &request, &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL(response->error, EOPNOTSUPP);
	arena_reset(&arena);
}

static void test_admin(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	broker_record_denial(&world->broker, "x.other", "just so");
	CU_ASSERT_STRING_EQUAL(world->event, "b1 warning: x.other is refused: just so");
	world_run(world, admin_client, NULL);
	world_end(world);
}

static Vmreplica__Admin__Response *ask_authorize(Vmreplica__Admin__AuthorizeRequest__Op op,
						 const char *pattern, const char *storage,
						 struct arena *arena)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__AuthorizeRequest body = VMREPLICA__ADMIN__AUTHORIZE_REQUEST__INIT;
	Vmreplica__Admin__AuthorizeEntry entry = VMREPLICA__ADMIN__AUTHORIZE_ENTRY__INIT;

	entry.pattern = text(pattern);
	entry.storage = text(storage);
	entry.max_vms = 7;
	body.op = op;
	body.entry = &entry;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_AUTHORIZE;
	request.authorize = &body;
	return admin_ask(world, &request, arena);
}

static void authorize_client(void *arg)
{
	Vmreplica__Admin__Response *response;
	struct arena arena;
	char name[AUTHORIZATION_NAME_LEN];

	(void)arg;
	arena_init(&arena, ARENA_MAX);
	response = ask_authorize(VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__LIST, "", "", &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL_FATAL(response->authorize->n_entries, 1);
	CU_ASSERT_STRING_EQUAL(response->authorize->entries[0]->pattern, "a.example");
	CU_ASSERT_EQUAL(response->authorize->entries[0]->max_vms, 2);
	CU_ASSERT_EQUAL(response->authorize->entries[0]->vms, 1);
	response = ask_authorize(VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__ADD, "*.c.example",
				 "/srv/c", &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL(response->error, 0);
	authorization_setting_name("*.c.example", name);
	CU_ASSERT_STRING_EQUAL(world->setting_name, name);
	CU_ASSERT_STRING_EQUAL(world->setting_value,
			       "pattern=*.c.example storage=/srv/c group=- max-vms=7");
	response = ask_authorize(VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__ADD, "c..example",
				 "/srv/c", &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_TRUE(response->usage);
	response = ask_authorize(VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__REMOVE, "c.example", "",
				 &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL(response->error, ENOENT);
	response = ask_authorize(VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__REMOVE, "a.example", "",
				 &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL(response->error, 0);
	authorization_setting_name("a.example", name);
	CU_ASSERT_STRING_EQUAL(world->setting_name, name);
	CU_ASSERT_STRING_EQUAL(world->setting_value, "");
	response = ask_authorize(VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__LIST, "", "", &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL_FATAL(response->authorize->n_entries,
			      1); /* at once: the answer waited for it */
	CU_ASSERT_STRING_EQUAL(response->authorize->entries[0]->pattern, "*.c.example");
	arena_reset(&arena);
}

static void test_authorize(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, authorize_client, NULL);
	world_end(world);
}

static Vmreplica__Admin__Response *ask_agent(Vmreplica__Admin__AgentRequest__Op op,
					     const char *relay, struct arena *arena)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__AgentRequest body = VMREPLICA__ADMIN__AGENT_REQUEST__INIT;
	char *names[] = {text("relay")}, *values[] = {text(relay)};

	body.op = op;
	body.n_names = body.n_values = 1;
	body.names = names;
	body.values = values;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_AGENT;
	request.agent = &body;
	return admin_ask(world, &request, arena);
}

static void agent_client(void *arg)
{
	Vmreplica__Admin__Response *response;
	struct arena arena;

	(void)arg;
	arena_init(&arena, ARENA_MAX);
	response = ask_agent(VMREPLICA__ADMIN__AGENT_REQUEST__OP__PING, "", &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL_FATAL(response->body_case, VMREPLICA__ADMIN__RESPONSE__BODY_AGENT);
	CU_ASSERT_TRUE(response->agent->running);
	CU_ASSERT_TRUE(response->agent->ready);
	CU_ASSERT_EQUAL(response->agent->pid, (uint32_t)getpid());
	response = ask_agent(VMREPLICA__ADMIN__AGENT_REQUEST__OP__RELOAD, "always", &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_EQUAL(response->error, 0);
	response = ask_agent(VMREPLICA__ADMIN__AGENT_REQUEST__OP__RELOAD, "sometimes", &arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	CU_ASSERT_TRUE(response->usage);
	arena_reset(&arena);
}

static void test_agent(void)
{
	world = world_begin(RELAY_AUTO);
	world_run(world, agent_client, NULL);
	CU_ASSERT_EQUAL(world->broker.options.relay, RELAY_ALWAYS);
	world_end(world);
}

/* ---- certificates, and the end ---- */

static void renewed_client(void *arg)
{
	struct client *kept = arg;
	struct client client;

	ask_locate(kept, REL_1, false); /* the connection of before lives on */
	CU_ASSERT_EQUAL(kept->frame.type, FRAME_REDIRECT);
	client_open(&client, world->port, "b1", "a.example",
		    NULL); /* new ones see the new certificate */
	CU_ASSERT_EQUAL(client.result, 0);
	client_close(&client);
}

static void first_client(void *arg)
{
	client_open(arg, world->port, "a1", "b.example", NULL);
	ask_locate(arg, REL_1, false);
}

static void test_renewal(void)
{
	struct client kept;

	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, first_client, &kept);
	free(world->config.tls_key);
	world->config.tls_key = strdup("/nonexistent");
	CU_ASSERT_TRUE(broker_reload(&world->broker) < 0); /* the old ones stay in use */
	free(world->config.tls_key);
	free(world->config.tls_certificate);
	world->config.tls_key = strdup(peers_path("a1", ".key"));
	world->config.tls_certificate = strdup(peers_path("a1", ".crt"));
	CU_ASSERT_EQUAL(broker_reload(&world->broker), 0);
	world_run(world, renewed_client, &kept);
	client_close(&kept);
	world_end(world);
}

static void test_stop(void)
{
	int64_t begun;

	world = world_begin(RELAY_AUTO);
	begun = clock_monotonic_ms();
	broker_stop(&world->broker);
	qb_loop_run(world->loop);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begun < 2000);
	CU_ASSERT_EQUAL(world->announced_inactive, 1);
	world_end(world);
	CU_ASSERT_TRUE(access(world->socket_path, F_OK) < 0);
}

static void test_group_lost(void)
{
	world = world_begin(RELAY_AUTO);
	world->broker.cluster.callbacks.member_cb(&world->broker, "b1", CLUSTER_MEMBER_BROKER,
						  false);
	CU_ASSERT_TRUE(world->failed);
	world_end(world);
}

static void test_bad_start(void)
{
	struct broker broker = {.loop = NULL};
	struct config config = {.tls_ca = text("/nonexistent"),
				.tls_certificate = text("/nonexistent"),
				.tls_key = text("/nonexistent"),
				.site = text("b.example"),
				.node = text("b1")};
	char error[BROKER_ERROR_LEN] = "";

	broker.config = &config;
	broker.options = (struct broker_options){
		.address = "192.0.2.250", .port = 1, .socket_path = "/nonexistent"};
	CU_ASSERT_TRUE(broker_open(&broker, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "/nonexistent"));
	broker_close(&broker);
}

static const struct unit_test tests[] = {
	{"LOCATE", test_locate},
	{"DENIED", test_denied},
	{"MOVING", test_moving},
	{"bad certificates", test_bad_certificates},
	{"garbage", test_garbage},
	{"ENROLL and WITHDRAW", test_enroll},
	{"enroll with a definition", test_enroll_with_definition},
	{"trouble with ENROLL", test_enroll_trouble},
	{"a peer in a hurry", test_hasty_peer},
	{"relayed streams", test_relay},
	{"bad tokens", test_bad_tokens},
	{"a token of the owner before", test_stale_token},
	{"relay never", test_relay_never},
	{"admin requests", test_admin},
	{"authorize", test_authorize},
	{"the agent", test_agent},
	{"renewed certificates", test_renewal},
	{"stop", test_stop},
	{"the group is lost", test_group_lost},
	{"a bad start", test_bad_start},
};

int main(void)
{
	int status;

	signal(SIGPIPE, SIG_IGN); /* as the program does */
	status = unit_run("broker", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
