/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replica that is stopped while a worker is at its directory: it ends by itself, and the
 * receiver, which other replicas need, is left alone. The cluster is an empty one; no receiver
 * runs. */
#include <errno.h>
#include <qb/qbloop.h>
#include <string.h>

#include "common/clock.h"
#include "engine/announcer.h"
#include "engine/receiver_child.h"
#include "engine/replica.h"
#include "engine/store_release.h"
#include "unit.h"

#define UUID "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11"

static const Vmreplica__Ipc__CibSettings *no_settings(struct cluster *cluster)
{
	(void)cluster;
	return NULL;
}

static int no_health(struct cluster *cluster, const char *vm, const char *value)
{
	(void)cluster;
	(void)vm;
	(void)value;
	return 0;
}

static const struct cluster_ops fake_ops = {.settings = no_settings, .set_health = no_health};
static char site[] = "b.example", node[] = "b1";
static struct config config = {.site = site, .node = node};
static const char storage[] = "/nonexistent/vmreplica";
static qb_loop_t *workers_loop;

struct answer {
	int count, error;
};

static void answered_cb(void *arg, int error, const char *text)
{
	struct answer *answer = arg;

	(void)text;
	answer->count++;
	answer->error = error;
}

static void engine_make(struct engine *engine)
{
	workers_loop = qb_loop_create();
	/* never run, so that no receiver is started */
	*engine = (struct engine){.loop = qb_loop_create(), .config = &config};
	engine->cluster.ops = &fake_ops;
	event_ring_init(&engine->events, 1);
	engine->storage_workers = workers_new(workers_loop, "storage", 1);
	engine->announcer = announcer_new(engine);
	engine->receiver = receiver_child_new(engine);
	CU_ASSERT_PTR_NOT_NULL_FATAL(engine->storage_workers);
	CU_ASSERT_PTR_NOT_NULL_FATAL(engine->receiver);
}

static void engine_unmake(struct engine *engine)
{
	workers_free(engine->storage_workers);
	engine_wake(engine); /* so that there is a timer to delete */
	qb_loop_timer_del(engine->loop, engine->tick_timer);
	while (engine->replicas != NULL) {
		replica_free(engine->replicas);
	}
	receiver_child_free(engine->receiver);
	announcer_free(engine->announcer);
	cluster_table_destroy(&engine->table);
	qb_loop_destroy(engine->loop);
	qb_loop_destroy(workers_loop);
}

static struct replica *replica_make(struct engine *engine, struct answer *started)
{
	static const char *const names[] = {"relationship", "vm", "role", "peer", "storage"};
	const char *values[] = {UUID, "web1", "replica", "a.example", storage};
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN];
	int result = vm_settings_parse("web1-a-replica", names, values, 5, &settings, error);

	CU_ASSERT_EQUAL_FATAL(result, 0);
	return replica_new(engine, &settings, 10000, answered_cb, started);
}

/* One job at a time: what holds the only worker keeps the replica's own waiting. */
static int hold_run(void *arg)
{
	(void)arg;
	clock_sleep_ms(300);
	return 0;
}

static void quit_cb(void *data)
{
	qb_loop_stop(data);
}

/* Let the loop take the workers' results for a while. */
static void loop_run_ms(uint64_t ms)
{
	qb_loop_timer_handle timer;

	qb_loop_timer_add(workers_loop, QB_LOOP_LOW, ms * 1000000, workers_loop, quit_cb, &timer);
	qb_loop_run(workers_loop);
}

static void wait_for(const struct answer *answer)
{
	for (int i = 0; i < 200 && answer->count == 0; i++) {
		loop_run_ms(50);
	}
}

static void test_stop_while_preparing(void)
{
	struct engine engine;
	struct answer started = {0}, stopped = {0}, again = {0};
	struct replica *replica;

	engine_make(&engine);
	CU_ASSERT_EQUAL(workers_submit(engine.storage_workers, hold_run, NULL, NULL), 0);
	replica = replica_make(&engine, &started);
	CU_ASSERT_PTR_NOT_NULL_FATAL(replica);
	CU_ASSERT_EQUAL(replica->phase, REPLICA_PREPARING);
	replica_stop(replica, false, 10000, answered_cb, &stopped);
	CU_ASSERT_EQUAL(stopped.count, 0); /* the worker may be at it */
	wait_for(&stopped);
	CU_ASSERT_EQUAL(replica->phase, REPLICA_GONE);
	CU_ASSERT_EQUAL(stopped.count, 1);
	CU_ASSERT_EQUAL(stopped.error, 0);
	CU_ASSERT_EQUAL(started.count, 1);
	CU_ASSERT_EQUAL(started.error, -ESHUTDOWN);
	/* the agent asks once more: there is nothing to wait for */
	replica_stop(replica, false, 10000, answered_cb, &again);
	CU_ASSERT_EQUAL(again.count, 1);
	CU_ASSERT_EQUAL(again.error, 0);
	CU_ASSERT_EQUAL(stopped.count, 1);
	engine_unmake(&engine);
}

/* The receiver was lost meanwhile, and the deadline is over: it stays GONE. */
static void test_lost_while_preparing(void)
{
	struct engine engine;
	struct answer started = {0}, stopped = {0};
	struct replica *replica;

	engine_make(&engine);
	CU_ASSERT_EQUAL(workers_submit(engine.storage_workers, hold_run, NULL, NULL), 0);
	replica = replica_make(&engine, &started);
	CU_ASSERT_PTR_NOT_NULL_FATAL(replica);
	replica_stop(replica, false, 0, answered_cb, &stopped);
	CU_ASSERT_EQUAL(replica->phase, REPLICA_PREPARING);
	replica_receiver_lost(replica);
	CU_ASSERT_EQUAL(replica->phase, REPLICA_GONE);
	CU_ASSERT_EQUAL(stopped.count, 0);
	wait_for(&stopped);
	CU_ASSERT_EQUAL(replica->phase, REPLICA_GONE);
	CU_ASSERT_EQUAL(stopped.count, 1);
	CU_ASSERT_EQUAL(stopped.error, 0);
	engine_unmake(&engine);
}

/* What a worker says of a failure is shown once it is done. */
static void test_failed(void)
{
	struct engine engine;
	struct answer started = {0};
	struct replica *replica;

	engine_make(&engine);
	replica = replica_make(&engine, &started);
	CU_ASSERT_PTR_NOT_NULL_FATAL(replica);
	CU_ASSERT_STRING_EQUAL(replica->error, "");
	wait_for(&started);
	CU_ASSERT_EQUAL(started.count, 1);
	CU_ASSERT(started.error < 0);
	CU_ASSERT_EQUAL(replica->phase, REPLICA_FAILED);
	CU_ASSERT(replica->error[0] != '\0');
	engine_unmake(&engine);
}

/* A lock that cannot be read (here: there is no directory in a file) fails a release, but not when
 * the receiver has closed the store. */
static void test_unreadable_lock(void)
{
	struct engine engine;
	struct answer unknown = {0}, closed = {0};

	engine_make(&engine);
	store_release(&engine, "/dev/null", false, 0, answered_cb, &unknown);
	wait_for(&unknown);
	CU_ASSERT_EQUAL(unknown.count, 1);
	CU_ASSERT_EQUAL(unknown.error, -ENOTDIR);
	store_release(&engine, "/dev/null", true, 0, answered_cb, &closed);
	wait_for(&closed);
	CU_ASSERT_EQUAL(closed.count, 1);
	CU_ASSERT_EQUAL(closed.error, 0);
	engine_unmake(&engine);
}

static const struct unit_test tests[] = {
	{"stopped while its directory is made", test_stop_while_preparing},
	{"the receiver ends meanwhile", test_lost_while_preparing},
	{"a directory that cannot be made", test_failed},
	{"a lock that cannot be read", test_unreadable_lock},
};

UNIT_MAIN("replica", tests)
