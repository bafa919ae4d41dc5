/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the primary held at a point's cut is not known any more: nobody keeps digests of whole
 * disks. What can be proved is that the point is what was received: the hashes of the logs that
 * lead to it and their chain, its layers, and that it reads as those logs say.
 */
#include "admin/verify_point.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/client.h"
#include "proto/limits.h"
#include "proto/point_search.h"

struct point_store {
	char directory[PATH_LEN_MAX + 1], owner[NODE_NAME_MAX + 1];
	uint64_t seq; /* of the point */
};

static int store_find(const struct common_options *common, const char *vm,
		      struct point_store *store)
{
	Vmreplica__Admin__StatusRequest status = VMREPLICA__ADMIN__STATUS_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	status.vm = (char *)(uintptr_t)vm;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_STATUS;
	request.status = &status;
	client_init(&client);
	result = client_ask(&client, common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_STATUS, &response);
	for (size_t i = 0; result == STATUS_DONE && i < response->status->n_vms; i++) {
		const Vmreplica__VmStatus *found = response->status->vms[i];

		if (found->store[0] != '\0') {
			snprintf(store->directory, sizeof(store->directory), "%s", found->store);
			snprintf(store->owner, sizeof(store->owner), "%s", found->owner);
		}
	}
	client_destroy(&client);
	if (result == STATUS_DONE && store->directory[0] == '\0') {
		result = command_failed("there is no open replica of that name here",
					"Recovery points are checked on the replica's side.");
	}
	return result;
}

/* One page of the list; *ret_step: what point_search_take said. */
static int page_take(const struct common_options *common, const char *vm,
		     struct point_search *search, int *ret_step)
{
	Vmreplica__Admin__PointsRequest points = VMREPLICA__ADMIN__POINTS_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	char error[POINT_SELECT_ERROR_LEN];
	struct client client;
	int result;

	points.vm = (char *)(uintptr_t)vm;
	points.cycles = search->cycles;
	points.after_seq = search->after_seq;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_POINTS;
	request.points = &points;
	client_init(&client);
	result = client_ask(&client, common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_POINTS, &response);
	if (result == STATUS_DONE) {
		*ret_step = point_search_take(search, response->points->points,
					      response->points->n_points, response->points->more,
					      error);
		result = *ret_step < 0 ? command_failed(error, "") : STATUS_DONE;
	}
	client_destroy(&client);
	return result;
}

static int point_find(const struct common_options *common, const char *vm,
		      const struct point_wish *wish, uint64_t *ret_seq)
{
	struct point_search search;
	int step = POINT_SEARCH_ASK, result = STATUS_DONE;

	point_search_init(&search, wish, true);
	while (result == STATUS_DONE && step == POINT_SEARCH_ASK) {
		result = page_take(common, vm, &search, &step);
	}
	if (result == STATUS_DONE) {
		*ret_seq = search.best->seq;
	}
	point_search_destroy(&search);
	return result;
}

int store_check_exec(const char *directory, uint64_t point_seq, bool json)
{
	char seq[24];
	char *argv[8] = {(char *)(uintptr_t)VMR_DAEMONDIR "/vmreplica-receiver",
			 (char *)(uintptr_t) "--check", (char *)(uintptr_t)directory};
	size_t count = 3;

	if (point_seq != 0) {
		snprintf(seq, sizeof(seq), "%" PRIu64, point_seq);
		argv[count++] = (char *)(uintptr_t) "--point";
		argv[count++] = seq;
	}
	if (json) {
		argv[count++] = (char *)(uintptr_t) "--json";
	}
	fflush(stdout);
	execv(argv[0], argv);
	fprintf(stderr, "vmreplica: cannot run %s: %s\n", argv[0], strerror(errno));
	return STATUS_FAILED;
}

int verify_point(const struct common_options *common, const char *vm, const char *text)
{
	struct point_store store = {.seq = 0};
	char error[POINT_SELECT_ERROR_LEN], where[NODE_NAME_MAX + 32];
	struct point_wish wish;
	int result;

	if (point_wish_parse(text, &wish, error) < 0) {
		return command_misused(common, "%s", error);
	}
	result = store_find(common, vm, &store);
	if (result == STATUS_DONE) {
		result = point_find(common, vm, &wish, &store.seq);
	}
	if (result != STATUS_DONE) {
		return result;
	}
	if (access(store.directory, F_OK) < 0 && errno == ENOENT) {
		snprintf(where, sizeof(where), "Run it on node %s.", store.owner);
		return command_failed("the store of that replica is not on this node", where);
	}
	if (!common->json) {
		printf("%s: the point of cycle %" PRIu64
		       " is compared with the logs that led to it, not with the\nprimary, whose "
		       "disks have changed since\n",
		       vm, store.seq);
	}
	return store_check_exec(store.directory, store.seq, common->json);
}
