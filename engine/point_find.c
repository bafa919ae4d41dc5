/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/point_find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/receiver_child.h"
#include "proto/point_search.h"

#define WAIT_MS 15000	     /* for a page */
#define OUR_IDS (1ull << 63) /* those of admin_points.c are below */

struct point_finding {
	struct point_finding *next;
	struct engine *engine;
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t id;
	int64_t deadline_ms;
	struct point_search search;
	point_find_cb done;
	void *arg;
};

static void finding_end(struct point_finding *finding, int error, const char *text,
			const Vmreplica__Point *point)
{
	struct point_finding **from = &finding->engine->point_findings;

	while (*from != finding) {
		from = &(*from)->next;
	}
	*from = finding->next;
	finding->done(finding->arg, error, text, point);
	point_search_destroy(&finding->search);
	free(finding);
}

static int finding_send(struct point_finding *finding)
{
	Vmreplica__Ipc__PointsQuery query = VMREPLICA__IPC__POINTS_QUERY__INIT;
	static uint64_t last_id;

	finding->id = OUR_IDS | ++last_id;
	finding->deadline_ms = clock_monotonic_ms() + WAIT_MS;
	query.id = finding->id;
	query.relationship = finding->relationship;
	query.cycles = finding->search.cycles;
	query.no_verdicts = !query.cycles; /* a point can be had whatever leads to it */
	query.after_seq = finding->search.after_seq;
	return receiver_child_send(finding->engine->receiver, FRAME_POINTS_QUERY, &query.base);
}

int point_find(struct replica *replica, const struct point_wish *wish, point_find_cb done,
	       void *arg)
{
	struct point_finding *finding;
	int result;

	if (!replica_is_open(replica)) {
		return -ENOTCONN;
	}
	finding = calloc(1, sizeof(*finding));
	if (finding == NULL) {
		return -ENOMEM;
	}
	finding->engine = replica->engine;
	point_search_init(&finding->search, wish, false);
	finding->done = done;
	finding->arg = arg;
	memcpy(finding->relationship, replica->settings.relationship,
	       sizeof(finding->relationship));
	result = finding_send(finding);
	if (result < 0) {
		free(finding);
		return result;
	}
	finding->next = replica->engine->point_findings;
	replica->engine->point_findings = finding;
	return 0;
}

static void finding_take(struct point_finding *finding, const Vmreplica__Ipc__ReplicaPoints *answer)
{
	char error[POINT_SELECT_ERROR_LEN];
	int step = point_search_take(&finding->search, answer->points, answer->n_points,
				     answer->more, error);

	if (step < 0) {
		finding_end(finding, step, error, NULL);
	} else if (step == POINT_SEARCH_FOUND) {
		finding_end(finding, 0, "", finding->search.best);
	} else if (finding_send(finding) < 0) {
		finding_end(finding, -ENOTCONN, "the receiver does not run", NULL);
	}
}

bool point_find_answered(struct engine *engine, const Vmreplica__Ipc__ReplicaPoints *answer)
{
	struct point_finding *finding = engine->point_findings;

	if ((answer->id & OUR_IDS) == 0) {
		return false;
	}
	while (finding != NULL && finding->id != answer->id) {
		finding = finding->next;
	}
	if (finding == NULL) {
		return true; /* it came too late */
	}
	if (answer->error != 0) {
		finding_end(finding, answer->error > 0 ? -answer->error : answer->error,
			    answer->text, NULL);
	} else {
		finding_take(finding, answer);
	}
	return true;
}

void point_find_tick(struct engine *engine, int64_t now_ms)
{
	bool ending = now_ms == INT64_MAX;
	struct point_finding *finding = engine->point_findings;

	while (finding != NULL) {
		struct point_finding *next = finding->next;

		if (now_ms >= finding->deadline_ms) {
			finding_end(finding, ending ? -ESHUTDOWN : -ETIMEDOUT,
				    ending ? "the engine is stopping"
					   : "the receiver does not answer",
				    NULL);
		}
		finding = next;
	}
}
