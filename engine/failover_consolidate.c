/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain of a committed failover is made short: all layers below the image that the VM writes to
 * are merged into the lowest one, by the VM's own QEMU while it runs, else by qemu-img. What was
 * merged before a crash is found merged. On a worker of its own kind of patience: it takes as long
 * as the layers are large. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster/domain_resource.h"
#include "common/cleanup.h"
#include "engine/failover.h"
#include "engine/replica_takeover.h"
#include "engine/source_access.h"
#include "engine/source_run.h"
#include "engine/source_tool.h"

#define LIMIT_MS      86400000 /* libvirt away, a backup job in the way */
#define TOOL_MS	      20000
#define LOOK_AGAIN_MS 2000

struct consolidate_job {
	struct failover *failover; /* not touched on the worker */
	struct source_connection *libvirt;
	char vm[RESOURCE_ID_MAX + 1], store[PATH_LEN_MAX + 1];
	const Vmreplica__Ipc__StoreTaken *taken; /* the failover's: it is not changed meanwhile */
	bool elsewhere;				 /* the VM runs on another node */
	const volatile bool *stop;
	char error[SOURCE_ERROR_LEN];
};

static bool path_is_sound(const struct consolidate_job *job, const char *path)
{
	size_t len = strlen(job->store);

	/* the receiver parses what peers send */
	return strncmp(path, job->store, len) == 0 && path[len] == '/' &&
	       strstr(path, "/../") == NULL;
}

/* QEMU's user must write into the lowest layer, and read all of them. */
static int disk_grant(struct consolidate_job *job, const Vmreplica__Ipc__TakenDisk *disk, uid_t uid)
{
	int result = path_is_sound(job, disk->path) ? 0 : -EBADMSG;

	for (size_t i = 0; i < disk->n_chain && result == 0; i++) {
		result = path_is_sound(job, disk->chain[i]) ? 0 : -EBADMSG;
	}
	if (result < 0) {
		snprintf(job->error, sizeof(job->error),
			 "an image of disk %.32s is not in the store", disk->name);
		return result;
	}
	result = source_access_file(disk->chain[0], uid, job->error);
	return result < 0 ? result
			  : source_access_file(disk->chain[disk->n_chain - 1], uid, job->error);
}

/* Names differ: libvirt's are absolute, the receiver's relative to the image. */
static bool is_same_file(const char *one, const char *other)
{
	struct stat a, b;

	return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* It stands on the lowest layer already: done before a crash. */
static bool is_merged(const char *path, const char *base)
{
	const char *argv[] = {"qemu-img", "info", "-U", "--output=json", path, NULL};
	cleanup_free char *text = NULL;
	char error[SOURCE_ERROR_LEN];
	const char *backing = NULL;
	json_t *info = NULL;
	bool merged = false;

	if (source_tool_run(argv, TOOL_MS, &text, error) == 0) {
		info = json_loads(text, 0, NULL);
	}
	if (info != NULL && json_unpack(info, "{s:s}", "full-backing-filename", &backing) == 0) {
		merged = is_same_file(backing, base);
	}
	json_decref(info);
	return merged;
}

static int disk_merge(struct consolidate_job *job, const Vmreplica__Ipc__TakenDisk *disk,
		      bool running, uid_t uid)
{
	const char *base, *top;
	int result;

	if (disk->n_chain < 2) {
		return 0;
	}
	base = disk->chain[0];
	top = disk->chain[disk->n_chain - 1];
	result = disk_grant(job, disk, uid);
	if (result < 0 || is_merged(disk->path, base)) {
		return result;
	}
	return running ? source_run_commit(job->libvirt, job->vm, disk->name, base, top, job->stop,
					   job->error)
		       : source_tool_merge(disk->path, base, top, uid, job->stop, job->error);
}

static int consolidate_run(void *arg)
{
	struct consolidate_job *job = arg;
	enum source_run_state state = SOURCE_RUN_ABSENT;
	uid_t uid = 0;
	gid_t gid = 0;
	int result = source_run_user(job->libvirt, &uid, &gid, job->error);

	result = result < 0 ? result : source_run_state(job->libvirt, job->vm, &state, job->error);
	if (result == 0 && state != SOURCE_RUN_RUNNING && job->elsewhere) {
		snprintf(job->error, sizeof(job->error),
			 "the VM runs on another node than the replica");
		return -EAGAIN;
	}
	for (size_t i = 0; i < job->taken->n_disks && result == 0; i++) {
		result = disk_merge(job, job->taken->disks[i], state == SOURCE_RUN_RUNNING, uid);
	}
	return result;
}

/* The receiver looks for itself before it removes a layer. */
static void merged_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct failover *failover = arg;

	if (answer->working) {
		return;
	}
	failover->busy = false;
	if (answer->error != 0) {
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica failover --commit goes on with it",
			       "the merged layers are not removed yet: %s", answer->text);
		return;
	}
	snprintf(failover->outcome, sizeof(failover->outcome), "the failover of %s is final",
		 failover->vm);
	failover_done(failover);
}

static void tell_merged(struct failover *failover)
{
	Vmreplica__Ipc__StoreTakeoverEnd request = VMREPLICA__IPC__STORE_TAKEOVER_END__INIT;
	struct replica *replica = failover_replica(failover);
	int result = -ENOTCONN;

	request.end = VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_MERGED;
	if (replica != NULL) {
		failover->busy = true;
		result = replica_takeover_end(replica, &request, merged_cb, failover);
	}
	if (result < 0) {
		failover->busy = false;
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica status shows why the store is not open",
			       "the replica's store is not open at the moment");
	}
}

static void consolidate_done(void *arg, int result)
{
	struct consolidate_job *job = arg;
	struct failover *failover = job->failover;

	failover->busy = false;
	if (result == 0) {
		tell_merged(failover);
	} else if (result == -EBADMSG || result == -EIO || result == -EACCES) {
		failover_failed(failover, result,
				"see to it, then vmreplica failover --commit again",
				"the images are not merged: %s", job->error);
	} else {
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica failover --commit goes on with it",
			       "the images are not merged yet: %s", job->error);
	}
	free(job);
}

/* Pacemaker runs it, and not here. */
static bool runs_elsewhere(const struct failover *failover)
{
	struct cluster *cluster = &failover->engine->cluster;
	const Vmreplica__Ipc__CibResource *resource = failover_vm_resource(failover);
	const struct placement *placement = cluster->ops->placement(cluster);
	const struct placement_resource *found = resource != NULL && placement != NULL
							 ? placement_find(placement, resource->id)
							 : NULL;

	return found != NULL && found->node != NULL &&
	       strcmp(found->node, failover->engine->config->node) != 0;
}

void failover_step_consolidate(struct failover *failover)
{
	struct replica *replica = failover_replica(failover);
	struct consolidate_job *job = replica != NULL ? calloc(1, sizeof(*job)) : NULL;

	if (job != NULL) {
		job->failover = failover;
		job->libvirt = failover->engine->libvirt;
		job->taken = failover->taken;
		job->elsewhere = runs_elsewhere(failover);
		job->stop = &failover->engine->stopping;
		snprintf(job->store, sizeof(job->store), "%s", replica->directory);
		replica_definition_vm(replica, job->vm);
	}
	failover->busy = job != NULL;
	if (job == NULL || workers_submit(failover->engine->task_workers, consolidate_run,
					  consolidate_done, job) < 0) {
		free(job);
		failover->busy = false;
		failover_later(failover, FAILOVER_RETRY_MS, LIMIT_MS,
			       "vmreplica status shows why the store is not open",
			       "the replica's store is not open at the moment");
	}
}
