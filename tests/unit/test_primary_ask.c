/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is the primary gone? Its broker is asked, and where that is silent its engine's stream; a side
 * that lives is never failed over without --force. Broker and receiver are played here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/failover_peer.h"
#include "engine/peer_contact.h"
#include "engine/primary_ask.h"
#include "engine/replica_takeover.h"
#include "unit.h"

#define ID	  "0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED
#define CANCEL	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL

static const struct config config = {.site = (char *)(uintptr_t) "b.example"};
static struct engine engine = {.config = &config};
static struct replica replica;

static struct {
	bool no_broker, no_replica, closed, no_memory;
	int broker; /* what asking it returns */
	const char *code;
	struct order_answer answer;
	bool lives; /* the stream's */
	int receiver;
	bool heard_first;
	unsigned int asked, pulses, forgotten;
} world;
static worker_run_cb broker_run;
static worker_done_cb broker_done;
static replica_takeover_cb pulse_done;
static void *broker_arg, *pulse_arg;
static struct primary_word told;
static unsigned int words;

/* ---- what it calls ---- */

int peer_contact_find(const struct engine *e, const char *name, struct peer_contact *ret_contact)
{
	(void)e;
	memset(ret_contact, 0, sizeof(*ret_contact));
	snprintf(ret_contact->relationship, sizeof(ret_contact->relationship), "%s", name);
	strcpy(ret_contact->site, "a.example");
	strcpy(ret_contact->host, world.no_broker ? "" : "10.1.0.100");
	return 0;
}

struct locate_client peer_contact_client(const struct peer_contact *contact, struct tls_store *tls)
{
	return (struct locate_client){.tls = tls, .host = contact->host};
}

int order_client_query(const struct locate_client *client, const char *relationship,
		       const char *site, const struct epoch *epoch, struct order_answer *ret_answer,
		       struct trouble *trouble)
{
	(void)client;
	(void)epoch;
	CU_ASSERT_STRING_EQUAL(relationship, ID);
	CU_ASSERT_STRING_EQUAL(site, "b.example");
	world.asked++;
	if (world.broker < 0) {
		return trouble_set(trouble, world.broker, SCHEDULE_FAILED, world.code, "so it was");
	}
	*ret_answer = world.answer;
	return 0;
}

int workers_submit(struct workers *workers, worker_run_cb run, worker_done_cb done, void *arg)
{
	(void)workers;
	if (world.no_memory) {
		return -ENOMEM;
	}
	broker_run = run;
	broker_done = done;
	broker_arg = arg;
	return 0;
}

static void broker_speaks(void)
{
	worker_done_cb done = broker_done;

	broker_done = NULL;
	if (done != NULL) {
		done(broker_arg, broker_run(broker_arg));
	}
}

struct replica *engine_find_replica(const struct engine *e, const char *id)
{
	(void)e;
	CU_ASSERT_STRING_EQUAL(id, ID);
	return world.no_replica ? NULL : &replica;
}

int replica_takeover_pulse(struct replica *one, replica_takeover_cb done, void *arg)
{
	(void)one;
	world.pulses++;
	if (world.closed) {
		return -ENOTCONN;
	}
	pulse_done = done;
	pulse_arg = arg;
	return 0;
}

static void hear(void)
{
	Vmreplica__Ipc__StoreTaken answer = VMREPLICA__IPC__STORE_TAKEN__INIT;
	replica_takeover_cb done = pulse_done;

	answer.error = world.receiver;
	answer.primary_lives = world.lives;
	answer.text = (char *)(uintptr_t) "its engine on a1 has just answered";
	pulse_done = NULL;
	if (done != NULL) {
		done(pulse_arg, &answer);
	}
}

void replica_takeover_forget(struct engine *e, const void *arg)
{
	(void)e;
	CU_ASSERT_PTR_NOT_NULL(arg);
	world.forgotten++;
	pulse_done = NULL;
}

/* ---- the tests ---- */

static void word_cb(void *arg, const struct primary_word *word)
{
	CU_ASSERT_PTR_EQUAL(arg, &world);
	told = *word;
	words++;
}

static void quiet(void)
{
	memset(&world, 0, sizeof(world));
	world.broker = -ETIMEDOUT;
	world.code = "broker-unreachable";
	world.answer.known = true;
	world.answer.role = VMREPLICA__ROLE__ROLE_PRIMARY;
}

static int ask(Vmreplica__Admin__FailoverKind kind)
{
	words = 0;
	memset(&told, 0, sizeof(told));
	CU_ASSERT_EQUAL(primary_ask(&engine, ID, kind, word_cb, &world), 0);
	if (world.heard_first) {
		hear();
	}
	broker_speaks();
	hear();
	CU_ASSERT_EQUAL_FATAL(words, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(told.advice);
	CU_ASSERT(told.error == 0 || strstr(told.advice, "--force") != NULL);
	return told.error;
}

static void test_gone(void)
{
	quiet();
	CU_ASSERT_EQUAL(ask(UNPLANNED), 0);
	CU_ASSERT_EQUAL(world.pulses, 1);
	CU_ASSERT_FALSE(told.answered);
	world.no_broker = true;
	CU_ASSERT_EQUAL(ask(UNPLANNED), 0);
	CU_ASSERT_EQUAL(world.asked, 1);
	CU_ASSERT_EQUAL(world.pulses, 2);
}

static void test_broker_answers(void)
{
	quiet();
	world.broker = 0;
	CU_ASSERT_EQUAL(ask(UNPLANNED), -EBUSY);
	CU_ASSERT(told.answered);
	CU_ASSERT_STRING_EQUAL(told.answer.site, "a.example");
	CU_ASSERT_PTR_NOT_NULL(strstr(told.text, "a.example"));
	CU_ASSERT_EQUAL(world.forgotten, 1); /* it has said it all */
	world.answer.role = VMREPLICA__ROLE__ROLE_REPLICA;
	CU_ASSERT_EQUAL(ask(UNPLANNED), 0);
	CU_ASSERT_EQUAL(ask(CANCEL), -EBUSY);
}

static void test_broker_refuses(void)
{
	quiet();
	world.broker = -EACCES;
	world.code = "identity";
	CU_ASSERT_EQUAL(ask(UNPLANNED), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(told.text, "so it was"));
	CU_ASSERT_EQUAL(world.forgotten, 1);
	CU_ASSERT_EQUAL(ask(CANCEL), 0); /* the way back waits for nobody */
}

/* Its broker alone is gone: the engines replicate. */
static void test_stream_lives(void)
{
	quiet();
	world.lives = true;
	CU_ASSERT_EQUAL(ask(UNPLANNED), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(told.text, "its engine on a1 has just answered"));
	CU_ASSERT_PTR_NOT_NULL(strstr(told.text, "so it was"));
	world.heard_first = true; /* before the broker is given up */
	CU_ASSERT_EQUAL(ask(UNPLANNED), -EBUSY);
	world.no_broker = true;
	CU_ASSERT_EQUAL(ask(UNPLANNED), -EBUSY);
	CU_ASSERT_PTR_NULL(strstr(told.text, "broker"));
	CU_ASSERT_EQUAL(ask(CANCEL), 0);
	CU_ASSERT_EQUAL(world.pulses, 3);
	CU_ASSERT_EQUAL(world.forgotten, 0);
}

static void test_not_known(void)
{
	quiet();
	world.receiver = -ECONNRESET;
	CU_ASSERT_EQUAL(ask(UNPLANNED), -EAGAIN);
	world.receiver = 0;
	world.closed = true; /* what waits for the store waits anyway */
	CU_ASSERT_EQUAL(ask(UNPLANNED), 0);
	world.no_replica = true;
	CU_ASSERT_EQUAL(ask(UNPLANNED), 0);
	world.no_memory = true;
	words = 0;
	CU_ASSERT_EQUAL(primary_ask(&engine, ID, UNPLANNED, word_cb, &world), -ENOMEM);
	CU_ASSERT_EQUAL(words, 0);
}

static const struct unit_test tests[] = {
	{"gone", test_gone},
	{"its broker answers", test_broker_answers},
	{"its broker refuses", test_broker_refuses},
	{"its engine replicates", test_stream_lives},
	{"it cannot be told", test_not_known},
};
UNIT_MAIN("primary-ask", tests)
