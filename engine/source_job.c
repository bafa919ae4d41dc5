/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backup job in pull mode: one instant of all replicated disks, readable over NBD until the job
 * ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/source_access.h"
#include "engine/source_connection.h"
#include "engine/source_error.h"
#include "engine/source_orphan.h"
#include "engine/source_private.h"
#include "engine/source_rpc.h"
#include "engine/source_scratch.h"

struct source_job {
	struct source_connection *connection; /* referenced */
	char *vm;			      /* owned, as all strings here */
	char *socket_path;
	char *scratch_directory;
	size_t disk_count;
	char **exports;	  /* by source_disk_at's index; NULL = takes no part */
	char **scratches; /* the files of those that do, scratch_count of them */
	size_t scratch_count;
	bool incremental, watched, was_paused;
	int64_t cut_time_ms, deadline_ms;
	struct scratch_limits limits;
	struct scratch_sample sample; /* the newest */
};

static void free_list(char **list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++) {
		free(list[i]);
	}
	free(list);
}

static void job_free(struct source_job *job)
{
	if (job == NULL) {
		return;
	}
	if (job->watched) {
		source_connection_job_remove(job->connection, job->socket_path);
	}
	free_list(job->exports, job->disk_count);
	free_list(job->scratches, job->disk_count);
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

/* Names of the job's disks and files. */
static int name_disks(struct source_job *job, const struct source *source)
{
	for (size_t i = 0; i < job->disk_count; i++) {
		const struct source_disk *disk = source_disk_at(source, i);
		char *file;

		if (!source_disk_is_replicated(disk)) {
			continue;
		}
		if (asprintf(&file, "%s/" SOURCE_FILE_PREFIX "%s-%s.scratch",
			     job->scratch_directory, job->vm, disk->name) < 0) {
			return -ENOMEM;
		}
		job->scratches[job->scratch_count++] = file;
		job->exports[i] = strdup(disk->name);
		if (job->exports[i] == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

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
	job->was_paused = source->paused;
	job->vm = strdup(source->vm);
	job->scratch_directory = strdup(source->scratch_directory);
	job->exports = calloc(job->disk_count, sizeof(*job->exports));
	job->scratches = calloc(job->disk_count, sizeof(*job->scratches));
	job->socket_path = source_orphan_socket(source->socket_directory, source->vm);
	if (job->vm == NULL || job->scratch_directory == NULL || job->exports == NULL ||
	    job->scratches == NULL || job->socket_path == NULL || name_disks(job, source) != 0) {
		job_free(job);
		return NULL;
	}
	return job;
}

static void remove_files(const struct source_job *job)
{
	for (size_t i = 0; i < job->scratch_count; i++) {
		if (unlink(job->scratches[i]) != 0 && errno != ENOENT) {
			log_warning("vm %s: scratch file %s is left: %s", job->vm,
				    job->scratches[i], strerror(errno));
		}
	}
	if (unlink(job->socket_path) != 0 && errno != ENOENT) {
		log_warning("vm %s: socket %s is left: %s", job->vm, job->socket_path,
			    strerror(errno));
	}
}

/* No job starts that would have to end at once. */
static int check_room(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	int result = scratch_measure(job->scratch_directory, NULL, 0, &job->sample);

	if (result != 0) {
		return source_fail(result, error, "scratch directory %s: %s",
				   job->scratch_directory, strerror(-result));
	}
	if (scratch_judge(&job->limits, &job->sample, &job->sample) == SCRATCH_RESERVE) {
		return source_fail(
			-ENOSPC, error,
			"scratch directory %s has %llu MiB free, and %llu MiB are to stay "
			"free (reserve): make room, or set another directory in "
			"[scratch]",
			job->scratch_directory, (unsigned long long)(job->sample.free_bytes >> 20),
			(unsigned long long)(job->limits.reserve_bytes >> 20));
	}
	return 0;
}

static int prepare(struct source_job *job, struct source *source, char error[SOURCE_ERROR_LEN])
{
	const struct source_domain *domain = &source->domain;
	int result = check_room(job, error);

	if (strlen(job->socket_path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		return source_fail(-ENAMETOOLONG, error,
				   "the path of the backup socket is too long: %s",
				   job->socket_path);
	}
	if (result == 0 && domain->has_owner) {
		result = source_access_grant(job->scratch_directory, domain->uid, domain->gid,
					     error);
	}
	if (result == 0 && domain->has_owner) {
		result = source_access_grant(source->socket_directory, domain->uid, domain->gid,
					     error);
	}
	if (result == 0) {
		remove_files(job); /* a QEMU that was killed leaves its socket */
	}
	return result;
}

/* The two documents of the request. 0 or -ENOMEM. */
static int make_xml(const struct source_job *job, const struct source *source,
		    const struct source_job_request *request, char **ret_backup,
		    char **ret_checkpoint)
{
	char since[CHECKPOINT_NAME_LEN], cut[CHECKPOINT_NAME_LEN];
	struct source_xml_disk disks[DISKS_MAX];
	size_t count = source_xml_disks(source, disks);

	for (size_t i = 0; i < count; i++) {
		disks[i].scratch = job->scratches[i];
	}
	if (request->incremental != NULL) {
		checkpoint_name_format(request->incremental, since);
	}
	*ret_backup = source_xml_backup(job->socket_path,
					request->incremental != NULL ? since : NULL, disks, count);
	if (*ret_backup == NULL) {
		return -ENOMEM;
	}
	if (request->cut != NULL) {
		checkpoint_name_format(request->cut, cut);
		*ret_checkpoint = source_xml_checkpoint(cut, disks, count);
		if (*ret_checkpoint == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

static int start(struct source_job *job, const struct source *source,
		 const struct source_job_request *request, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *backup = NULL, *checkpoint = NULL;
	struct source_end_result ended;
	char ignored[SOURCE_ERROR_LEN];
	int result = make_xml(job, source, request, &backup, &checkpoint);

	if (result == 0) {
		result = source_connection_job_add(job->connection, job->socket_path);
	}
	if (result != 0) {
		return source_fail(result, error, "out of memory");
	}
	job->watched = true;
	job->incremental = request->incremental != NULL;
	/* The label of the cut lies before the cut, never after it. */
	job->cut_time_ms = clock_wall_ms();
	job->deadline_ms = clock_monotonic_ms() + source->job_max_age_ms;
	result = source_rpc_backup_begin(job->connection, job->vm, backup, checkpoint, error);
	if (result == -ENOTCONN) {
		/* It may have been started all the same; nobody would watch it. */
		source_rpc_backup_end(job->connection, job->vm, job->socket_path,
				      SOURCE_END_DETACHED | SOURCE_END_RESUME, &ended, ignored);
	}
	return result;
}

int source_job_begin(struct source *source, const struct source_job_request *request,
		     struct source_job **ret_job, char error[SOURCE_ERROR_LEN])
{
	cleanup_job struct source_job *job = NULL;
	int result = source_refresh(source, error);

	if (result == 0) {
		result = source_check_disks(source, error);
	}
	if (result == 0) {
		result = source_orphan_clear(source, error);
	}
	if (result != 0) {
		return result;
	}
	job = job_new(source);
	if (job == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = prepare(job, source, error);
	if (result == 0) {
		result = start(job, source, request, error);
	}
	if (result == 0) {
		*ret_job = steal_ptr(job);
	}
	return result;
}

int source_job_disk_open(struct source_job *job, size_t index, struct nbd_disk **ret_disk,
			 char error[SOURCE_ERROR_LEN])
{
	char why[NBD_ERROR_LEN];
	int result;

	if (index >= job->disk_count || job->exports[index] == NULL) {
		return source_fail(-EINVAL, error, "disk %zu of %s takes no part in the job", index,
				   job->vm);
	}
	result = nbd_disk_open(job->socket_path, job->exports[index],
			       job->incremental ? SOURCE_EXPORT_BITMAP : NULL, ret_disk, why);
	if (result != 0) {
		source_fail(result, error, "%s of %s: %s", job->exports[index], job->vm, why);
	}
	return result;
}

static int report_full(const struct source_job *job, enum scratch_verdict verdict,
		       char error[SOURCE_ERROR_LEN])
{
	unsigned long long used = job->sample.used_bytes >> 20;
	unsigned long long cap = job->limits.cap_bytes >> 20;
	unsigned long long free_space = job->sample.free_bytes >> 20;

	if (verdict == SCRATCH_CAP) {
		return source_fail(-ENOSPC, error,
				   "scratch files of %s hold %llu MiB and are about to reach their "
				   "cap of %llu MiB: raise [scratch] cap, or replicate more often",
				   job->vm, used, cap);
	}
	return source_fail(
		-ENOSPC, error,
		"scratch directory %s has %llu MiB left and is about to reach its reserve: "
		"make room, or set another directory in [scratch]",
		job->scratch_directory, free_space);
}

int source_job_check(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	struct scratch_sample now;
	enum scratch_verdict verdict;
	int result = scratch_measure(job->scratch_directory, (const char *const *)job->scratches,
				     job->scratch_count, &now);

	if (result == -ESTALE) {
		/* libvirt removes the files when a job ends, whoever ended it. */
		return source_fail(-ECANCELED, error,
				   "the backup job of %s has ended: the VM stopped, or someone "
				   "aborted it",
				   job->vm);
	}
	if (result != 0) {
		return source_fail(result, error, "scratch files of %s: %s", job->vm,
				   strerror(-result));
	}
	verdict = scratch_judge(&job->limits, &job->sample, &now);
	job->sample = now;
	if (verdict != SCRATCH_OK) {
		return report_full(job, verdict, error);
	}
	if (now.time_ms >= job->deadline_ms) {
		return source_fail(
			-ETIMEDOUT, error,
			"the backup job of %s has reached its maximum age: the rest goes "
			"with the next cut",
			job->vm);
	}
	return 0;
}

int64_t source_job_cut_time_ms(const struct source_job *job)
{
	return job->cut_time_ms;
}

int source_job_end(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	unsigned int flags = SOURCE_END_PERSISTENT | (job->was_paused ? 0 : SOURCE_END_RESUME);
	struct source_end_result ended = {0};
	int result = source_rpc_backup_end(job->connection, job->vm, job->socket_path, flags,
					   &ended, error);

	if (result == 0) {
		remove_files(job);
	}
	if (ended.resumed) {
		source_fail(0, error,
			    "the guest of %s had been paused: the scratch file of the backup job "
			    "found no room; it was resumed",
			    job->vm);
	} else if (result == 0) {
		error[0] = '\0';
	}
	job_free(job);
	return result;
}
