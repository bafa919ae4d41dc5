/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running and stopping the VM of a failover: by Pacemaker, or on a host without one by libvirt. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/definition_file.h"
#include "engine/epoch.h"
#include "engine/failover.h"
#include "engine/failover_images.h"
#include "engine/host_vm.h"
#include "engine/source_run.h"
#include "engine/standing.h"
#include "engine/store_directory.h"

#define SETTING_LIMIT_MS 120000
#define RUNNING_LIMIT_MS 150000
#define FAILED_LIMIT_MS	 10000 /* Pacemaker tries other nodes */
#define STOP_LIMIT_MS	 240000
#define STOP_GRACE_MS	 60000
#define LOOK_MS		 300

#define TEST	VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST
#define CLEANUP VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST_CLEANUP

#define STOPPING    "waiting for Pacemaker to stop it"
#define SEE_CLUSTER "pcs status and pcs resource debug-start show why"

static bool is_test(const struct failover *failover)
{
	return failover->order.kind == TEST || failover->order.kind == CLEANUP;
}

/* The id of the VM's resource, and its name in libvirt. Returns buf. */
static char *vm_name(const struct failover *failover, char buf[RESOURCE_ID_MAX + 1])
{
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);

	if (is_test(failover)) {
		return failover_test_name(failover, buf);
	}
	if (replica == NULL) {
		buf[0] = '\0';
		return buf;
	}
	return replica_definition_vm(replica, buf);
}

static const Vmreplica__Ipc__CibResource *vm_resource(const struct failover *failover)
{
	return is_test(failover) ? domain_resource_find(engine_settings(failover->engine),
							failover->relationship, true)
				 : failover_vm_resource(failover);
}

/* ---- without a cluster ---- */

struct run_job {
	struct failover *failover; /* not touched on the worker */
	struct source_connection *libvirt;
	char vm[RESOURCE_ID_MAX + 1];
	char definition[PATH_LEN_MAX + 1], kept[PATH_LEN_MAX + 1];
	enum { RUN_CREATE, RUN_LOOK, RUN_END, RUN_FREE } what;
	bool persistent; /* libvirt knows the VM also while it is off: no Pacemaker does */
	int grace_ms;
	enum source_run_state state;
	char error[SOURCE_ERROR_LEN];
};

static int run_run(void *arg)
{
	struct run_job *job = arg;
	cleanup_free char *xml = NULL;
	int result;

	switch (job->what) {
	case RUN_END:
		/* under the name may be somebody else's VM, because of which this failed */
		result = host_vm_check_name(job->libvirt, job->vm, job->definition, job->error);
		if (result == -EEXIST) {
			return 0;
		}
		result = result < 0
				 ? result
				 : source_run_end(job->libvirt, job->vm, job->grace_ms, job->error);
		return result == 0 && job->persistent
			       ? host_vm_forget(job->libvirt, job->vm, job->kept, job->error)
			       : result;
	case RUN_LOOK:
		return source_run_state(job->libvirt, job->vm, &job->state, job->error);
	case RUN_FREE:
		result = host_vm_check_name(job->libvirt, job->vm, job->definition, job->error);
		return result < 0 || job->persistent
			       ? result
			       : source_run_state(job->libvirt, job->vm, &job->state, job->error);
	default:
		if (job->persistent) {
			return host_vm_define_and_start(job->libvirt, job->vm, job->definition,
							job->error);
		}
		result = definition_file_load(job->definition, &xml);
		if (result < 0) {
			snprintf(job->error, sizeof(job->error), "%.200s: %s", job->definition,
				 strerror(-result));
			return result;
		}
		return source_run_create(job->libvirt, job->vm, xml, job->error);
	}
}

/* When libvirt does not answer here, Pacemaker may start the VM on another node. */
static void name_looked_at(struct failover *failover, const struct run_job *job, int result)
{
	if (job->persistent && result < 0 && result != -EEXIST) {
		failover_later(failover, FAILOVER_RETRY_MS, RUNNING_LIMIT_MS,
			       "look at libvirtd on this host", "%s", job->error);
	} else if (result == -EEXIST) {
		failover_failed(failover, result, "rename one of the two", "%s", job->error);
	} else if (result == 0 && job->state == SOURCE_RUN_RUNNING) {
		failover_failed(failover, -EEXIST, "rename one of the two",
				"libvirt runs another VM called %s on this node", job->vm);
	} else if (result == -ECANCELED) {
		failover_later(failover, FAILOVER_RETRY_MS, RUNNING_LIMIT_MS, "",
			       "the engine ends");
	} else {
		failover->name_is_free = true;
		failover_step_resource(failover);
	}
}

static void run_done(void *arg, int result)
{
	struct run_job *job = arg;
	struct failover *failover = job->failover;

	failover->busy = false;
	if (job->what == RUN_FREE) {
		name_looked_at(failover, job, result);
	} else if (result == -ETIMEDOUT || result == -ENOTCONN || result == -ECANCELED) {
		failover_later(failover, FAILOVER_RETRY_MS, RUNNING_LIMIT_MS,
			       "look at libvirtd on this host", "%s", job->error);
	} else if (result < 0) {
		failover_failed(failover, result,
				"the log of the VM in /var/log/libvirt/qemu says "
				"more",
				"%s", job->error);
	} else if (job->what == RUN_LOOK && job->state != SOURCE_RUN_RUNNING) {
		failover_failed(failover, -EIO,
				"the log of the VM in /var/log/libvirt/qemu says more",
				"%s ended again", job->vm);
	} else {
		failover_done(failover);
	}
	free(job);
}

static void run_submit(struct failover *failover, int what, int grace_ms)
{
	struct run_job *job = calloc(1, sizeof(*job));
	struct replica *replica = engine_find_replica(failover->engine, failover->relationship);
	int result = -ENOMEM;

	if (job != NULL && replica != NULL) {
		job->failover = failover;
		job->libvirt = failover->engine->libvirt;
		job->what = (__typeof__(job->what))what;
		job->grace_ms = grace_ms;
		vm_name(failover, job->vm);
		failover_definition_path(replica, is_test(failover), job->definition);
		host_vm_definition(failover->relationship, job->kept);
		job->persistent = failover->engine->config->standalone && !is_test(failover);
		failover->busy = true;
		result = workers_submit(failover->engine->task_workers, run_run, run_done, job);
	}
	if (result < 0) {
		free(job);
		failover->busy = false;
		failover_later(failover, FAILOVER_RETRY_MS, RUNNING_LIMIT_MS, "order it again",
			       "out of memory");
	}
}

/* VirtualDomain would take a VM that runs under the name for ours, and a cancel would stop it. */
void failover_check_name(struct failover *failover)
{
	run_submit(failover, RUN_FREE, 0);
}

/* ---- start ---- */

/* The bound is on this moment: 2 s from the order for a point and an empty spool. */
static void note_requested(struct failover *failover)
{
	if (failover->ordered_ms != 0) {
		failover_job_note(failover->job, "requested %" PRId64 " ms after the order",
				  clock_monotonic_ms() - failover->ordered_ms);
	}
}

static void started_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error != 0) {
		failover_later(failover, FAILOVER_RETRY_MS, SETTING_LIMIT_MS,
			       "pcs status shows how the cluster is",
			       "the start cannot be requested: %s", text);
		return;
	}
	note_requested(failover);
	if (failover->engine->config->standalone) {
		run_submit(failover, RUN_CREATE, 0);
		return;
	}
	failover_done(failover);
}

/* Where the VM goes, the epoch goes: in one change. And without a cluster, that it starts with the
 * host. */
static void start_vm(struct failover *failover)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, boot = pair;
	Vmreplica__Ipc__CibNvpair *pairs[] = {&pair, &boot};
	Vmreplica__Ipc__CibNvpair config = VMREPLICA__IPC__CIB_NVPAIR__INIT;
	Vmreplica__Ipc__CibNvpair *parameters[] = {&config};
	const Vmreplica__Ipc__CibResource *resource = vm_resource(failover);
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);
	struct cluster *cluster = &failover->engine->cluster;
	char name[STANDING_NAME_LEN], value[EPOCH_TEXT_LEN], path[PATH_LEN_MAX + 1];
	char boot_name[STANDING_NAME_LEN];
	static char config_name[] = "config", yes[] = STANDING_AUTOSTART_YES;
	int result;

	if (resource == NULL && !failover->engine->config->standalone) {
		failover_later(failover, LOOK_MS, SETTING_LIMIT_MS, "order it again",
			       "the VM's resource is not in the settings yet");
		return;
	}
	standing_name(EPOCH_SETTING, failover->relationship, name);
	pair.name = name;
	pair.value = epoch_format(&failover->order.epoch, value);
	standing_name(STANDING_AUTOSTART, failover->relationship, boot_name);
	boot.name = boot_name;
	boot.value = yes;
	request.settings = pairs;
	request.n_settings = failover->engine->config->standalone &&
					     standing_get(failover->engine, STANDING_AUTOSTART,
							  failover->relationship) == NULL
				     ? 2
				     : 1;
	if (resource != NULL) {
		request.vm_resource = resource->id;
		request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED;
	}
	if (resource != NULL && replica != NULL) {
		/* the VM's own resource, of the time when it was the primary here, names its disks
		 * of then */
		config.name = config_name;
		config.value = failover_definition_path(replica, false, path);
		request.vm_parameters = parameters;
		request.n_vm_parameters = 1;
	}
	failover->busy = true;
	result = cluster->ops->switch_role(cluster, &request, started_cb, failover);
	if (result < 0) {
		started_cb(failover, result, "Pacemaker is not reached");
	}
}

/* A resource that exists for this test alone, bound to the node that has the images. */
static void start_test(struct failover *failover)
{
	struct replica *replica = engine_find_replica(failover->engine, failover->relationship);
	struct cluster *cluster = &failover->engine->cluster;
	char id[RESOURCE_ID_MAX + 1], config[PATH_LEN_MAX + 1];
	struct domain_resource domain;
	int result;

	if (failover->engine->config->standalone) {
		run_submit(failover, RUN_CREATE, 0);
		return;
	}
	failover_test_name(failover, id);
	failover_definition_path(replica, true, config);
	domain_resource_fill(&domain, engine_settings(failover->engine), id, failover->relationship,
			     config, failover->engine->config->node);
	domain_resource_make_test(&domain);
	failover->busy = true;
	result = cluster->ops->create_domain(cluster, &domain.request, started_cb, failover);
	if (result < 0) {
		started_cb(failover, result, "Pacemaker is not reached");
	}
}

void failover_step_start(struct failover *failover)
{
	if (is_test(failover)) {
		start_test(failover);
	} else if (!failover_stops_refused(failover) && !failover_asks(failover)) {
		start_vm(failover);
	}
}

/* ---- running ---- */

static void note_running(struct failover *failover, const char *node)
{
	char name[RESOURCE_ID_MAX + 1], stamp[RFC3339_LEN];
	const Vmreplica__Ipc__StoreTaken *taken = failover->taken;

	snprintf(failover->outcome, sizeof(failover->outcome),
		 "%s runs on %s from cycle %" PRIu64 " of %s", vm_name(failover, name), node,
		 taken != NULL ? taken->seq : 0,
		 clock_format_rfc3339(taken != NULL ? taken->time_ms : 0, stamp));
	failover_job_note(failover->job, "it runs on %s", node);
	failover_done(failover);
}

void failover_step_running(struct failover *failover)
{
	const Vmreplica__Ipc__CibResource *resource = vm_resource(failover);
	const struct placement_resource *found =
		engine_find_place(failover->engine, resource != NULL ? resource->id : NULL);
	int64_t since = clock_monotonic_ms() - failover->step_ms;

	if (failover_asks(failover)) {
		return;
	}
	if (failover->engine->config->standalone) {
		if (failover->outcome[0] == '\0') {
			char name[RESOURCE_ID_MAX + 1];

			snprintf(failover->outcome, sizeof(failover->outcome), "%s runs",
				 vm_name(failover, name));
		}
		run_submit(failover, RUN_LOOK, 0);
	} else if (found != NULL && found->state == PLACEMENT_RUNNING && found->node != NULL &&
		   !found->failed) {
		note_running(failover, found->node);
	} else if (found != NULL && found->failed && found->pending == NULL &&
		   since > FAILED_LIMIT_MS) {
		failover_failed(failover, -EIO, SEE_CLUSTER, "Pacemaker could not start %s",
				found->id);
	} else {
		failover_later(failover, LOOK_MS, RUNNING_LIMIT_MS, SEE_CLUSTER,
			       "waiting for Pacemaker to start it");
	}
}

/* ---- stop ---- */

static void stopping_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error != 0 && error != -ENOENT) {
		failover_later(failover, FAILOVER_RETRY_MS, SETTING_LIMIT_MS,
			       "pcs status shows how the cluster is", "%s", text);
	} else {
		failover_later(failover, LOOK_MS, STOP_LIMIT_MS, SEE_CLUSTER, STOPPING);
	}
}

static bool target_is_stopped(const Vmreplica__Ipc__CibResource *resource)
{
	for (size_t i = 0; i < resource->n_meta; i++) {
		if (strcmp(resource->meta[i]->name, "target-role") == 0) {
			return strcmp(resource->meta[i]->value, "Stopped") == 0;
		}
	}
	return false;
}

static void order_stop(struct failover *failover, const Vmreplica__Ipc__CibResource *resource)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	struct cluster *cluster = &failover->engine->cluster;
	int result;

	request.vm_resource = resource->id;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	failover->busy = true;
	result = cluster->ops->switch_role(cluster, &request, stopping_cb, failover);
	if (result < 0) {
		stopping_cb(failover, result, "Pacemaker is not reached");
	}
}

static void delete_test(struct failover *failover, const Vmreplica__Ipc__CibResource *resource)
{
	Vmreplica__Ipc__CibDeleteDomain request = VMREPLICA__IPC__CIB_DELETE_DOMAIN__INIT;
	struct cluster *cluster = &failover->engine->cluster;
	int result;

	request.resource = resource->id;
	request.relationship = failover->relationship;
	failover->busy = true;
	result = cluster->ops->delete_domain(cluster, &request, stopping_cb, failover);
	if (result < 0) {
		stopping_cb(failover, result, "Pacemaker is not reached");
	}
}

/* A planned failover that is given back: before its start was ordered, what runs under the name is
 * none of ours. */
static bool may_run(const struct failover *failover)
{
	struct epoch known;

	engine_epoch_known(failover->engine, failover->relationship, failover->engine->config->site,
			   &known);
	return failover->order.kind != VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED ||
	       epoch_equal(&known, &failover->order.epoch);
}

/* A test's resource exists for the test alone, and goes once it is stopped. */
void failover_step_stop(struct failover *failover)
{
	const Vmreplica__Ipc__CibResource *resource = vm_resource(failover);
	const struct placement_resource *found =
		engine_find_place(failover->engine, resource != NULL ? resource->id : NULL);

	if (!may_run(failover)) {
		failover_done(failover);
	} else if (failover->engine->config->standalone) {
		run_submit(failover, RUN_END, is_test(failover) ? 0 : STOP_GRACE_MS);
	} else if (resource == NULL) {
		failover_done(failover);
	} else if (!target_is_stopped(resource)) {
		order_stop(failover, resource);
	} else if (found == NULL || found->state != PLACEMENT_STOPPED) {
		failover_later(failover, LOOK_MS, STOP_LIMIT_MS, SEE_CLUSTER, STOPPING);
	} else if (is_test(failover)) {
		delete_test(failover, resource);
	} else {
		failover_done(failover);
	}
}
