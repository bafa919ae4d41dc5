/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last step of protect: our own resource, or the commands that would make it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/guard_resource.h"
#include "cluster/pcs_commands.h"
#include "engine/protect_job.h"
#include "engine/standing.h"
#include "engine/vm_status.h"

static void add_pair(struct protect_job *job, const char *name, const char *value)
{
	Vmreplica__Ipc__CibNvpair *pair = &job->pairs[job->pair_count];

	if (value[0] == '\0') {
		return;
	}
	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = vm_status_borrow(name);
	pair->value = vm_status_borrow(value);
	job->pair_pointers[job->pair_count++] = pair;
}

static void protect_fill_create(struct protect_job *job, Vmreplica__Ipc__CibCreateVm *create)
{
	vmreplica__ipc__cib_create_vm__init(create);
	snprintf(job->frequency_text, sizeof(job->frequency_text), "%u", job->frequency_s);
	snprintf(job->points_text[0], sizeof(job->points_text[0]), "%u", job->points.points);
	snprintf(job->points_text[1], sizeof(job->points_text[1]), "%u", job->points.interval_s);
	snprintf(job->points_text[2], sizeof(job->points_text[2]), "%u",
		 job->points.app_interval_s);
	if (job->bandwidth > 0) {
		snprintf(job->bandwidth_text, sizeof(job->bandwidth_text), "%" PRIu64,
			 job->bandwidth);
	}
	for (size_t i = 0; i < job->exclude_count; i++) {
		if (i > 0) {
			strcat(job->exclude_text, ",");
		}
		strcat(job->exclude_text, job->exclude[i]); /* sized for all of them */
	}
	add_pair(job, "relationship", job->relationship);
	add_pair(job, "vm", job->vm.name);
	add_pair(job, "vm_resource", job->vm.resource);
	add_pair(job, "role", "primary");
	add_pair(job, "peer", job->to);
	add_pair(job, "frequency", job->frequency_text);
	add_pair(job, "exclude_disks", job->exclude_text);
	add_pair(job, "bandwidth", job->bandwidth_text);
	add_pair(job, "resync", job->resync);
	add_pair(job, "points", job->points_text[0]);
	add_pair(job, "point_interval", job->points_text[1]);
	add_pair(job, "app_interval", job->points_text[2]);
	create->resource = job->resource;
	create->parameters = job->pair_pointers;
	create->n_parameters = job->pair_count;
	create->vm_resource = job->vm.resource;
	create->engine_clone = vm_status_borrow(CIB_ENGINE_CLONE_DEFAULT);
}

/* What a guard stands before is a VM; a replica that is replicated on is none. */
static void fill_guard(const struct protect_job *job, struct pcs_commands *guard,
		       Vmreplica__Admin__ProtectResponse *protect)
{
	if (job->engine->config->standalone || job->definition_path[0] != '\0' ||
	    guard_resource_exists(engine_settings(job->engine), job->relationship) ||
	    pcs_commands_create_guard(job->vm.resource, job->relationship, guard) < 0) {
		return;
	}
	protect->guard_commands = guard->lines;
	protect->n_guard_commands = guard->count;
}

void protect_reply(struct protect_job *job, struct pcs_commands *commands)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__ProtectResponse protect = VMREPLICA__ADMIN__PROTECT_RESPONSE__INIT;
	struct pcs_commands guard = {0};

	fill_guard(job, &guard, &protect);
	protect.commands = commands != NULL ? commands->lines : NULL;
	protect.n_commands = commands != NULL ? commands->count : 0;
	protect.resource = job->resource;
	protect.peer_resource = job->enrolled.resource;
	protect.peer_node = job->enrolled.node;
	protect.peer_storage = job->enrolled.storage;
	protect.warnings = job->enrolled.warnings.items;
	protect.n_warnings = job->enrolled.warnings.count;
	protect.already = job->repeated;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_PROTECT;
	response.protect = &protect;
	admin_call_reply(job->call, &response);
	pcs_commands_destroy(&guard);
}

/* Back out of ENROLL; whatever comes of it, the first failure is what is told. */
static int withdraw_run(void *arg)
{
	struct protect_job *job = arg;
	struct locate_client client = {
		.tls = job->engine->tls, .host = job->host, .port = job->port};
	struct trouble ignored;

	return locate_client_withdraw(&client, job->relationship, job->engine->config->site, false,
				      &ignored);
}

static void withdraw_done(void *arg, int result)
{
	struct protect_job *job = arg;

	if (result == 0) {
		protect_forget_intent(job->engine, job->resource);
	}
	protect_fail(job, EIO,
		     result < 0 ? "the replica's resource on the other side stays: vmreplica "
				  "protect again, or "
				  "remove it there"
				: "look at Pacemaker here (pcs status), then try again",
		     "%s", job->trouble.text);
}

static void created_cb(void *arg, int error, const char *text)
{
	struct protect_job *job = arg;

	if (error < 0) {
		trouble_set(&job->trouble, error, SCHEDULE_FAILED, "cib",
			    "resource %s cannot be made: %s", job->resource, text);
		if (workers_submit(job->engine->task_workers, withdraw_run, withdraw_done, job) <
		    0) {
			withdraw_done(job, -ENOMEM);
		}
		return;
	}
	protect_forget_intent(job->engine, job->resource);
	engine_event(job->engine, "notice", job->vm.name,
		     "protected: replicated to %s every %u s, replica %s there", job->to,
		     job->frequency_s, job->enrolled.resource);
	protect_reply(job, NULL);
	protect_free(job);
}

static void copy_noted_cb(void *arg, int error, const char *text)
{
	struct protect_job *job = arg;

	if (error < 0) {
		created_cb(job, error, text);
	} else {
		job->existing_copy = false;
		protect_create(job);
	}
}

static void start_noted_cb(void *arg, int error, const char *text)
{
	struct protect_job *job = arg;

	if (error < 0) {
		created_cb(job, error, text);
	} else {
		job->start_at_ms = 0;
		protect_create(job);
	}
}

void protect_note_start(struct protect_job *job, cluster_done_cb done)
{
	char value[32];

	snprintf(value, sizeof(value), "%" PRId64, job->start_at_ms);
	standing_set(job->engine, STANDING_START_AT, job->relationship, value, done, job);
}

void protect_create(struct protect_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	Vmreplica__Ipc__CibCreateVm create;
	int result;

	if (job->existing_copy) {
		standing_set(job->engine, STANDING_COPY, job->relationship, "1", copy_noted_cb,
			     job);
		return;
	}
	if (job->start_at_ms != 0) { /* known before the resource is there, or it begins at once */
		protect_note_start(job, start_noted_cb);
		return;
	}
	protect_fill_create(job, &create);
	result = cluster->ops->create_vm(cluster, &create, created_cb, job);
	if (result < 0) {
		created_cb(job, result, strerror(-result));
	}
}

void protect_print(struct protect_job *job)
{
	struct pcs_commands commands = {0};
	char error[VM_RESOURCE_ERROR_LEN] = "";
	Vmreplica__Ipc__CibCreateVm create;
	int result;

	protect_fill_create(job, &create);
	result = pcs_commands_create_vm(&create, &commands, error);
	if (result < 0) {
		protect_fail(job, result, "", "%s", error[0] != '\0' ? error : strerror(-result));
		return;
	}
	protect_reply(job, &commands);
	pcs_commands_destroy(&commands);
	protect_free(job);
}
