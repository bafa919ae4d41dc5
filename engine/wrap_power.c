/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the VM is off, and --restart: Pacemaker stops and starts it, of a single host libvirt. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "engine/source_power.h"
#include "engine/vm_status.h"
#include "engine/wrap_job.h"
#include "engine/wrap_unfinished.h"

#define POLL_MS	   500
#define TIMEOUT_MS 240000 /* a guest may take its time to shut down */

static const struct placement_resource *find(const struct wrap_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	const struct placement *placement = cluster->ops->placement(cluster);

	return placement != NULL ? placement_find(placement, job->vm.resource) : NULL;
}

static bool target_is_stopped(const struct wrap_job *job)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(job->engine);

	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		for (size_t j = 0;
		     strcmp(resource->id, job->vm.resource) == 0 && j < resource->n_meta; j++) {
			if (strcmp(resource->meta[j]->name, "target-role") == 0) {
				return strcasecmp(resource->meta[j]->value, "Stopped") == 0;
			}
		}
	}
	return false;
}

bool wrap_power_is_off(const struct wrap_job *job, char text[REASON_MAX], char advice[REASON_MAX])
{
	const struct placement_resource *resource;
	const char *verb = job->unwrap ? "unwrap" : "wrap";

	if (job->engine->config->standalone) {
		return true; /* each step asks libvirt */
	}
	resource = find(job);
	if (resource != NULL && resource->state == PLACEMENT_STOPPED && target_is_stopped(job)) {
		return true;
	}
	if (resource == NULL) {
		snprintf(text, REASON_MAX, "it is not known where %s runs", job->vm.resource);
		snprintf(advice, REASON_MAX, "look at Pacemaker (pcs status), then try again");
		return false;
	}
	snprintf(text, REASON_MAX, "%.128s must be shut off for a second, and is %s%s",
		 job->vm.name,
		 resource->state == PLACEMENT_STOPPED ? "off, but may be started at any time"
						      : "running on ",
		 resource->state == PLACEMENT_STOPPED ? ""
		 : resource->node != NULL	      ? resource->node
						      : "a node");
	snprintf(advice, REASON_MAX,
		 "pcs resource disable %.64s --wait && vmreplica %s %.64s; pcs resource enable "
		 "%.64s --wait; or have it done: vmreplica %s %.64s --restart",
		 job->vm.resource, verb, job->vm.name, job->vm.resource, verb, job->vm.name);
	return false;
}

/* ---- Pacemaker ---- */

static void poll_again(struct wrap_job *job);

static bool is_there(const struct wrap_job *job)
{
	const struct placement_resource *resource = find(job);

	return resource != NULL && (job->target_started ? resource->state == PLACEMENT_RUNNING
							: resource->state == PLACEMENT_STOPPED &&
								  target_is_stopped(job));
}

static void poll_cb(void *data)
{
	struct wrap_job *job = data;

	if (is_there(job)) {
		job->powered(job, 0, "");
	} else if (clock_monotonic_ms() >= job->deadline_ms) {
		job->powered(job, -ETIMEDOUT,
			     job->target_started ? "it does not start (pcs status)"
						 : "it does not shut down (pcs status)");
	} else {
		poll_again(job);
	}
}

static void poll_again(struct wrap_job *job)
{
	if (qb_loop_timer_add(job->engine->loop, QB_LOOP_LOW, POLL_MS * 1000000ull, job, poll_cb,
			      &job->timer) < 0) {
		job->powered(job, -ENOMEM, "out of memory");
	}
}

static void switched_cb(void *arg, int error, const char *text)
{
	struct wrap_job *job = arg;

	if (error < 0) {
		job->powered(job, error, text);
	} else {
		poll_again(job);
	}
}

/* ---- libvirt ---- */

static void forgotten_cb(void *arg, int error, const char *text)
{
	struct wrap_job *job = arg;

	if (error < 0) {
		sentence_list_add(&job->warnings,
				  "that it was shut off stays noted, and it will be started "
				  "again: %s",
				  text);
	}
	job->powered(job, 0, "");
}

static int power_run(void *arg)
{
	struct wrap_job *job = arg;

	return source_power(job->engine->libvirt, job->vm.name, job->target_started, TIMEOUT_MS,
			    job->node.error);
}

static void note(struct wrap_job *job, const char *value, cluster_done_cb done)
{
	struct cluster *cluster = &job->engine->cluster;
	char name[WRAP_UNFINISHED_LEN];
	int result;

	wrap_unfinished_name(job->engine->config->node, name);
	result = cluster->ops->set_setting(cluster, name, value, done, job);
	if (result < 0) {
		done(job, result, strerror(-result));
	}
}

static void power_done(void *arg, int result)
{
	struct wrap_job *job = arg;

	if (result == 0 && job->target_started) {
		note(job, NULL, forgotten_cb);
	} else {
		job->powered(job, result, job->node.error);
	}
}

static void power(struct wrap_job *job)
{
	int result = workers_submit(job->engine->task_workers, power_run, power_done, job);

	if (result < 0) {
		job->powered(job, result, strerror(-result));
	}
}

static void noted_cb(void *arg, int error, const char *text)
{
	struct wrap_job *job = arg;

	if (error < 0) {
		job->powered(job, error, text);
	} else {
		power(job);
	}
}

/* ---- either ---- */

static void switch_target(struct wrap_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	Vmreplica__Ipc__CibSwitch change = VMREPLICA__IPC__CIB_SWITCH__INIT;
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, *settings[] = {&pair};
	char name[WRAP_UNFINISHED_LEN];
	int result;

	wrap_unfinished_name(job->engine->config->node, name);
	pair.name = name;
	pair.value = job->target_started ? (char *)"" : job->vm.resource;
	change.vm_resource = job->vm.resource;
	change.target = job->target_started ? VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED
					    : VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	change.settings = settings;
	change.n_settings = 1;
	result = cluster->ops->switch_role(cluster, &change, switched_cb, job);
	if (result < 0) {
		job->powered(job, result, strerror(-result));
	}
}

void wrap_power(struct wrap_job *job, bool start,
		void (*powered)(struct wrap_job *job, int error, const char *text))
{
	job->powered = powered;
	job->target_started = start;
	job->deadline_ms = clock_monotonic_ms() + TIMEOUT_MS;
	if (!job->engine->config->standalone) {
		switch_target(job);
	} else if (start) {
		power(job);
	} else {
		note(job, job->vm.name, noted_cb);
	}
}
