/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the store under a new primary is put in order: what is asked of the receiver and when, the
 * slices between cycles, and that all of it gives way. What the keeper calls is written down here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/chain_keeper.h"
#include "engine/chain_merge.h"
#include "engine/receiver_child.h"
#include "engine/replica_takeover.h"
#include "engine/standing.h"
#include "tests/unit/unit.h"

#define ID	  "0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define DIRECTORY "/srv/replica/a.example/web1-0b0e7d1c"
#define SECOND	  1000

static struct engine engine;
static const struct config config = {.storage_reserve_bytes = 1 << 20};
static struct relationship *rel;
static int64_t now;
static bool receiver_ready, chain_stands, extents_stand, failover_stands;
static char asked[512]; /* words of what was asked, in its order */
static size_t layers;	/* that are left */
static int merge_result;
static char event[512];

static replica_takeover_cb answer_cb;
static void *answer_arg;
static worker_run_cb slice_run;
static worker_done_cb slice_done;
static void *slice_arg;
static const struct chain_merge *slice;

/* ---- what the keeper calls ---- */

static void note(const char *word)
{
	if (asked[0] != '\0') {
		strcat(asked, " ");
	}
	strcat(asked, word);
}

struct relationship *engine_find_relationship(const struct engine *e, const char *id)
{
	(void)e;
	return rel != NULL && strcmp(id, ID) == 0 ? rel : NULL;
}

struct replica *engine_find_replica(const struct engine *e, const char *id)
{
	(void)e;
	(void)id;
	return NULL;
}

void engine_event(struct engine *e, const char *severity, const char *vm, const char *format, ...)
{
	va_list args;

	(void)e;
	(void)severity;
	(void)vm;
	va_start(args, format);
	vsnprintf(event, sizeof(event), format, args);
	va_end(args);
}

void engine_wake(struct engine *e)
{
	(void)e;
}

bool receiver_child_reaches_store(struct receiver_child *child, const char *directory)
{
	(void)child;
	CU_ASSERT_STRING_EQUAL(directory, DIRECTORY);
	return receiver_ready;
}

int receiver_child_send(struct receiver_child *child, enum frame_type type,
			const ProtobufCMessage *message)
{
	const Vmreplica__Ipc__StoreOpen *open = (const Vmreplica__Ipc__StoreOpen *)message;

	(void)child;
	if (!receiver_ready) {
		return -ENOTCONN;
	}
	note(type == FRAME_STORE_OPEN ? "open" : "close");
	if (type == FRAME_STORE_OPEN) {
		CU_ASSERT_STRING_EQUAL(open->directory, DIRECTORY);
		CU_ASSERT_STRING_EQUAL(open->peer_site, "a.example");
		CU_ASSERT_STRING_EQUAL(open->relationship, ID);
	}
	return 0;
}

int replica_takeover_end_at(struct engine *e, Vmreplica__Ipc__StoreTakeoverEnd *request,
			    replica_takeover_cb done, void *arg)
{
	(void)e;
	CU_ASSERT_STRING_EQUAL(request->relationship, ID);
	note(request->end == VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_ADVANCE  ? "advance"
	     : request->end == VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_COMMIT ? "commit"
									     : "merged");
	answer_cb = done;
	answer_arg = arg;
	return 0;
}

void replica_takeover_forget(struct engine *e, const void *arg)
{
	(void)e;
	(void)arg;
	answer_cb = NULL;
}

const char *standing_get(const struct engine *e, const char *order, const char *id)
{
	(void)e;
	(void)id;
	return strcmp(order, STANDING_CHAIN) == 0 && chain_stands	  ? DIRECTORY
	       : strcmp(order, STANDING_EXTENTS) == 0 && extents_stand	  ? "/a/list"
	       : strcmp(order, STANDING_FAILOVER) == 0 && failover_stands ? "an order"
									  : NULL;
}

void standing_set(struct engine *e, const char *order, const char *id, const char *value,
		  cluster_done_cb done, void *arg)
{
	(void)e;
	(void)id;
	CU_ASSERT_STRING_EQUAL(order, STANDING_CHAIN);
	CU_ASSERT_PTR_NULL(value);
	note("done");
	chain_stands = false;
	done(arg, 0, "");
}

int chain_merge_run(struct chain_merge *merge)
{
	slice = merge;
	merge->merged = merge_result == 0 ? (unsigned int)layers : 0;
	layers = merge_result == 0 ? 0 : layers;
	snprintf(merge->error, sizeof(merge->error), "why");
	return merge_result;
}

bool chain_merge_is_hopeless(int error)
{
	return error == -EPERM;
}

size_t chain_merge_layers(const Vmreplica__Ipc__StoreTaken *taken)
{
	(void)taken;
	return layers;
}

int workers_submit(struct workers *workers, worker_run_cb run, worker_done_cb done, void *arg)
{
	(void)workers;
	note("slice");
	slice_run = run;
	slice_done = done;
	slice_arg = arg;
	return 0;
}

void relationship_take_pending(struct relationship *r, int64_t at)
{
	(void)r;
	(void)at;
}

void relationship_tick(struct relationship *r, int64_t at)
{
	(void)r;
	(void)at;
}

/* ---- scenes ---- */

static void begin(size_t left)
{
	memset(&engine, 0, sizeof(engine));
	rel = calloc(1, sizeof(*rel));
	CU_ASSERT_PTR_NOT_NULL_FATAL(rel);
	engine.config = &config;
	engine.relationships = rel;
	rel->engine = &engine;
	strcpy(rel->settings.relationship, ID);
	strcpy(rel->settings.vm, "web1");
	rel->settings.frequency_s = 30;
	rel->ready = rel->standing_known = true;
	rel->last_success_ms = 1;
	receiver_ready = chain_stands = true;
	extents_stand = failover_stands = false;
	layers = left;
	merge_result = 0;
	asked[0] = event[0] = '\0';
	answer_cb = NULL;
	slice_run = NULL;
	slice = NULL;
	now = clock_monotonic_ms();
}

static void end(void)
{
	chain_keeper_free(rel);
	free(rel);
	rel = NULL;
}

static void tick(int64_t ms)
{
	now += ms;
	chain_keeper_tick(rel, now);
}

static void asked_is(const char *words)
{
	CU_ASSERT_STRING_EQUAL(asked, words);
	asked[0] = '\0';
}

static void answer(int error)
{
	Vmreplica__Ipc__StoreTaken taken = VMREPLICA__IPC__STORE_TAKEN__INIT;
	replica_takeover_cb cb = answer_cb;

	CU_ASSERT_PTR_NOT_NULL_FATAL(cb);
	taken.error = error;
	taken.text = (char *)(uintptr_t) "why";
	cb(answer_arg, &taken);
}

static void first_visit(void)
{
	tick(SECOND);
	asked_is("open");
	chain_keeper_opened(&engine, ID, 0, "");
	asked_is("advance");
	answer(0);
	asked_is("commit");
	answer(0);
	asked_is("close");
	CU_ASSERT_TRUE(chain_keeper_holds(rel));
	chain_keeper_closed(&engine, ID, 0, "");
	CU_ASSERT_FALSE(chain_keeper_holds(rel));
}

static void slice_ends(void)
{
	slice_done(slice_arg, slice_run(slice_arg));
	CU_ASSERT_FALSE(rel->busy);
}

static void test_whole(void)
{
	begin(3);
	first_visit();
	tick(SECOND);
	asked_is("slice");
	CU_ASSERT_TRUE(rel->busy);
	slice_ends();
	tick(SECOND);
	asked_is("open");
	chain_keeper_opened(&engine, ID, 0, "");
	asked_is("merged");
	answer(0);
	chain_keeper_closed(&engine, ID, 0, "");
	asked_is("close");
	tick(SECOND);
	asked_is("done");
	CU_ASSERT_PTR_NOT_NULL(strstr(event, "merged"));
	tick(16 * SECOND);
	asked_is("");
	CU_ASSERT_PTR_NULL(rel->chain);
	end();
}

static void test_nothing_to_merge(void)
{
	begin(0);
	first_visit();
	tick(SECOND);
	asked_is("done");
	end();
}

/* The list of extents in the store is needed for the first cycle of the new direction. */
static void test_not_before_the_other_side_has_all(void)
{
	begin(1);
	rel->last_success_ms = 0;
	tick(SECOND);
	rel->last_success_ms = 1;
	extents_stand = true;
	tick(SECOND);
	extents_stand = false;
	strcpy(rel->extents_path, "/a/list");
	tick(SECOND);
	rel->extents_path[0] = '\0';
	failover_stands = true;
	tick(SECOND);
	failover_stands = false;
	rel->suspended = true;
	tick(SECOND);
	asked_is("");
	rel->suspended = false;
	tick(SECOND);
	asked_is("open");
	end();
}

static void test_slices_lie_between_cycles(void)
{
	begin(3);
	first_visit();
	rel->busy = true;
	tick(16 * SECOND);
	asked_is("");
	CU_ASSERT_FALSE(chain_keeper_merges(rel));
	rel->busy = false;
	tick(SECOND);
	asked_is("slice");
	CU_ASSERT_TRUE(chain_keeper_merges(rel)); /* what is due meanwhile is missed */
	merge_result = -ECANCELED;
	tick(14 * SECOND); /* half of the frequency is its time */
	slice_run(slice_arg);
	CU_ASSERT_FALSE(*slice->stop);
	tick(2 * SECOND);
	CU_ASSERT_TRUE(*slice->stop);
	slice_ends();
	CU_ASSERT_FALSE(chain_keeper_merges(rel));
	tick(SECOND);
	asked_is(""); /* no cycle has come through */
	rel->last_success_ms++;
	tick(SECOND);
	asked_is("slice"); /* of twice the time, since nothing was merged */
	tick(29 * SECOND);
	CU_ASSERT_FALSE(*slice->stop);
	rel->waiters = (struct relationship_waiter *)rel; /* somebody wants a cycle now */
	tick(SECOND);
	CU_ASSERT_TRUE(*slice->stop);
	slice_ends();
	rel->waiters = NULL;
	rel->last_success_ms++;
	tick(SECOND);
	asked_is("slice");
	rel->stopping = true; /* a move: a block job would keep the VM here */
	tick(SECOND);
	CU_ASSERT_TRUE(*slice->stop);
	slice_ends();
	tick(SECOND);
	asked_is("");
	CU_ASSERT_FALSE(chain_keeper_holds(rel));
	end();
}

/* QEMU begins a layer anew with each slice: one of any size is merged in the end. */
static void test_slices_grow_until_a_layer_fits(void)
{
	int64_t patience = 15;

	begin(1);
	first_visit();
	merge_result = -ECANCELED;
	for (int i = 0; i < 12; i++, patience *= 2) {
		tick(SECOND);
		asked_is("slice");
		slice_run(slice_arg);
		CU_ASSERT_EQUAL(slice->reserve_bytes, config.storage_reserve_bytes);
		tick((patience - 1) * SECOND);
		CU_ASSERT_FALSE(*slice->stop);
		tick(2 * SECOND);
		CU_ASSERT_TRUE(*slice->stop);
		slice_ends();
		rel->last_success_ms++;
	}
	end();
}

static void test_a_stop_closes_the_store(void)
{
	begin(1);
	tick(SECOND);
	chain_keeper_opened(&engine, ID, 0, "");
	asked_is("open advance");
	rel->stopping = true;
	tick(SECOND);
	asked_is("close");
	CU_ASSERT_PTR_NULL(answer_cb);
	CU_ASSERT_TRUE(chain_keeper_holds(rel));
	chain_keeper_closed(&engine, ID, 0, "");
	CU_ASSERT_FALSE(chain_keeper_holds(rel));
	tick(60 * SECOND);
	asked_is("");
	end();
	chain_keeper_opened(&engine, ID, 0, ""); /* it was let go too early: nobody wants it open */
	asked_is("close");
}

static void test_what_fails_is_told_and_tried_again(void)
{
	begin(1);
	tick(SECOND);
	chain_keeper_opened(&engine, ID, -EBUSY, "another node");
	CU_ASSERT_PTR_NOT_NULL(strstr(event, "another node"));
	asked_is("open");
	tick(SECOND);
	asked_is("");
	tick(20 * SECOND);
	asked_is("open");
	chain_keeper_opened(&engine, ID, 0, "");
	asked_is("advance");
	chain_keeper_receiver_lost(&engine);
	CU_ASSERT_FALSE(chain_keeper_holds(rel));
	tick(60 * SECOND);
	asked_is("open");
	chain_keeper_opened(&engine, ID, 0, "");
	answer(0);
	answer(0);
	chain_keeper_closed(&engine, ID, 0, "");
	asked_is("advance commit close");
	tick(60 * SECOND);
	asked_is("slice");
	merge_result = -EPERM;
	event[0] = '\0';
	slice_ends();
	CU_ASSERT_PTR_NOT_NULL(strstr(event, "until somebody has seen to it"));
	rel->last_success_ms++;
	tick(600 * SECOND);
	asked_is("");
	end();
}

static const struct unit_test tests[] = {
	{"whole", test_whole},
	{"nothing to merge", test_nothing_to_merge},
	{"not before the other side has all", test_not_before_the_other_side_has_all},
	{"slices lie between cycles", test_slices_lie_between_cycles},
	{"slices grow until a layer fits", test_slices_grow_until_a_layer_fits},
	{"a stop closes the store", test_a_stop_closes_the_store},
	{"what fails is told and tried again", test_what_fails_is_told_and_tried_again},
};

UNIT_MAIN("chain keeper", tests)
