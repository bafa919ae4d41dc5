/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job: one instant of all replicated disks, readable over NBD until the job ends. */
#include "engine/source_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/source_connection.h"
#include "engine/source_error.h"
#include "engine/source_offline.h"
#include "engine/source_orphan.h"
#include "engine/source_replica.h"
#include "proto/dirty_map.h"

static void job_free(struct source_job *job)
{
	if (job == NULL) {
		return;
	}
	if (job->watched) {
		source_connection_job_remove(job->connection, job->socket_path);
	}
	for (size_t i = 0; job->disks != NULL && i < job->disk_count; i++) {
		source_export_stop(job->disks[i].export);
		dirty_map_free(job->disks[i].changed);
		free(job->disks[i].socket_path);
		free(job->disks[i].scratch);
	}
	if (job->lender != NULL) {
		replica_lender_return(job->lender);
	}
	free(job->disks);
	free(job->vm);
	free(job->socket_path);
	free(job->scratch_directory);
	source_connection_unref(job->connection);
	free(job);
}

static void cleanup_job_fn(struct source_job **job)
{
	job_free(*job);
}
#define cleanup_job __attribute__((cleanup(cleanup_job_fn)))

static struct source_job *job_new(const struct source *source)
{
	struct source_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		return NULL;
	}
	job->connection = source_connection_ref(source->connection);
	job->disk_count = source->domain.count;
	job->limits = (struct scratch_limits){
		.cap_bytes = source->scratch_cap_bytes,
		.reserve_bytes = source->scratch_reserve_bytes,
	};
	job->live = source->active;
	job->was_paused = source->paused;
	job->vm = strdup(source->vm);
	job->scratch_directory = strdup(source->scratch_directory);
	job->disks = calloc(job->disk_count, sizeof(*job->disks));
	/* beside a job of the VM itself, should one be run here */
	job->socket_path =
		source_orphan_socket(source->socket_directory,
				     source->lender != NULL ? source->lender->reader : source->vm);
	if (job->vm == NULL || job->scratch_directory == NULL || job->disks == NULL ||
	    job->socket_path == NULL) {
		job_free(job);
		return NULL;
	}
	for (size_t i = 0; i < job->disk_count; i++) {
		const struct source_disk *disk = source_disk_at(source, i);

		job->disks[i].included = source_disk_is_replicated(disk);
		memcpy(job->disks[i].name, disk->name, sizeof(disk->name));
	}
	return job;
}

/* A Unix socket's path has little room; "." and a disk's number are appended for a VM that is shut
 * off. */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(".63"))

static int begin(struct source_job *job, struct source *source,
		 const struct source_job_request *request, char error[SOURCE_ERROR_LEN])
{
	int result;

	if (strlen(job->socket_path) > SOCKET_PATH_MAX) {
		return source_fail(-ENAMETOOLONG, error,
				   "the path of the backup socket is too long: %s",
				   job->socket_path);
	}
	result = source_connection_job_add(job->connection, job->socket_path);
	if (result != 0) {
		return source_fail(result, error, "out of memory");
	}
	job->watched = true;
	job->deadline_ms = clock_monotonic_ms() + source->job_max_age_ms;
	if (source->lender != NULL) {
		return source_job_begin_replica(job, source, request, error);
	}
	return job->live ? source_job_begin_live(job, source, request, error)
			 : source_job_begin_offline(job, source, request, error);
}

/* Disks that were added after the incremental checkpoint. */
static void mark_full(struct source_job *job, const struct source *source,
		      const struct source_job_request *request)
{
	char text[CHECKPOINT_NAME_LEN];
	uint64_t missing;

	if (request->incremental == NULL) {
		return;
	}
	checkpoint_name_format(request->incremental, text);
	missing = source_missing_disks(source, text);
	for (size_t i = 0; i < job->disk_count; i++) {
		job->disks[i].full = (missing >> i & 1) != 0;
	}
}

int source_job_begin(struct source *source, const struct source_job_request *request,
		     struct source_job **ret_job, char error[SOURCE_ERROR_LEN])
{
	cleanup_job struct source_job *job = NULL;
	int result = source->lender != NULL ? 0 : source_refresh(source, error);

	if (result == 0) {
		result = source_check_disks(source, error);
	}
	if (result == 0 && source->lender == NULL) {
		result = source_orphan_clear(source, error);
	}
	if (result != 0) {
		return result;
	}
	job = job_new(source);
	if (job == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	mark_full(job, source, request);
	result = begin(job, source, request, error);
	if (result == 0) {
		*ret_job = steal_ptr(job);
	}
	return result;
}

int source_job_disk_open(struct source_job *job, size_t index, struct nbd_disk **ret_disk,
			 char error[SOURCE_ERROR_LEN])
{
	const struct source_job_disk *disk = index < job->disk_count ? &job->disks[index] : NULL;
	char why[NBD_ERROR_LEN];
	int result;

	if (disk == NULL || !disk->included) {
		return source_fail(-EINVAL, error, "disk %zu of %s takes no part in the job", index,
				   job->vm);
	}
	result = nbd_disk_open(disk->socket_path, disk->name,
			       job->bitmap[0] != '\0' && !disk->full ? job->bitmap : NULL, ret_disk,
			       why);
	if (result != 0) {
		source_fail(result, error, "%s of %s: %s", disk->name, job->vm, why);
	}
	return result;
}

int source_job_check(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	int result = job->live ? source_job_check_live(job, error)
			       : source_job_check_offline(job, error);

	if (result == 0 && clock_monotonic_ms() >= job->deadline_ms) {
		result = source_fail(-ETIMEDOUT, error,
				     "the backup job of %s has reached its maximum age: the rest "
				     "goes with the next cut",
				     job->vm);
	}
	return result;
}

int source_job_confirm(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	if (job->lender != NULL) {
		return source_job_confirm_replica(job, error);
	}
	/* A running VM's exports show the cut for as long as they show anything. */
	return job->live ? 0 : source_job_check_offline(job, error);
}

const char *source_job_cut_id(const struct source_job *job)
{
	return job->lent_cut_id[0] != '\0' ? job->lent_cut_id : NULL;
}

const struct dirty_map *source_job_changed(const struct source_job *job, size_t index)
{
	return index < job->disk_count ? job->disks[index].changed : NULL;
}

int64_t source_job_cut_time_ms(const struct source_job *job)
{
	return job->cut_time_ms;
}

int source_job_application(const struct source_job *job, int64_t *ret_frozen_ms,
			   const char **ret_why)
{
	*ret_why = job->application_why;
	if (job->application) {
		*ret_frozen_ms = job->frozen_ms;
	}
	return job->application ? 1 : 0;
}

int source_job_end(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	int result = 0;

	error[0] = '\0';
	if (job->live) {
		result = source_job_end_live(job, error);
	}
	job_free(job);
	return result;
}
