/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job of a VM that is shut off. Its disks stand still, so any instant is a cut: a new bitmap
 * records it, and the images are served as they are. The VM may start at any time, is not held up
 * by us, and ends the job: what was read before a source_job_confirm that returned 0 was read from
 * the cut.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/source_error.h"
#include "engine/source_job.h"
#include "engine/source_offline.h"

/* The bitmap that tells what changed must stand on every disk. */
static int check_incremental(const struct source *source, const struct checkpoint_name *name,
			     const char *text, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_bitmaps struct source_bitmaps bitmaps = {0};
	size_t wanted = 0, found = 0;
	int result = source_offline_bitmaps(&source->domain, name->relationship, &bitmaps, error);

	if (result != 0) {
		return result;
	}
	for (size_t i = 0; i < source->domain.count; i++) {
		wanted += source_disk_is_replicated(&source->domain.disks[i]) &&
			  (source_missing_disks(source, text) >> i & 1) == 0;
	}
	for (size_t i = 0; i < bitmaps.count; i++) {
		found += bitmaps.items[i].sound && strcmp(bitmaps.items[i].text, text) == 0;
	}
	if (found != wanted) {
		return source_fail(
			-ESTALE, error,
			"the bitmap %s is missing or inconsistent in %zu of %zu images of %s", text,
			wanted - found, wanted, source->vm);
	}
	return 0;
}

static int serve(struct source_job *job, const struct source *source, char error[SOURCE_ERROR_LEN])
{
	int result = 0;

	for (size_t i = 0; i < job->disk_count && result == 0; i++) {
		struct source_job_disk *disk = &job->disks[i];

		if (!disk->included) {
			continue;
		}
		if (asprintf(&disk->socket_path, "%s.%zu", job->socket_path, i) < 0) {
			disk->socket_path = NULL;
			return source_fail(-ENOMEM, error, "out of memory");
		}
		result = source_export_start(source_disk_at(source, i),
					     job->bitmap[0] != '\0' && !disk->full ? job->bitmap
										   : NULL,
					     disk->socket_path, &disk->export, error);
	}
	return result;
}

int source_job_begin_offline(struct source_job *job, const struct source *source,
			     const struct source_job_request *request, char error[SOURCE_ERROR_LEN])
{
	char cut[CHECKPOINT_NAME_LEN];
	int result = 0;

	if (request->incremental != NULL) {
		checkpoint_name_format(request->incremental, job->bitmap);
		result = check_incremental(source, request->incremental, job->bitmap, error);
	}
	job->cut_time_ms = clock_wall_ms();
	if (result == 0 && request->cut != NULL) {
		checkpoint_name_format(request->cut, cut);
		result = source_offline_add(&source->domain, cut, error);
	}
	return result == 0 ? serve(job, source, error) : result;
}

int source_job_check_offline(struct source_job *job, char error[SOURCE_ERROR_LEN])
{
	for (size_t i = 0; i < job->disk_count; i++) {
		if (job->disks[i].included && !source_export_holds(job->disks[i].export)) {
			return source_fail(-ECANCELED, error,
					   "the image of %s of %s is no longer at rest: the VM was "
					   "started, or qemu-nbd has ended",
					   job->disks[i].name, job->vm);
		}
	}
	return 0;
}
