/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A test's own images, which come and go beside the store. On workers of the storage. */
#include "engine/failover_images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/domain_resource.h"
#include "common/cleanup.h"
#include "engine/failover.h"
#include "engine/image_chain.h"
#include "engine/source_access.h"
#include "engine/source_run.h"
#include "engine/host_vm.h"
#include "engine/source_tool.h"
#include "proto/names.h"

#define TOOL_MS	      60000
#define STORAGE_MS    300000 /* a step may wait so long for storage */
#define TEST_SUFFIX   ".test"
#define TEST_DIR_MODE 0700
#define STANDS	      1 /* it runs already */

/* ---- places ---- */

/* "<store>.test" */
static void test_directory(const struct replica *replica, char path[PATH_LEN_MAX + 1])
{
	snprintf(path, PATH_LEN_MAX + 1, "%.*s" TEST_SUFFIX, (int)(PATH_LEN_MAX - 8),
		 replica->directory);
}

char *failover_definition_path(const struct replica *replica, bool test, char *path)
{
	if (test) {
		test_directory(replica, path);
		strncat(path, "/domain.xml", PATH_LEN_MAX - strlen(path));
	} else {
		snprintf(path, PATH_LEN_MAX + 1, "%.*s.xml", (int)(PATH_LEN_MAX - 8),
			 replica->directory);
	}
	return path;
}

/* ---- a worker's share ---- */

struct images_job {
	struct failover *failover; /* not touched on the worker */
	struct source_connection *libvirt;
	char directory[PATH_LEN_MAX + 1]; /* the test's */
	char store[PATH_LEN_MAX + 1];
	char vm[RESOURCE_ID_MAX + 1];		 /* the test's */
	char definition[PATH_LEN_MAX + 1];	 /* the test's */
	const Vmreplica__Ipc__StoreTaken *taken; /* the failover's: it is not changed meanwhile */
	char error[SOURCE_ERROR_LEN];
};

/* One level, and only what lies in it; the directory itself as well. 0 also when it is not there.
 */
static int directory_remove(const char *path, char error[SOURCE_ERROR_LEN])
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int result = 0;

	if (dir == NULL) {
		return errno == ENOENT ? 0 : -errno;
	}
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlinkat(dirfd(dir), entry->d_name, 0) < 0) {
			result = -errno;
			snprintf(error, SOURCE_ERROR_LEN, "%.200s/%.100s: %s", path, entry->d_name,
				 strerror(errno));
		}
	}
	closedir(dir);
	if (result == 0 && rmdir(path) < 0 && errno != ENOENT) {
		result = -errno;
		snprintf(error, SOURCE_ERROR_LEN, "%.300s: %s", path, strerror(errno));
	}
	return result;
}

static int overlay_make(const struct images_job *job, const Vmreplica__Ipc__TakenDisk *disk,
			uid_t uid, gid_t gid, char error[SOURCE_ERROR_LEN])
{
	char path[PATH_LEN_MAX + DISK_NAME_MAX + 16], size[24];
	const char *argv[] = {"qemu-img", "create", "-q",	   "-f", "qcow2", "-F",
			      "qcow2",	  "-b",	    disk->backing, path, size,	  NULL};
	int result;

	snprintf(path, sizeof(path), "%s/%s.qcow2", job->directory, disk->name);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)disk->size_bytes);
	result = source_tool_run(argv, TOOL_MS, NULL, error);
	if (result == 0 && chown(path, uid, gid) < 0) {
		result = -errno;
		snprintf(error, SOURCE_ERROR_LEN, "%.300s: %s", path, strerror(errno));
	}
	return result;
}

/* The receiver parses what peers send: neither its word nor that of a header leads elsewhere. */
static int disk_check(struct images_job *job, const Vmreplica__Ipc__TakenDisk *disk)
{
	char error[SOURCE_ERROR_LEN] = "it has no plain name or size";
	bool named = disk->name[0] != '\0' && strlen(disk->name) <= DISK_NAME_MAX &&
		     strchr(disk->name, '/') == NULL && disk->size_bytes <= DISK_SIZE_MAX;

	if (named && image_chain_check_store(disk->backing, job->store, error) == 0) {
		return 0;
	}
	snprintf(job->error, sizeof(job->error), "the layer of disk %.32s cannot be used: %.400s",
		 disk->name, error);
	return -EBADMSG;
}

/* Anew each time, unless the VM runs on what an attempt before made. Another's VM of that name, on or
 * off, is not touched. */
static int overlays_run(void *arg)
{
	struct images_job *job = arg;
	enum source_run_state state = SOURCE_RUN_ABSENT;
	uid_t uid = 0;
	gid_t gid = 0;
	int result = source_run_user(job->libvirt, &uid, &gid, job->error);

	result = result < 0 ? result
			    : host_vm_check_name(job->libvirt, job->vm, job->definition, job->error);
	result = result < 0 ? result : source_run_state(job->libvirt, job->vm, &state, job->error);
	if (result == 0 && state == SOURCE_RUN_RUNNING) {
		return STANDS;
	}
	result = result < 0 ? result : directory_remove(job->directory, job->error);
	if (result == 0 &&
	    (mkdir(job->directory, TEST_DIR_MODE) < 0 || chmod(job->directory, TEST_DIR_MODE) < 0 ||
	     chown(job->directory, uid, gid) < 0)) {
		result = -errno;
		snprintf(job->error, sizeof(job->error), "%.300s: %s", job->directory,
			 strerror(errno));
	}
	for (size_t i = 0; i < job->taken->n_disks && result == 0; i++) {
		result = disk_check(job, job->taken->disks[i]);
		result = result < 0 ? result
				    : overlay_make(job, job->taken->disks[i], uid, gid, job->error);
	}
	return result;
}

static int remove_run(void *arg)
{
	struct images_job *job = arg;

	return directory_remove(job->directory, job->error);
}

static void simple_done(void *arg, int result)
{
	struct images_job *job = arg;
	struct failover *failover = job->failover;

	failover->busy = false;
	if (result == -ETIMEDOUT || result == -ENOTCONN || result == -ECANCELED) {
		failover_later(failover, FAILOVER_RETRY_MS, STORAGE_MS,
			       "look at libvirtd and the storage of this node", "%s", job->error);
	} else if (result < 0) {
		failover_failed(failover, result, "look at the storage on this node", "%s",
				job->error);
	} else {
		failover_done(failover);
	}
	free(job);
}

static struct images_job *job_new(struct failover *failover)
{
	struct replica *replica = failover_replica(failover);
	struct images_job *job = replica != NULL ? calloc(1, sizeof(*job)) : NULL;

	if (job != NULL) {
		job->failover = failover;
		job->libvirt = failover->engine->libvirt;
		job->taken = failover->taken;
		test_directory(replica, job->directory);
		snprintf(job->store, sizeof(job->store), "%s", replica->directory);
		failover_test_name(failover, job->vm);
		failover_definition_path(replica, true, job->definition);
	}
	return job;
}

static void job_submit(struct failover *failover, struct images_job *job, worker_run_cb run,
		       worker_done_cb done)
{
	failover->busy = job != NULL;
	if (job == NULL || workers_submit(failover->engine->storage_workers, run, done, job) < 0) {
		free(job);
		failover->busy = false;
		failover_later(failover, FAILOVER_RETRY_MS, STORAGE_MS,
			       "vmreplica status shows why the store is not open",
			       "the replica's store is not open at the moment");
	}
}

/* ---- a test's images ---- */

static void test_defined_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error < 0) {
		failover_failed(failover, error, "vmreplica check shows what the VM lacks here",
				"the test VM's definition cannot be made: %s", text);
	} else {
		failover_done(failover);
	}
}

static int test_define(struct failover *failover, struct replica *replica)
{
	struct definition_images *images = calloc(1, sizeof(*images));
	struct definition_test test = {.network = ""};
	char name[RESOURCE_ID_MAX + 1];
	int result = images == NULL ? -ENOMEM : name_make_uuid(test.uuid);

	snprintf(test.name, sizeof(test.name), "%.*s", (int)sizeof(test.name) - 1,
		 failover_test_name(failover, name));
	snprintf(test.network, sizeof(test.network), "%s", failover->order.network);
	test_directory(replica, test.directory);
	for (size_t i = 0; result == 0 && i < failover->taken->n_disks && i < DISKS_MAX; i++) {
		const char *disk = failover->taken->disks[i]->name;

		snprintf(images->disks[i].target, sizeof(images->disks[i].target), "%s", disk);
		snprintf(images->disks[i].path, sizeof(images->disks[i].path), "%.*s/%.32s.qcow2",
			 (int)(PATH_LEN_MAX - 48), test.directory, disk);
		images->count++;
	}
	if (result == 0) {
		snprintf(images->state, sizeof(images->state), "%s", failover->taken->state);
		result = replica_definition_write(replica->definition, images, &test,
						  test_defined_cb, failover);
	}
	free(images);
	return result;
}

static void overlays_done(void *arg, int result)
{
	struct images_job *job = arg;
	struct failover *failover = job->failover;
	struct replica *replica = failover_replica(failover);

	if (result == 0 && replica != NULL) {
		result = test_define(failover, replica);
		if (result == 0) {
			free(job); /* still busy */
			return;
		}
		snprintf(job->error, sizeof(job->error), "the definition waits: %s",
			 strerror(-result));
		result = -ETIMEDOUT; /* all of it again */
	}
	simple_done(job, result == 0 ? -ENOTCONN : result);
}

void failover_step_overlays(struct failover *failover)
{
	if (domain_resource_find(engine_settings(failover->engine), failover->relationship, true) !=
	    NULL) {
		failover_done(failover); /* it has been made for these images */
		return;
	}
	job_submit(failover, job_new(failover), overlays_run, overlays_done);
}

void failover_step_remove(struct failover *failover)
{
	job_submit(failover, job_new(failover), remove_run, simple_done);
}
