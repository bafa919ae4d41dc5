/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAKE with ask, on the replica's side of a planned failover: could the VM be taken and started
 * here? Looked at while it still runs on the other side, because behind the point of no return the
 * answer comes too late. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/cleanup.h"
#include "engine/definition_file.h"
#include "engine/peer_order.h"
#include "engine/replica.h"
#include "engine/replica_fit.h"
#include "engine/source_host.h"
#include "engine/source_run.h"

#define ROOM_MIN (256ull << 20) /* for the VM's new layer to begin with, and what waits */

#define FAILOVER VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER
#define CRITICAL VMREPLICA__HEALTH__HEALTH_CRITICAL

/* Copies, for the worker. */
struct ready_job {
	struct admin_call *call;
	struct engine *engine;
	char vm[VM_NAME_MAX + 1];
	char runs_as[RESOURCE_ID_MAX + 1];
	char resource[RESOURCE_ID_MAX + 1]; /* ours */
	char store[PATH_LEN_MAX + 1];
	char disks[DISKS_MAX][DISK_NAME_MAX + 1];
	size_t disk_count;
	struct network_map networks;
	struct kept_definition kept;
	char error[REASON_MAX]; /* "" = it could */
	char warning[REASON_MAX];
};

/* ---- on the worker ---- */

static void look_at_room(struct ready_job *job)
{
	struct statvfs fs;

	if (statvfs(job->store, &fs) != 0) {
		snprintf(job->error, sizeof(job->error), "the store %.200s: %s", job->store,
			 strerror(errno));
	} else if ((uint64_t)fs.f_bavail * fs.f_frsize < ROOM_MIN) {
		snprintf(job->error, sizeof(job->error),
			 "the storage of %.200s has %" PRIu64 " MiB left, too little to run on",
			 job->store, ((uint64_t)fs.f_bavail * fs.f_frsize) >> 20);
	}
}

/* VirtualDomain would take a VM that runs under the name for ours. */
static void look_at_name(struct ready_job *job)
{
	enum source_run_state state = SOURCE_RUN_ABSENT;
	char error[SOURCE_ERROR_LEN];

	if (source_run_state(job->engine->libvirt, job->runs_as, &state, error) < 0) {
		snprintf(job->error, sizeof(job->error), "libvirt on %s: %.200s",
			 job->engine->config->node, error);
	} else if (state == SOURCE_RUN_RUNNING) {
		snprintf(job->error, sizeof(job->error),
			 "libvirt on %s runs another VM called %s: rename one of the two",
			 job->engine->config->node, job->runs_as);
	}
}

/* A VM that finds no memory fails to start for as long as that lasts. */
static void look_at_memory(struct ready_job *job, uint64_t needed_kib)
{
	char error[SOURCE_ERROR_LEN];
	uint64_t kib = 0;

	if (source_host_memory(job->engine->libvirt, &kib, error) < 0 || kib == 0) {
		return; /* the start itself will tell */
	}
	if (needed_kib > kib) {
		snprintf(job->error, sizeof(job->error),
			 "%s has %" PRIu64 " MiB of memory, %s has %" PRIu64
			 " MiB left: free some there, or move its replica to another node (pcs "
			 "resource move %s)",
			 job->vm, needed_kib >> 10, job->engine->config->node, kib >> 10,
			 job->resource);
	}
}

/* Machine type, CPU, devices, firmware, networks, memory. */
static void look_at_definition(struct ready_job *job)
{
	const char *disks[DISKS_MAX];
	struct replica_fit request = {.config = job->engine->config,
				      .libvirt = job->engine->libvirt,
				      .vm = job->vm,
				      .disks = disks,
				      .disk_count = job->disk_count,
				      .networks = &job->networks,
				      .kept = &job->kept};
	cleanup_free char *xml = NULL;
	struct domain_fit fit = {0};
	int result = definition_file_read(job->store, &xml, &request.xml_len);

	if (result < 0) {
		snprintf(job->error, sizeof(job->error),
			 "the definition of %.64s is not there (%s): it comes with a cycle",
			 job->vm, strerror(-result));
		return;
	}
	for (size_t i = 0; i < job->disk_count; i++) {
		disks[i] = job->disks[i];
	}
	request.xml = xml;
	replica_fit_run(&request, &fit);
	if (job->kept.is_lost) {
		snprintf(job->warning, sizeof(job->warning), "the other side says: %s",
			 fit.warnings.items[0]);
	}
	if (fit.refusals.count > 0) {
		snprintf(job->error, sizeof(job->error), "%s cannot start on %s: %s", job->vm,
			 job->engine->config->node, fit.refusals.items[0]);
	} else if (fit.networks.count > 0) {
		/* behind the point of no return it would be off on both sides */
		snprintf(job->error, sizeof(job->error), "%s cannot start: %s", job->vm,
			 fit.networks.items[0]);
	} else {
		look_at_memory(job, fit.memory_kib);
	}
	domain_fit_destroy(&fit);
}

static int ready_run(void *arg)
{
	static void (*const looks[])(struct ready_job * job) = {look_at_room, look_at_name,
								look_at_definition};
	struct ready_job *job = arg;

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]) && job->error[0] == '\0'; i++) {
		looks[i](job);
	}
	return 0;
}

/* ---- on the control thread ---- */

static void ready_done(void *arg, int result)
{
	struct ready_job *job = arg;
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;

	if (result < 0) {
		peer_order_later(job->call, "", "the engine ends");
	} else if (job->error[0] != '\0') {
		peer_order_refuse(job->call, "%s", job->error);
	} else {
		ordered.done = true;
		ordered.text = job->warning;
		peer_order_answer(job->call, &ordered);
	}
	kept_definition_destroy(&job->kept);
	free(job);
}

/* What its store says; NULL: nothing against it. */
static const char *store_problem(const struct replica *replica)
{
	const Vmreplica__VmStatus *status = replica->status;

	if (status == NULL || status->seq == 0) {
		return "no cycle is complete there yet";
	}
	if (status->takeover != NULL && status->takeover->kind == FAILOVER) {
		return "it has failed over there already";
	}
	if (status->health == CRITICAL) {
		return status->reason[0] != '\0' ? status->reason : "the replica is not healthy";
	}
	return NULL;
}

static void ready_begin(struct peer_order *order, const struct replica *replica)
{
	const Vmreplica__VmStatus *status = replica->status;
	struct ready_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		peer_order_later(order->call, "", "out of memory");
		return;
	}
	job->call = order->call;
	job->engine = order->engine;
	snprintf(job->vm, sizeof(job->vm), "%s", replica->settings.vm);
	snprintf(job->store, sizeof(job->store), "%s", replica->directory);
	replica_definition_vm(replica, job->runs_as);
	snprintf(job->resource, sizeof(job->resource), "%s", replica->settings.resource);
	job->networks = replica->settings.networks;
	kept_definition_take(&job->kept, replica);
	for (size_t i = 0; i < status->n_disks && i < DISKS_MAX; i++) {
		snprintf(job->disks[job->disk_count++], sizeof(job->disks[0]), "%s",
			 status->disks[i]->name);
	}
	if (workers_submit(order->engine->task_workers, ready_run, ready_done, job) < 0) {
		free(job);
		peer_order_later(order->call, "", "the engine is busy");
	}
}

void peer_order_ready(struct peer_order *order)
{
	const struct replica *replica =
		engine_find_replica(order->engine, order->contact.relationship);
	const char *problem;

	if (replica == NULL || !replica_is_open(replica)) {
		peer_order_later(order->call, "", "the replica's store is not open at the moment");
		return;
	}
	problem = store_problem(replica);
	if (problem != NULL) {
		peer_order_refuse(order->call, "%s", problem);
	} else {
		ready_begin(order, replica);
	}
}
