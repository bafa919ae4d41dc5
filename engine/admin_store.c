/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inspect: look at a VM's disks where it runs; store: prepare or destroy a replica's directory for
 * the broker. On workers. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "engine/admin_service.h"
#include "engine/engine.h"
#include "engine/replica.h"
#include "engine/store_directory.h"
#include "engine/vm_status.h"
#include "proto/validate.h"

#define STORE_CLOSE_MS 20000

/* ---- inspect ---- */

struct inspect_job {
	struct admin_call *call;
	struct engine *engine;
	char vm[VM_NAME_MAX + 1];
	char exclude[DISKS_MAX][DISK_NAME_MAX + 1];
	const char *exclude_list[DISKS_MAX + 1];
	struct source *source;
	char error[SOURCE_ERROR_LEN];
};

static int inspect_run(void *arg)
{
	struct inspect_job *job = arg;
	const struct config *config = job->engine->config;
	struct source_options options = {
		.vm = job->vm,
		.exclude_disks = job->exclude_list,
		.scratch_directory = config->scratch_directory,
		.scratch_reserve_bytes = config->scratch_reserve_bytes,
		.scratch_cap_bytes = config->scratch_cap_bytes,
		.socket_directory = ENGINE_BACKUP_DIR,
	};

	return source_open(job->engine->libvirt, &options, &job->source, job->error);
}

struct inspect_answer {
	Vmreplica__DiskStatus disks[DISKS_MAX];
	Vmreplica__DiskStatus *disk_pointers[DISKS_MAX];
	char texts[DISKS_MAX + 1][REASON_MAX];
	char *problems[DISKS_MAX + 1];
	size_t disk_count, problem_count;
};

static void inspect_problem(struct inspect_answer *answer, const char *disk, const char *text)
{
	char *problem = answer->texts[answer->problem_count];

	snprintf(problem, REASON_MAX, "%s%s%s%s", disk != NULL ? "disk " : "",
		 disk != NULL ? disk : "", disk != NULL ? ": " : "", text);
	answer->problems[answer->problem_count++] = problem;
}

static void inspect_collect(const struct source *source, struct inspect_answer *answer)
{
	for (size_t i = 0; i < source_disk_count(source) && answer->disk_count < DISKS_MAX; i++) {
		const struct source_disk *disk = source_disk_at(source, i);

		if (disk->excluded) {
			continue;
		}
		vmreplica__disk_status__init(&answer->disks[answer->disk_count]);
		answer->disks[answer->disk_count].name = vm_status_borrow(disk->name);
		answer->disks[answer->disk_count].size_bytes = disk->size_bytes;
		answer->disks[answer->disk_count].top =
			vm_status_borrow(disk->path != NULL ? disk->path : "");
		answer->disk_pointers[answer->disk_count] = &answer->disks[answer->disk_count];
		answer->disk_count++;
		if (disk->problem != NULL) {
			inspect_problem(answer, disk->name, disk->problem);
		}
	}
	if (answer->disk_count == 0) {
		inspect_problem(answer, NULL, "the VM has no disk to replicate");
	}
}

static void inspect_reply(struct inspect_job *job)
{
	struct inspect_answer *answer = calloc(1, sizeof(*answer));
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__InspectResponse inspect = VMREPLICA__ADMIN__INSPECT_RESPONSE__INIT;

	if (answer == NULL) {
		admin_call_fail(job->call, ENOMEM, "", "out of memory");
		return;
	}
	inspect_collect(job->source, answer);
	inspect.disks = answer->disk_pointers;
	inspect.n_disks = answer->disk_count;
	inspect.problems = answer->problems;
	inspect.n_problems = answer->problem_count;
	inspect.running = source_is_active(job->source);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_INSPECT;
	response.inspect = &inspect;
	admin_call_reply(job->call, &response);
	free(answer);
}

static void inspect_done(void *arg, int result)
{
	struct inspect_job *job = arg;

	if (result < 0) {
		admin_call_fail(job->call, result, "look at libvirt there: virsh list --all", "%s",
				job->error);
	} else {
		inspect_reply(job);
	}
	source_close(job->source);
	free(job);
}

void admin_inspect(struct admin_call *call, const Vmreplica__Admin__InspectRequest *request)
{
	struct inspect_job *job;

	if (!validate_vm_name(request->vm) || request->n_exclude_disks > DISKS_MAX) {
		admin_call_misused(call, "\"%.64s\" is not a VM's name", request->vm);
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	job->call = call;
	job->engine = admin_call_engine(call);
	snprintf(job->vm, sizeof(job->vm), "%s", request->vm);
	for (size_t i = 0; i < request->n_exclude_disks; i++) {
		snprintf(job->exclude[i], sizeof(job->exclude[i]), "%s", request->exclude_disks[i]);
		job->exclude_list[i] = job->exclude[i];
	}
	if (workers_submit(job->engine->task_workers, inspect_run, inspect_done, job) < 0) {
		inspect_done(job, -ENOMEM);
	}
}

/* ---- store ---- */

struct store_job {
	struct admin_call *call;
	struct engine *engine;
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char storage[PATH_LEN_MAX + 1];
	char peer_site[SITE_NAME_MAX + 1];
	bool destroy;
	uint64_t need_bytes;
	char error[STORE_DIRECTORY_ERROR_LEN];
};

static int store_prepare(struct store_job *job)
{
	struct passwd buffer, *user = NULL;
	char strings[1024];
	struct statvfs fs;

	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	if (user == NULL) {
		snprintf(job->error, sizeof(job->error), "user %s does not exist: create it",
			 ENGINE_GROUP);
		return -ENOENT;
	}
	if (statvfs(job->storage, &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize < job->need_bytes) {
		snprintf(job->error, sizeof(job->error),
			 "%.300s has %llu MiB free, %llu are needed", job->storage,
			 (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >> 20),
			 (unsigned long long)(job->need_bytes >> 20));
		return -ENOSPC;
	}
	return store_directory_make(job->storage, job->peer_site, job->vm, job->relationship,
				    user->pw_uid, user->pw_gid, job->error);
}

static int store_run(void *arg)
{
	struct store_job *job = arg;

	if (job->destroy) {
		return store_directory_remove(job->storage, job->peer_site, job->vm,
					      job->relationship, job->error);
	}
	return store_prepare(job);
}

static void store_done(void *arg, int result)
{
	struct store_job *job = arg;

	if (result < 0) {
		admin_call_fail(job->call, result, "look at the storage directory on this node",
				"%s", job->error);
	} else {
		admin_call_done(job->call, "the store of %s is %s", job->vm,
				job->destroy ? "removed" : "prepared");
	}
	free(job);
}

static void store_submit(struct store_job *job)
{
	if (workers_submit(job->engine->task_workers, store_run, store_done, job) < 0) {
		snprintf(job->error, sizeof(job->error), "out of memory");
		store_done(job, -ENOMEM);
	}
}

/* The receiver holds nothing of it any more. */
static void store_closed_cb(void *arg, int error, const char *text)
{
	struct store_job *job = arg;

	if (error < 0) {
		snprintf(job->error, sizeof(job->error), "%s", text);
		store_done(job, error);
		return;
	}
	store_submit(job);
}

static bool store_request_is_valid(const Vmreplica__Admin__StoreRequest *request)
{
	return validate_uuid(request->relationship) && validate_vm_name(request->vm) &&
	       validate_absolute_path(request->storage) && validate_site_name(request->peer_site);
}

void admin_store(struct admin_call *call, const Vmreplica__Admin__StoreRequest *request)
{
	struct engine *engine = admin_call_engine(call);
	struct replica *replica;
	struct store_job *job;

	if (!store_request_is_valid(request)) {
		admin_call_misused(call, "a store needs relationship, VM, storage and site");
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	*job = (struct store_job){.call = call,
				  .engine = engine,
				  .destroy = request->destroy,
				  .need_bytes = request->need_bytes};
	snprintf(job->relationship, sizeof(job->relationship), "%s", request->relationship);
	snprintf(job->vm, sizeof(job->vm), "%s", request->vm);
	snprintf(job->storage, sizeof(job->storage), "%s", request->storage);
	snprintf(job->peer_site, sizeof(job->peer_site), "%s", request->peer_site);
	replica = engine_find_replica(engine, request->relationship);
	if (replica != NULL && request->destroy) {
		replica_stop(replica, true, STORE_CLOSE_MS, store_closed_cb, job);
	} else {
		store_submit(job);
	}
}
