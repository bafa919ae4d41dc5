/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_replica.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/source_offline.h"
#include "engine/source_tool.h"
#include "proto/extent_file.h"
#include "proto/vm_state.h"

#define DEFINITION_NAME "domain.xml"

/* ---- files of the store: the receiver's user writes them ---- */

/* A regular file of at most max bytes, terminated. To free. */
static int file_read(const char *path, size_t max, char **ret_data, size_t *ret_len)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	cleanup_free char *data = NULL;
	struct stat status;
	size_t done = 0;
	ssize_t got = 1;

	if (fd < 0 || fstat(fd, &status) < 0) {
		return -errno;
	}
	if (!S_ISREG(status.st_mode) || status.st_size < 0 || (size_t)status.st_size > max) {
		return -EFBIG;
	}
	data = malloc((size_t)status.st_size + 1);
	while (data != NULL && done < (size_t)status.st_size && got > 0) {
		got = read(fd, data + done, (size_t)status.st_size - done);
		done += got > 0 ? (size_t)got : 0;
	}
	if (data == NULL || got < 0) {
		return data == NULL ? -ENOMEM : -errno;
	}
	data[done] = '\0';
	*ret_len = done;
	*ret_data = steal_ptr(data);
	return 0;
}

/* What the primary sent; nothing while it has not sent one. */
static int definition_read(const struct replica_lender *lender, char **ret_xml,
			   char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *path = NULL;
	size_t len;
	int result;

	if (asprintf(&path, "%s/" DEFINITION_NAME, lender->directory) < 0) {
		path = NULL;
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = file_read(path, DOMAIN_XML_MAX, ret_xml, &len);
	if (result == -ENOENT) {
		*ret_xml = strdup("");
		result = *ret_xml != NULL ? 0 : -ENOMEM;
	}
	return result < 0 ? source_fail(result, error, "%.400s: %s", path, strerror(-result)) : 0;
}

/* ---- the source ---- */

static bool is_excluded(const struct source *source, const char *name)
{
	for (size_t i = 0; source->exclude != NULL && source->exclude[i] != NULL; i++) {
		if (strcmp(source->exclude[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static int disks_fill(struct source *source, const struct replica_lent *lent)
{
	struct source_domain *domain = &source->domain;

	domain->disks = calloc(lent->disk_count, sizeof(*domain->disks));
	domain->nodes = calloc(lent->disk_count, sizeof(*domain->nodes));
	if (domain->disks == NULL || domain->nodes == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < lent->disk_count; i++) {
		struct source_disk *disk = &domain->disks[i];

		domain->count = i + 1;
		memcpy(disk->name, lent->disks[i].name, sizeof(disk->name));
		disk->size_bytes = lent->disks[i].size_bytes;
		disk->path = strdup(lent->disks[i].layer);
		disk->format = strdup("qcow2");
		disk->excluded = is_excluded(source, disk->name);
		if (disk->path == NULL || disk->format == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

int source_replica_open(struct source *source, char error[SOURCE_ERROR_LEN])
{
	const struct replica_lend_question look = {.after_cut_id = "", .look = true};
	cleanup_free struct replica_lent *lent = calloc(1, sizeof(*lent));
	int result = lent == NULL ? source_fail(-ENOMEM, error, "out of memory")
				  : replica_lender_ask(source->lender, &look, lent, error);

	if (result == 0 && disks_fill(source, lent) < 0) {
		result = source_fail(-ENOMEM, error, "out of memory");
	}
	return result < 0 ? result : definition_read(source->lender, &source->config_xml, error);
}

int source_cuts_find(struct source *source, const struct checkpoint_name *wanted, size_t count,
		     struct checkpoint_name *ret_names, size_t *ret_count,
		     char error[SOURCE_ERROR_LEN])
{
	struct replica_lend_question question = {.after_cut_id = "", .look = true};
	cleanup_free struct replica_lent *lent = calloc(1, sizeof(*lent));
	size_t found = 0;
	int result;

	if (lent == NULL || count > REPLICA_LENT_KNOWN) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	for (size_t i = 0; i < count; i++) {
		question.known[question.known_count++] = wanted[i].cut_id;
	}
	result = source->lender == NULL || count == 0
			 ? 0
			 : replica_lender_ask(source->lender, &question, lent, error);
	for (size_t i = 0; i < count && result == 0; i++) {
		if (lent->known[i]) {
			ret_names[found++] = wanted[i];
		}
	}
	if (result == 0) {
		*ret_count = found;
	}
	return result;
}

int source_replica_state(const struct source *source, uint8_t **ret_archive, size_t *ret_len,
			 char error[SOURCE_ERROR_LEN])
{
	char *data = NULL;
	int result;

	*ret_archive = NULL;
	if (source->lent_state == NULL) {
		return 0;
	}
	result = file_read(source->lent_state, VM_STATE_MAX, &data, ret_len);
	*ret_archive = (uint8_t *)data;
	return result < 0 ? source_fail(result, error, "%.400s: %s", source->lent_state,
					strerror(-result))
			  : 0;
}

/* ---- a job ---- */

/* The store's disks must still be those that were said in HELLO. */
static int disks_check(const struct source *source, const struct replica_lent *lent,
		       char error[SOURCE_ERROR_LEN])
{
	bool same = lent->disk_count == source->domain.count;

	for (size_t i = 0; i < lent->disk_count && same; i++) {
		const struct source_disk *disk = &source->domain.disks[i];

		same = strcmp(disk->name, lent->disks[i].name) == 0 &&
		       disk->size_bytes == lent->disks[i].size_bytes;
	}
	return same ? 0
		    : source_fail(-EREMCHG, error, "the disks of the replica %s have changed",
				  source->vm);
}

static int changes_read(struct source_job *job, const struct replica_lent *lent,
			char error[SOURCE_ERROR_LEN])
{
	cleanup_free struct extent_file_disk *disks = calloc(lent->disk_count, sizeof(*disks));
	char why[EXTENT_FILE_ERROR_LEN] = "";
	int result;

	if (disks == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	for (size_t i = 0; i < lent->disk_count; i++) {
		memcpy(disks[i].name, lent->disks[i].name, sizeof(disks[i].name));
		disks[i].size_bytes = lent->disks[i].size_bytes;
		disks[i].map = job->disks[i].changed = dirty_map_new(disks[i].size_bytes);
		if (disks[i].map == NULL) {
			return source_fail(-ENOMEM, error, "out of memory");
		}
	}
	result = extent_file_read(lent->extents, disks, lent->disk_count, why);
	return result < 0 ? source_fail(result, error, "what changed in the replica: %s", why) : 0;
}

static int layers_serve(struct source_job *job, const struct source *source,
			const struct replica_lent *lent, char error[SOURCE_ERROR_LEN])
{
	struct source_tool_user user;
	struct stat status;
	int result = 0;

	/* Images that the receiver's user can write are opened with his rights. */
	if (stat(source->lender->directory, &status) < 0) {
		return source_fail(-errno, error, "%.400s: %s", source->lender->directory,
				   strerror(errno));
	}
	user = (struct source_tool_user){status.st_uid, status.st_gid};
	for (size_t i = 0; i < job->disk_count && result == 0; i++) {
		struct source_job_disk *disk = &job->disks[i];
		struct source_disk served = source->domain.disks[i];

		if (!disk->included) {
			continue;
		}
		served.path = (char *)(uintptr_t)lent->disks[i].layer;
		if (asprintf(&disk->socket_path, "%s.%zu", job->socket_path, i) < 0) {
			disk->socket_path = NULL;
			return source_fail(-ENOMEM, error, "out of memory");
		}
		result = source_export_start_as(&user, &served, NULL, disk->socket_path,
						&disk->export, error);
	}
	return result;
}

int source_job_begin_replica(struct source_job *job, struct source *source,
			     const struct source_job_request *request, char error[SOURCE_ERROR_LEN])
{
	const struct replica_lend_question question = {
		.after_cut_id = request->incremental != NULL ? request->incremental->cut_id : "",
		.application = request->application,
	};
	cleanup_free struct replica_lent *lent = calloc(1, sizeof(*lent));
	int result = lent == NULL ? source_fail(-ENOMEM, error, "out of memory")
				  : replica_lender_ask(source->lender, &question, lent, error);

	if (result < 0) {
		return result;
	}
	job->lender = source->lender;
	job->cut_time_ms = lent->time_ms;
	job->application = lent->application;
	memcpy(job->lent_cut_id, lent->cut_id, sizeof(job->lent_cut_id));
	free(source->lent_state);
	source->lent_state = lent->vm_state[0] != '\0' ? strdup(lent->vm_state) : NULL;
	result = disks_check(source, lent, error);
	if (result == 0 && request->incremental != NULL) {
		result = changes_read(job, lent, error);
	}
	return result == 0 ? layers_serve(job, source, lent, error) : result;
}

/* Nothing writes to layers that are lent, but who consolidates a chain after a failover does. */
int source_job_confirm_replica(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	const struct replica_lend_question look = {.after_cut_id = "", .look = true};
	cleanup_free struct replica_lent *lent = calloc(1, sizeof(*lent));
	int result = lent == NULL ? source_fail(-ENOMEM, error, "out of memory")
				  : replica_lender_ask(job->lender, &look, lent, error);

	return result < 0 ? -ECANCELED : source_job_check_offline(job, error);
}
