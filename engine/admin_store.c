/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inspect: look at a VM's disks where it runs; store: prepare or destroy a replica's directory for
 * the broker. On workers. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "cluster/authorization.h"
#include "engine/admin_service.h"
#include "engine/adopted_disks.h"
#include "engine/replica.h"
#include "engine/store_directory.h"
#include "engine/store_manifest.h"
#include "engine/store_release.h"
#include "proto/validate.h"

#define STORE_CLOSE_MS 20000

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

/* What an old primary's side has lent to the store. */
static void store_take_back(const struct store_job *job)
{
	struct passwd buffer, *user = NULL;
	char strings[1024], directory[PATH_LEN_MAX + 1];

	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	if (user != NULL &&
	    store_directory_path(job->storage, job->peer_site, job->vm, job->relationship,
				 directory, sizeof(directory)) == 0) {
		adopted_disks_take_back(directory, user->pw_uid);
	}
}

static int store_run(void *arg)
{
	struct store_job *job = arg;

	if (job->destroy) {
		char directory[PATH_LEN_MAX + 1];
		int result = store_directory_path(job->storage, job->peer_site, job->vm,
						  job->relationship, directory, sizeof(directory));

		if (result == 0) {
			result = store_manifest_check(directory, job->error, sizeof(job->error));
		}
		if (result < 0) {
			return result;
		}
		store_take_back(job);
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
	if (workers_submit(job->engine->storage_workers, store_run, store_done, job) < 0) {
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

/* No replica is attached; but what an earlier engine's receiver still holds is not removed under
 * it. */
static void store_free(struct store_job *job)
{
	char directory[PATH_LEN_MAX + 1];

	if (store_directory_path(job->storage, job->peer_site, job->vm, job->relationship,
				 directory, sizeof(directory)) < 0) {
		snprintf(job->error, sizeof(job->error), "the store's path is too long");
		store_done(job, -ENAMETOOLONG);
		return;
	}
	store_release(job->engine, directory, false, STORE_CLOSE_MS, store_closed_cb, job);
}

static bool storage_is_authorized(const struct engine *engine, const char *storage)
{
	struct authorization_table table = {0};
	bool found = false;

	if (authorization_table_load(engine_settings(engine), &table, NULL) < 0) {
		return false;
	}
	for (size_t i = 0; i < table.count && !found; i++) {
		found = strcmp(table.entries[i].storage, storage) == 0;
	}
	authorization_table_destroy(&table);
	return found;
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

	if (!admin_call_is_trusted(call)) {
		admin_call_fail(call, EPERM, "", "daemons alone may ask this");
		return;
	}
	if (!store_request_is_valid(request)) {
		admin_call_misused(call, "a store needs relationship, VM, storage and site");
		return;
	}
	if (!request->destroy && !storage_is_authorized(engine, request->storage)) {
		admin_call_fail(call, EACCES, "vmreplica authorize list shows the entries",
				"no authorization entry names the storage %s", request->storage);
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
	} else if (request->destroy) {
		store_free(job);
	} else {
		store_submit(job);
	}
}
