/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/chain_keeper.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/chain_merge.h"
#include "engine/receiver_child.h"
#include "engine/replica_takeover.h"
#include "engine/standing.h"
#include "proto/message_copy.h"

#define RETRY_MS	15000
#define LOOK_MS		500    /* what is not ready yet is asked again */
#define VISIT_MS	120000 /* opened, asked and closed; else it is closed, and tried again */
#define PATIENCE_MIN_MS 5000
/* QEMU begins a merge anew after each slice that was too short: a layer of any size has to fit. */
#define PATIENCE_MAX_MS 604800000

enum keeper_state {
	KEEPER_RESTS,
	KEEPER_OPENS,  /* STORE_OPEN is sent */
	KEEPER_ASKS,   /* the store is open, an end is under way */
	KEEPER_CLOSES, /* STORE_CLOSE is sent */
	KEEPER_MERGES, /* a slice, on a worker: the relationship is busy with it */
};

struct chain_keeper {
	struct relationship *rel; /* borrowed */
	enum keeper_state state;
	Vmreplica__Ipc__TakeoverEnd end;   /* asked in this visit */
	Vmreplica__Ipc__StoreTaken *taken; /* owned: COMMIT's answer; NULL = not yet */
	bool merged;			   /* nothing is left to merge: the next visit tells */
	bool done;			   /* the order is being taken away */
	bool hopeless;			   /* told: an admin has to see to it */
	char directory[PATH_LEN_MAX + 1], peer_site[PATH_LEN_MAX + 1];
	char told[SOURCE_ERROR_LEN]; /* the complaint that was told last */
	int64_t retry_ms, visit_end_ms, slice_end_ms, patience_ms; /* monotonic, but the last */
	int64_t sliced_ms;   /* last_success_ms when a slice began */
	bool ran_out;	     /* the slice ended by its time */
	unsigned int layers; /* that went */
	struct chain_merge merge;
	atomic_bool stop; /* of the slice */
};

/* ---- life ---- */

static struct chain_keeper *keeper_find(struct engine *engine, const char *relationship)
{
	struct relationship *rel = engine_find_relationship(engine, relationship);

	return rel != NULL ? rel->chain : NULL;
}

static void taken_drop(struct chain_keeper *keeper)
{
	if (keeper->taken != NULL) {
		vmreplica__ipc__store_taken__free_unpacked(keeper->taken, NULL);
		keeper->taken = NULL;
	}
}

void chain_keeper_free(struct relationship *rel)
{
	if (rel->chain != NULL) {
		replica_takeover_forget(rel->engine, rel->chain);
		taken_drop(rel->chain);
		free(rel->chain);
		rel->chain = NULL;
	}
}

bool chain_keeper_holds(const struct relationship *rel)
{
	const struct chain_keeper *keeper = rel->chain;

	return keeper != NULL && keeper->state != KEEPER_RESTS;
}

bool chain_keeper_merges(const struct relationship *rel)
{
	return rel->chain != NULL && rel->chain->state == KEEPER_MERGES;
}

/* Told once for each cause. */
static void complain(struct chain_keeper *keeper, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void complain(struct chain_keeper *keeper, const char *format, ...)
{
	char text[SOURCE_ERROR_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	keeper->retry_ms = clock_monotonic_ms() + RETRY_MS;
	if (strcmp(text, keeper->told) != 0) {
		memcpy(keeper->told, text, sizeof(text));
		engine_event(keeper->rel->engine, "warning", keeper->rel->settings.vm,
			     "the images that its failover left are not put in order %s: %s",
			     keeper->hopeless ? "until somebody has seen to it; the VM and its "
						"replication go on as they are"
					      : "yet",
			     text);
	}
}

/* ---- a visit to the store ---- */

static void visit_begin(struct chain_keeper *keeper, Vmreplica__Ipc__TakeoverEnd end, int64_t now)
{
	struct relationship *rel = keeper->rel;
	Vmreplica__Ipc__StoreOpen open = VMREPLICA__IPC__STORE_OPEN__INIT;
	char parent[PATH_LEN_MAX + 1];

	/* <storage>/<the other site>/<vm>-...: as the store was made */
	snprintf(parent, sizeof(parent), "%s", keeper->directory);
	snprintf(keeper->peer_site, sizeof(keeper->peer_site), "%s", basename(dirname(parent)));
	open.relationship = rel->settings.relationship;
	open.vm = rel->settings.vm;
	open.peer_site = keeper->peer_site;
	open.directory = keeper->directory;
	open.frequency_s = rel->settings.frequency_s;
	open.resource = rel->settings.resource;
	keeper->end = end;
	keeper->retry_ms = now + RETRY_MS;
	if (!receiver_child_reaches_store(rel->engine->receiver, keeper->directory)) {
		keeper->retry_ms = now + LOOK_MS;
	} else if (receiver_child_send(rel->engine->receiver, FRAME_STORE_OPEN, &open.base) == 0) {
		keeper->state = KEEPER_OPENS;
		keeper->visit_end_ms = now + VISIT_MS;
	}
}

static int store_close(struct engine *engine, const char *relationship)
{
	Vmreplica__Ipc__StoreClose message = VMREPLICA__IPC__STORE_CLOSE__INIT;

	message.relationship = (char *)(uintptr_t)relationship; /* it is only read */
	return receiver_child_send(engine->receiver, FRAME_STORE_CLOSE, &message.base);
}

static void visit_end(struct chain_keeper *keeper)
{
	struct engine *engine = keeper->rel->engine;

	replica_takeover_forget(engine, keeper);
	keeper->state = KEEPER_CLOSES;
	keeper->visit_end_ms = clock_monotonic_ms() + VISIT_MS;
	if (store_close(engine, keeper->rel->settings.relationship) < 0) {
		keeper->state = KEEPER_RESTS; /* no receiver: nothing holds it */
	}
}

static int taken_keep(struct chain_keeper *keeper, const Vmreplica__Ipc__StoreTaken *answer)
{
	taken_drop(keeper);
	keeper->taken = (Vmreplica__Ipc__StoreTaken *)message_copy(&answer->base);
	return keeper->taken != NULL ? 0 : -ENOMEM;
}

static void visit_ask(struct chain_keeper *keeper);

static void answered_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct chain_keeper *keeper = arg;

	if (answer->working) {
		return;
	}
	if (answer->error == 0 && keeper->end == VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_ADVANCE) {
		keeper->end = VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_COMMIT;
		visit_ask(keeper);
		return;
	}
	keeper->retry_ms = 0; /* what comes next need not wait */
	if (answer->error == 0 && keeper->end == VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_COMMIT &&
	    taken_keep(keeper, answer) == 0) {
		keeper->done = chain_merge_layers(keeper->taken) == 0;
	} else if (answer->error == 0) {
		keeper->done = keeper->merged;
	} else if (answer->error == -ENOENT) {
		keeper->done = true; /* it is no store that a VM failed over to */
	} else {
		keeper->merged = false; /* looked at again */
		complain(keeper, "%s", answer->text);
	}
	visit_end(keeper);
}

static void visit_ask(struct chain_keeper *keeper)
{
	Vmreplica__Ipc__StoreTakeoverEnd request = VMREPLICA__IPC__STORE_TAKEOVER_END__INIT;

	request.end = keeper->end;
	request.relationship = keeper->rel->settings.relationship;
	keeper->state = KEEPER_ASKS;
	if (replica_takeover_end_at(keeper->rel->engine, &request, answered_cb, keeper) < 0) {
		visit_end(keeper);
	}
}

void chain_keeper_opened(struct engine *engine, const char *relationship, int error,
			 const char *text)
{
	struct chain_keeper *keeper = keeper_find(engine, relationship);

	if (keeper == NULL && error == 0) {
		store_close(engine, relationship); /* whoever wanted it is gone */
	}
	if (keeper == NULL || keeper->state != KEEPER_OPENS) {
		return;
	}
	if (error != 0) {
		keeper->state = KEEPER_RESTS;
		complain(keeper, "the store %s does not open: %s", keeper->directory, text);
	} else {
		visit_ask(keeper);
	}
	engine_wake(engine);
}

void chain_keeper_closed(struct engine *engine, const char *relationship, int error,
			 const char *text)
{
	struct chain_keeper *keeper = keeper_find(engine, relationship);

	if (keeper == NULL || keeper->state != KEEPER_CLOSES) {
		return;
	}
	if (error != 0) {
		log_warning("%s: the store %s does not close: %s", keeper->rel->settings.vm,
			    keeper->directory, text);
		visit_end(keeper);
		return;
	}
	keeper->state = KEEPER_RESTS;
	engine_wake(engine);
}

void chain_keeper_receiver_lost(struct engine *engine)
{
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		struct chain_keeper *keeper = rel->chain;

		if (keeper != NULL && keeper->state != KEEPER_MERGES) {
			replica_takeover_forget(engine, keeper);
			keeper->state = KEEPER_RESTS;
		}
	}
}

/* ---- slices ---- */

static int slice_run(void *arg)
{
	struct chain_keeper *keeper = arg;

	return chain_merge_run(&keeper->merge);
}

static void slice_done(void *arg, int result)
{
	struct chain_keeper *keeper = arg;
	struct relationship *rel = keeper->rel;
	int64_t now = clock_monotonic_ms();

	keeper->state = KEEPER_RESTS;
	keeper->layers += keeper->merge.merged;
	rel->busy = false;
	if (result == 0) {
		keeper->merged = true;
		keeper->retry_ms = 0;
	} else if (result == -ECANCELED) {
		keeper->patience_ms *= keeper->ran_out && keeper->merge.merged == 0 ? 2 : 1;
	} else {
		keeper->hopeless = chain_merge_is_hopeless(result);
		complain(keeper, "%s", keeper->merge.error);
	}
	relationship_take_pending(rel, now);
	relationship_tick(rel, now);
	engine_wake(rel->engine);
}

/* One of this engine at a time, and only once a cycle has come through since the last. */
static bool slice_may_begin(const struct chain_keeper *keeper)
{
	const struct relationship *rel = keeper->rel;

	for (const struct relationship *other = rel->engine->relationships; other != NULL;
	     other = other->next) {
		if (other->chain != NULL && other->chain->state == KEEPER_MERGES) {
			return false;
		}
	}
	return !rel->busy && rel->waiters == NULL && rel->last_success_ms > keeper->sliced_ms;
}

static void slice_begin(struct chain_keeper *keeper, int64_t now)
{
	struct relationship *rel = keeper->rel;
	int64_t least = 1000 * (int64_t)rel->settings.frequency_s / 2;

	least = least > PATIENCE_MIN_MS ? least : PATIENCE_MIN_MS;
	keeper->patience_ms = keeper->patience_ms < least ? least : keeper->patience_ms;
	keeper->patience_ms =
		keeper->patience_ms > PATIENCE_MAX_MS ? PATIENCE_MAX_MS : keeper->patience_ms;
	keeper->merge =
		(struct chain_merge){.libvirt = rel->engine->libvirt,
				     .taken = keeper->taken,
				     .reserve_bytes = rel->engine->config->storage_reserve_bytes,
				     .running_only = true,
				     .stop = &keeper->stop};
	snprintf(keeper->merge.vm, sizeof(keeper->merge.vm), "%s", rel->settings.vm);
	memcpy(keeper->merge.store, keeper->directory, sizeof(keeper->merge.store));
	keeper->stop = keeper->ran_out = false;
	keeper->sliced_ms = rel->last_success_ms;
	keeper->slice_end_ms = now + keeper->patience_ms;
	keeper->retry_ms = 0;
	rel->busy = workers_submit(rel->engine->task_workers, slice_run, slice_done, keeper) == 0;
	keeper->state = rel->busy ? KEEPER_MERGES : KEEPER_RESTS;
}

/* ---- what is to be done ---- */

/* The VM is a primary as any other, and nothing else is wanted of it. */
static bool is_quiet(const struct relationship *rel)
{
	const char *id = rel->settings.relationship;

	return rel->ready && rel->standing_known && !rel->stopping && !rel->suspended &&
	       !rel->dismissed && !rel->handed && !rel->final_wanted && !rel->release_wanted &&
	       !rel->engine->stopping && standing_get(rel->engine, STANDING_FAILOVER, id) == NULL &&
	       standing_get(rel->engine, STANDING_HANDOVER, id) == NULL;
}

/* A cycle of this direction is on the other side, with all that the first one had to bring. */
static bool other_side_has_all(const struct relationship *rel)
{
	return rel->last_success_ms != 0 && rel->extents_path[0] == '\0' &&
	       standing_get(rel->engine, STANDING_EXTENTS, rel->settings.relationship) == NULL &&
	       engine_find_replica(rel->engine, rel->settings.relationship) == NULL;
}

static void cleared_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("that a VM's images were to be put in order stays in the cluster's "
			    "settings for now: %s",
			    text);
	}
}

static void finish(struct chain_keeper *keeper, int64_t now)
{
	struct relationship *rel = keeper->rel;

	if (keeper->layers > 0) {
		engine_event(rel->engine, "notice", rel->settings.vm,
			     "the layers that its failover left are merged: it stands on one");
		keeper->layers = 0;
	}
	keeper->retry_ms = now + RETRY_MS;
	standing_set(rel->engine, STANDING_CHAIN, rel->settings.relationship, NULL, cleared_cb,
		     NULL);
}

static void keeper_rest(struct chain_keeper *keeper, int64_t now)
{
	struct relationship *rel = keeper->rel;

	if (now < keeper->retry_ms || keeper->hopeless || !is_quiet(rel) ||
	    !other_side_has_all(rel)) {
		return;
	}
	if (keeper->done) {
		finish(keeper, now);
	} else if (keeper->taken == NULL) {
		visit_begin(keeper, VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_ADVANCE, now);
	} else if (keeper->merged) {
		visit_begin(keeper, VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_MERGED, now);
	} else if (slice_may_begin(keeper)) {
		slice_begin(keeper, now);
	}
}

static void keeper_watch(struct chain_keeper *keeper, int64_t now)
{
	struct relationship *rel = keeper->rel;

	switch (keeper->state) {
	case KEEPER_MERGES:
		keeper->ran_out |= now >= keeper->slice_end_ms;
		if (!is_quiet(rel) || rel->waiters != NULL || keeper->ran_out) {
			keeper->stop = true;
		}
		break;
	case KEEPER_OPENS:
	case KEEPER_ASKS:
		if (rel->stopping || now >= keeper->visit_end_ms) {
			visit_end(keeper);
		}
		break;
	case KEEPER_CLOSES:
		if (now >= keeper->visit_end_ms) {
			visit_end(keeper);
		}
		break;
	default:
		keeper_rest(keeper, now);
	}
}

void chain_keeper_tick(struct relationship *rel, int64_t now)
{
	const char *directory =
		standing_get(rel->engine, STANDING_CHAIN, rel->settings.relationship);
	struct chain_keeper *keeper = rel->chain;

	if (directory == NULL && !chain_keeper_holds(rel)) {
		chain_keeper_free(rel);
		return;
	}
	if (keeper == NULL) {
		if (directory[0] != '/' || strlen(directory) > PATH_LEN_MAX || rel->stopping ||
		    (keeper = calloc(1, sizeof(*keeper))) == NULL) {
			return;
		}
		keeper->rel = rel;
		snprintf(keeper->directory, sizeof(keeper->directory), "%s", directory);
		rel->chain = keeper;
	}
	keeper_watch(keeper, now);
}
