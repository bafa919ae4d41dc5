/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job of a running VM: libvirt's backup in pull mode, with its scratch files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/source_access.h"
#include "engine/source_connection.h"
#include "engine/source_error.h"
#include "engine/source_freeze.h"
#include "engine/source_job.h"
#include "engine/source_orphan.h"
#include "engine/source_rpc.h"

/* Paths of the job's disks: all on one socket, each with a scratch file. */
static int name_files(struct source_job *job)
{
	for (size_t i = 0; i < job->disk_count; i++) {
		struct source_job_disk *disk = &job->disks[i];

		if (!disk->included) {
			continue;
		}
		disk->socket_path = strdup(job->socket_path);
		if (asprintf(&disk->scratch, "%s/" SOURCE_FILE_PREFIX "%s-%s" SOURCE_SCRATCH_SUFFIX,
			     job->scratch_directory, job->vm, disk->name) < 0) {
			disk->scratch = NULL;
		}
		if (disk->socket_path == NULL || disk->scratch == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

static void remove_file(const struct source_job *job, const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT) {
		log_warning("vm %s: %s is left: %s", job->vm, path, strerror(errno));
	}
}

static void remove_files(const struct source_job *job)
{
	for (size_t i = 0; i < job->disk_count; i++) {
		if (job->disks[i].scratch != NULL) {
			remove_file(job, job->disks[i].scratch);
		}
	}
	remove_file(job, job->socket_path);
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

static int prepare(struct source_job *job, const struct source *source,
		   char error[SOURCE_ERROR_LEN])
{
	const struct source_domain *domain = &source->domain;
	int result;

	if (name_files(job) != 0) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = check_room(job, error);
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
static int make_xml(const struct source_job *job, const struct source_job_request *request,
		    char **ret_backup, char **ret_checkpoint)
{
	char since[CHECKPOINT_NAME_LEN], cut[CHECKPOINT_NAME_LEN];
	struct source_xml_disk disks[DISKS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < job->disk_count; i++) {
		if (job->disks[i].included) {
			disks[count++] = (struct source_xml_disk){.name = job->disks[i].name,
								  .scratch = job->disks[i].scratch,
								  .full = job->disks[i].full};
		}
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

/* The cut itself, round which the guest holds still if that is wanted and can be had: a cut is made
 * either way. */
static int begin_cut(struct source_job *job, bool application, const char *backup,
		     const char *checkpoint, char error[SOURCE_ERROR_LEN])
{
	struct source_freeze_options options = source_freeze_installed;
	int fd = -1, result;

	if (application) {
		options.uri = source_connection_uri(job->connection);
		fd = source_freeze_begin(&options, job->vm, job->application_why);
	}
	/* The label of the cut lies before the cut, never after it. */
	job->cut_time_ms = clock_wall_ms();
	result = source_rpc_backup_begin(job->connection, job->vm, backup, checkpoint, error);
	if (fd >= 0) {
		job->application =
			source_freeze_end(fd, &job->frozen_ms, job->application_why) == 0 &&
			result == 0;
	}
	return result;
}

int source_job_begin_live(struct source_job *job, struct source *source,
			  const struct source_job_request *request, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *backup = NULL, *checkpoint = NULL;
	struct source_end_result ended;
	char ignored[SOURCE_ERROR_LEN];
	int result = prepare(job, source, error);

	if (result != 0) {
		return result;
	}
	if (make_xml(job, request, &backup, &checkpoint) != 0) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	if (request->incremental != NULL) {
		snprintf(job->bitmap, sizeof(job->bitmap), "%s", SOURCE_EXPORT_BITMAP);
	}
	result = begin_cut(job, request->application, backup, checkpoint, error);
	if (result == -ENOTCONN) {
		/* It may have been started all the same; nobody would watch it. */
		source_rpc_backup_end(job->connection, job->vm, job->socket_path,
				      SOURCE_END_DETACHED | SOURCE_END_RESUME, &ended, ignored);
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

int source_job_check_live(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	const char *files[DISKS_MAX];
	struct scratch_sample now;
	enum scratch_verdict verdict;
	size_t count = 0;
	int result;

	for (size_t i = 0; i < job->disk_count; i++) {
		if (job->disks[i].scratch != NULL) {
			files[count++] = job->disks[i].scratch;
		}
	}
	result = scratch_measure(job->scratch_directory, files, count, &now);
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
	return verdict == SCRATCH_OK ? 0 : report_full(job, verdict, error);
}

int source_job_end_live(struct source_job *job, char error[SOURCE_ERROR_LEN])
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
	}
	return result;
}
