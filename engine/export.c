/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * export: an initial replication whose receiver is a directory. The plan, the cuts and the reader
 * are those of a cycle; a job that grows too old gives way to another cut, as there, and what was
 * written before is brought up to it by the first cut's bitmap. The last cut's checkpoint stays:
 * once the files are imported on the other side, replication goes on with what changed since.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/cycle_reader.h"
#include "engine/export_state.h"
#include "engine/export_target.h"
#include "engine/relationship.h"
#include "engine/standing.h"
#include "engine/transfer.h"

struct export
{
	struct transfer *transfer;
	struct relationship *rel; /* stays while it is busy with us */
	int dir_fd;
	struct export_target targets[DISKS_MAX];
	uint32_t target_count;
	struct resume_mark mark; /* what the files hold */
	bool over;		 /* the files held something before this cut */
};

/* ---- the files ---- */

static int targets_open(struct export *export, bool fresh)
{
	struct cycle *cycle = &export->rel->cycle;
	char error[SOURCE_ERROR_LEN] = "";

	for (uint32_t i = 0; i < cycle->disk_count; i++) {
		char path[PATH_LEN_MAX + MEDIA_FILE_MAX + 2];
		int result;

		snprintf(path, sizeof(path), "%s/%s.qcow2", export->transfer->directory,
			 cycle->disks[i].name);
		result = export_target_open(&export->targets[i], path, cycle->disk_sizes[i], fresh,
					    cycle->socket_directory, cycle->disks[i].name, error);
		export->target_count = i + 1;
		if (result < 0) {
			return trouble_set(&cycle->trouble, result, SCHEDULE_FAILED, "export",
					   "%s cannot be written: %.300s", path, error);
		}
	}
	return 0;
}

static int targets_flush(struct export *export)
{
	int result = 0;

	for (uint32_t i = 0; i < export->target_count && result == 0; i++) {
		result = export_target_flush(&export->targets[i]);
	}
	return result;
}

static void targets_close(struct export *export)
{
	for (uint32_t i = 0; i < export->target_count; i++) {
		export_target_close(&export->targets[i]);
	}
	export->target_count = 0;
}

/* Are the files, as far as the mark says, copies of the disks as they are now? A disk that was
 * grown since, or another set of disks, begins anew. */
static bool targets_fit(const struct export *export)
{
	const struct cycle *cycle = &export->rel->cycle;
	bool fit = export->target_count == 0 || export->target_count == cycle->disk_count;

	for (uint32_t i = 0; fit && i < cycle->disk_count; i++) {
		char file[MEDIA_FILE_MAX + 1];

		snprintf(file, sizeof(file), "%s.qcow2", cycle->disks[i].name);
		fit = export_target_fits(export->dir_fd, file, cycle->disk_sizes[i]);
	}
	return fit;
}

/* What an earlier cut left in the files counts only when this one goes on from it: else they are
 * made anew, or blocks of then that are zeros now would stay in them. */
static int targets_ready(struct export *export)
{
	if (!export->rel->cycle.plan.resumed) {
		targets_close(export);
	}
	return export->target_count > 0 ? 0
					: targets_open(export, !export->rel->cycle.plan.resumed);
}

/* What the reader has read. */
static int export_sink(void *arg, const struct pipeline_item *item)
{
	struct export *export = arg;
	struct cycle *cycle = &export->rel->cycle;
	struct export_target *target = &export->targets[item->disk];
	int result = 0;

	if (item->kind == PIPELINE_DATA) {
		result = export_target_write(target, item->buffer, item->offset, item->length,
					     export->over);
	} else if (item->kind == PIPELINE_ZERO && export->over) {
		result = nbd_disk_zero(target->disk, item->offset, item->length);
	}
	if (result < 0) {
		return trouble_set(&cycle->trouble, result, SCHEDULE_FAILED, "export",
				   "%s.qcow2 cannot be written: %s", cycle->disks[item->disk].name,
				   strerror(-result));
	}
	if (item->markable) {
		export->mark = (struct resume_mark){.present = true,
						    .mode = VMREPLICA__WIRE__MODE__MODE_INITIAL,
						    .seq = cycle->cut.seq,
						    .disk = item->disk,
						    .offset = item->offset + item->length};
		memcpy(export->mark.cut_id, cycle->cut.cut_id, sizeof(export->mark.cut_id));
	}
	atomic_fetch_add(&export->transfer->done_bytes, item->progress);
	return 0;
}

/* ---- cuts ---- */

static int export_plan(struct export *export)
{
	struct cycle *cycle = &export->rel->cycle;
	struct resume_input input = {.checkpoints = cycle->checkpoints,
				     .checkpoint_count = cycle->checkpoint_count,
				     .broken = cycle->broken,
				     .mode = VMREPLICA__WIRE__MODE__MODE_INITIAL,
				     .mark = export->mark,
				     .next_seq = 1,
				     .disk_sizes = cycle->disk_sizes,
				     .disk_count = cycle->disk_count};
	int result = resume_plan_make(&input, &cycle->plan);

	if (result == -EBADMSG) { /* a mark of other disks */
		input.mark.present = false;
		result = resume_plan_make(&input, &cycle->plan);
	}
	if (result < 0) {
		return trouble_set(&cycle->trouble, result, SCHEDULE_FAILED, "memory",
				   "out of memory");
	}
	return cycle_free_checkpoints(cycle);
}

static int export_read(struct export *export, struct cycle_reader *reader)
{
	struct transfer *transfer = export->transfer;
	uint64_t bytes = 0;
	int result = cycle_reader_estimate(reader, &bytes);

	if (result < 0) {
		return result;
	}
	atomic_store(&transfer->total_bytes, atomic_load(&transfer->done_bytes) + bytes);
	return cycle_reader_run(reader);
}

/* One cut, as much of it as the job's age allows. 0 when the files hold all of it. */
static int export_cut(struct export *export)
{
	struct cycle *cycle = &export->rel->cycle;
	struct cycle_reader reader;
	char error[SOURCE_ERROR_LEN] = "";
	int result = cycle_make_cut(cycle);

	if (result < 0) {
		return result;
	}
	reader = cycle_make_reader(cycle);
	reader.stream = NULL;
	reader.sink = export_sink;
	reader.sink_arg = export;
	result = export_read(export, &reader);
	if (result == 0 && source_job_confirm(cycle->job, error) < 0) {
		export->mark.present = false; /* what was read is of no one moment */
		result = trouble_set(&cycle->trouble, -EAGAIN, SCHEDULE_MISSED, "job-ended",
				     "the VM was started meanwhile: %s", error);
	}
	cycle_reader_close(&reader);
	cycle_end_job(cycle);
	if (targets_flush(export) < 0) {
		export->mark.present = false;
		return trouble_set(&cycle->trouble, -EIO, SCHEDULE_FAILED, "export",
				   "what was written cannot be made durable");
	}
	return result;
}

static int export_round(struct export *export)
{
	struct cycle *cycle = &export->rel->cycle;
	int result = cycle_open_source(cycle);

	if (result == 0 && export->mark.present && !targets_fit(export)) {
		export->mark.present = false;
	}
	result = result < 0 ? result : export_plan(export);
	if (result == 0) {
		result = targets_ready(export);
	}
	if (result == 0) {
		export->over = cycle->plan.resumed;
		result = export_cut(export);
	}
	if (result < 0 && export->mark.present) {
		export_state_save(export->dir_fd, export->transfer, &export->mark);
	}
	return result;
}

static void export_round_end(struct cycle *cycle)
{
	resume_plan_destroy(&cycle->plan);
	free(cycle->checkpoints);
	cycle->checkpoints = NULL;
	cycle->checkpoint_count = cycle->broken = 0;
	source_close(cycle->source);
	cycle->source = NULL;
}

/* ---- the manifest ---- */

static bool export_is_cancelled(void *arg)
{
	struct export *export = arg;

	return canceller_is_cancelled(&export->rel->peer.canceller) ||
	       atomic_load(&export->transfer->cancelled);
}

static int media_fill(struct export *export, struct media *media)
{
	const struct cycle *cycle = &export->rel->cycle;
	int result = 0;

	*media = (struct media){.exported = true,
				.epoch = cycle->epoch.number,
				.seq = cycle->cut.seq,
				.cut_time_ms = cycle->cut_time_ms,
				.disk_count = cycle->disk_count};
	memcpy(media->relationship, export->transfer->relationship, sizeof(media->relationship));
	memcpy(media->vm, export->transfer->vm, sizeof(media->vm));
	snprintf(media->site, sizeof(media->site), "%s", cycle->site);
	memcpy(media->cut_id, cycle->cut.cut_id, sizeof(media->cut_id));
	for (size_t i = 0; i < media->disk_count && result == 0; i++) {
		struct media_disk *disk = &media->disks[i];
		cleanup_close int fd = -1;
		struct stat st;

		memcpy(disk->name, cycle->disks[i].name, sizeof(disk->name));
		snprintf(disk->file, sizeof(disk->file), "%s.qcow2", disk->name);
		disk->size_bytes = cycle->disk_sizes[i];
		fd = openat(export->dir_fd, disk->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fsync(fd) < 0 || fstat(fd, &st) < 0) {
			return -errno;
		}
		disk->file_bytes = (uint64_t)st.st_size;
		result = media_hash_file(fd, disk->sha256, export_is_cancelled, export);
	}
	return result;
}

static int export_finish(struct export *export)
{
	struct cycle *cycle = &export->rel->cycle;
	struct transfer *transfer = export->transfer;
	char error[MEDIA_ERROR_LEN];
	int result;

	targets_close(export);
	result = media_fill(export, &transfer->media);
	if (result < 0) {
		return trouble_set(&cycle->trouble, result, SCHEDULE_FAILED, "export",
				   "the files cannot be hashed: %s", strerror(-result));
	}
	result = media_save(export->dir_fd, &transfer->media, error);
	if (result < 0) {
		return trouble_set(&cycle->trouble, result, SCHEDULE_FAILED, "export", "%s", error);
	}
	unlinkat(export->dir_fd, EXPORT_STATE_NAME, 0);
	return 0;
}

/* ---- the job ---- */

static int export_open(struct export *export)
{
	struct cycle *cycle = &export->rel->cycle;
	const char *directory = export->transfer->directory;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
		return trouble_set(&cycle->trouble, -errno, SCHEDULE_FAILED, "export",
				   "%s cannot be made: %s", directory, strerror(errno));
	}
	export->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->dir_fd < 0) {
		return trouble_set(&cycle->trouble, -errno, SCHEDULE_FAILED, "export",
				   "%s cannot be opened: %s", directory, strerror(errno));
	}
	/* an older export's manifest must not vouch for what is written now */
	if (unlinkat(export->dir_fd, MEDIA_NAME, 0) < 0 && errno != ENOENT) {
		return trouble_set(&cycle->trouble, -errno, SCHEDULE_FAILED, "export",
				   "%s cannot be written: %s", directory, strerror(errno));
	}
	export_state_load(export->dir_fd, export->transfer->relationship, &export->mark);
	cycle->pipeline = pipeline_new(cycle->pool);
	return cycle->pipeline == NULL ? trouble_set(&cycle->trouble, -ENOMEM, SCHEDULE_FAILED,
						     "memory", "out of memory")
				       : 0;
}

static int export_run(void *arg)
{
	struct export *export = arg;
	struct cycle *cycle = &export->rel->cycle;
	int result = export_open(export);

	while (result == 0) {
		result = export_round(export);
		export_round_end(cycle);
		if (result == 0) {
			result = export_finish(export);
			break;
		}
		if (cycle->trouble.outcome == SCHEDULE_CONTINUED && !export_is_cancelled(export)) {
			cycle->disk_count = 0;
			result = 0;
		}
	}
	targets_close(export);
	pipeline_free(cycle->pipeline);
	cycle->pipeline = NULL;
	if (export->dir_fd >= 0) {
		close(export->dir_fd);
	}
	return result;
}

static void export_done(void *arg, int result)
{
	struct export *export = arg;
	struct relationship *rel = export->rel;
	struct transfer *transfer = export->transfer;
	const struct cycle *cycle = &rel->cycle;

	rel->busy = false;
	if (result == 0) {
		snprintf(transfer->text, sizeof(transfer->text),
			 "%s is in %.300s, as of cycle %" PRIu64
			 ": carry it to the other side and run there: vmreplica import DIRECTORY",
			 transfer->vm, transfer->directory, cycle->cut.seq);
	} else {
		snprintf(transfer->text, sizeof(transfer->text), "it is not complete: %.500s",
			 cycle->trouble.code[0] != '\0' ? cycle->trouble.text : "stopped");
		snprintf(transfer->advice, sizeof(transfer->advice),
			 "vmreplica export again goes on where it was");
	}
	if (cycle->harm[0] != '\0') {
		engine_event(rel->engine, "error", rel->settings.vm, "%s", cycle->harm);
	}
	transfer_end(transfer, result);
	relationship_tick(rel, clock_monotonic_ms());
	engine_wake(rel->engine);
	free(export);
}

static int export_refuse(struct transfer *transfer, int error, const char *text, const char *advice)
{
	snprintf(transfer->text, sizeof(transfer->text), "%s", text);
	snprintf(transfer->advice, sizeof(transfer->advice), "%s", advice);
	return error;
}

int export_begin(struct transfer *transfer, struct relationship *rel)
{
	const struct config *config = rel->engine->config;
	struct export *export;

	if (rel->last_replicated_ms != 0) {
		return export_refuse(transfer, -EEXIST, "its replica is complete already",
				     "there is nothing to export for");
	}
	if (!relationship_waits_for_copy(rel)) {
		return export_refuse(transfer, -EBUSY, "its initial replication goes over the line",
				     "to have it travel on media, begin with: vmreplica protect "
				     "--existing-copy");
	}
	if (rel->busy || !rel->ready || rel->stopping) {
		return export_refuse(transfer, -EBUSY, "the VM is being looked at",
				     "try again in a moment");
	}
	export = calloc(1, sizeof(*export));
	if (export == NULL) {
		return export_refuse(transfer, -ENOMEM, "out of memory", "");
	}
	*export = (struct export){.transfer = transfer, .rel = rel, .dir_fd = -1};
	rel->cycle = (struct cycle){
		.settings = &rel->settings,
		.site = config->site,
		.node = config->node,
		.connection = rel->engine->libvirt,
		.scratch_directory = config->scratch_directory,
		.scratch_reserve_bytes = config->scratch_reserve_bytes,
		.scratch_cap_bytes = config->scratch_cap_bytes,
		.socket_directory = ENGINE_BACKUP_DIR,
		.pool = rel->engine->pool,
		.peer = &rel->peer,
		.progress = &rel->progress,
		.epoch = rel->epoch,
	};
	canceller_reset(&rel->peer.canceller);
	rel->cancelled = false;
	relationship_unwatch_peer(rel);
	if (workers_submit(rel->engine->task_workers, export_run, export_done, export) < 0) {
		free(export);
		return export_refuse(transfer, -ENOMEM, "out of memory", "");
	}
	rel->busy = true;
	return 0;
}
