/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/points_query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "receiver/borrow.h"
#include "receiver/points_page.h"
#include "receiver/stores.h"

/* What fits into a frame: an encoded point takes less than 200 bytes. */
#define LIMIT_MAX 1000u

/* One question on its way through a worker. */
struct query {
	struct receiver *receiver; /* borrowed */
	struct store *store;	   /* a reference; NULL = not open */
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t id;
	struct points_ask ask;
	struct points_page page; /* owned */
};

static int query_run(void *arg)
{
	struct query *query = arg;

	return points_page_make(query->store, &query->ask, &query->page);
}

static void query_done_cb(void *arg, int result)
{
	Vmreplica__Ipc__ReplicaPoints message = VMREPLICA__IPC__REPLICA_POINTS__INIT;
	struct query *query = arg;
	cleanup_free Vmreplica__Point **list = calloc(query->page.count + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < query->page.count; i++) {
		list[i] = &query->page.points[i];
	}
	message.id = query->id;
	message.relationship = query->relationship;
	message.error = list == NULL ? -ENOMEM : result;
	message.text = borrow(message.error == 0	 ? ""
			      : message.error == -ENOENT ? "the replica's store is not open here"
							 : strerror(-message.error));
	message.points = list;
	message.n_points = list == NULL ? 0 : query->page.count;
	message.more = query->page.more;
	if (query->receiver->link != NULL) {
		link_send(query->receiver->link, FRAME_REPLICA_POINTS, &message.base);
	}
	store_unref(query->store);
	points_page_destroy(&query->page);
	free(query);
}

void points_query(struct receiver *receiver, const Vmreplica__Ipc__PointsQuery *request)
{
	struct query *query = calloc(1, sizeof(*query));

	if (query == NULL) {
		return; /* the engine's request runs into its timeout */
	}
	query->receiver = receiver;
	query->id = request->id;
	query->ask.after_seq = request->after_seq;
	query->ask.cycles = request->cycles;
	query->ask.no_verdicts = request->no_verdicts && !request->cycles;
	query->ask.limit =
		request->limit == 0 || request->limit > LIMIT_MAX ? LIMIT_MAX : request->limit;
	snprintf(query->relationship, sizeof(query->relationship), "%s", request->relationship);
	query->store = stores_find(receiver, query->relationship);
	if (query->store == NULL) {
		query_done_cb(query, -ENOENT);
	} else if (workers_submit(receiver->store_workers, query_run, query_done_cb, query) < 0) {
		query_done_cb(query, -ENOMEM);
	}
}
