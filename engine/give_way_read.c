/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where an old primary's disks differ from the last cycle that the other side received: its bitmap
 * since that cut, read offline. On a worker. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/cycle_reader.h"
#include "engine/give_way.h"
#include "engine/give_way_keep.h"
#include "engine/host_vm.h"
#include "engine/source_define.h"
#include "engine/store_directory.h"
#include "engine/wrap_record.h"
#include "proto/extent_file.h"

#define EXTENTS_NAME "adopted.extents"

/* One reading. */
struct reading {
	struct give_way *way;
	struct source *source;
	struct source_job *job;
	struct checkpoint_name since;
	struct extent_file_disk disks[DISKS_MAX];
	struct dirty_map *maps[DISKS_MAX];
	size_t source_index[DISKS_MAX];
	uint64_t sizes[DISKS_MAX];
	uint32_t count;
};

/* It is not known: everything will be compared. */
static int not_known(struct give_way *way, const char *why)
{
	snprintf(way->text, sizeof(way->text), "%s", why);
	way->adopt.digest = true;
	way->adopt.extents[0] = '\0';
	return 0;
}

static bool list_disks(struct reading *reading)
{
	for (size_t i = 0; i < source_disk_count(reading->source); i++) {
		const struct source_disk *disk = source_disk_at(reading->source, i);
		uint32_t at = reading->count;

		if (disk->excluded) {
			continue;
		}
		if (disk->problem != NULL || at == DISKS_MAX) {
			return false;
		}
		memcpy(reading->disks[at].name, disk->name, sizeof(disk->name));
		reading->disks[at].size_bytes = reading->sizes[at] = disk->size_bytes;
		reading->way->size_bytes += disk->size_bytes;
		reading->source_index[at] = i;
		reading->count++;
	}
	return reading->count > 0;
}

/* The cut that the other side received last, sound on every disk; no other cut of ours is known to
 * be in its history for sure. */
static bool find_since(struct reading *reading)
{
	const struct give_way *way = reading->way;
	struct checkpoint_name *names = NULL;
	char error[SOURCE_ERROR_LEN];
	size_t count = 0, broken = 0;
	bool found = false;

	if (source_checkpoints(reading->source, way->contact.relationship, &names, &count, &broken,
			       error) < 0) {
		return false;
	}
	for (size_t i = 0; i < count && broken == 0 && !found; i++) {
		found = names[i].seq == way->last_seq &&
			strcmp(names[i].cut_id, way->last_cut_id) == 0;
		if (found) {
			reading->since = names[i];
		}
	}
	free(names);
	return found;
}

/* Everything that the job calls dirty, on all disks. */
static int look(struct reading *reading, char *why, size_t size)
{
	struct resume_range ranges[DISKS_MAX];
	struct resume_plan plan = {.ranges = ranges};
	struct canceller canceller;
	struct trouble trouble = {0};
	struct cycle_reader reader = {
		.job = reading->job,
		.source_index = reading->source_index,
		.disk_sizes = reading->sizes,
		.disk_count = reading->count,
		.plan = &plan,
		.maps = reading->maps,
		.canceller = &canceller,
		.trouble = &trouble,
	};
	int result;

	for (uint32_t i = 0; i < reading->count; i++) {
		ranges[plan.range_count++] =
			(struct resume_range){i, 0, reading->sizes[i], RESUME_DIRTY};
	}
	canceller_init(&canceller);
	result = cycle_reader_look(&reader, reading->maps);
	cycle_reader_close(&reader);
	canceller_destroy(&canceller);
	if (result < 0) {
		snprintf(why, size, "%s", trouble.text);
	}
	return result;
}

static uint64_t count_bytes(struct reading *reading)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < reading->count; i++) {
		uint64_t at = 0, offset, length;

		reading->disks[i].map = reading->maps[i];
		while (at < reading->sizes[i] &&
		       dirty_map_next(reading->maps[i], at, reading->sizes[i] - at, &offset,
				      &length)) {
			bytes += length;
			at = offset + length;
		}
	}
	return bytes;
}

/* Into the directory of the store that will adopt them, which the receiver reads. */
static int write_extents(struct reading *reading)
{
	struct give_way *way = reading->way;
	struct give_way_store store;
	int result = give_way_store_open(way, &store);

	if (result < 0) {
		return result;
	}
	result = extent_file_write_for(store.fd, EXTENTS_NAME, reading->disks, reading->count,
				       store.uid, store.gid);
	close(store.fd);
	if (result < 0) {
		snprintf(way->text, sizeof(way->text), "%.200s: %s", store.directory,
			 strerror(-result));
	} else if (snprintf(way->adopt.extents, sizeof(way->adopt.extents), "%s/%s",
			    store.directory, EXTENTS_NAME) >= (int)sizeof(way->adopt.extents)) {
		result = -ENAMETOOLONG;
	}
	return result;
}

static int read_changes(struct reading *reading)
{
	struct give_way *way = reading->way;
	struct source_job_request request = {.incremental = &reading->since};
	char why[SOURCE_ERROR_LEN] = "";
	int result = source_job_begin(reading->source, &request, &reading->job, why);

	if (result < 0) {
		return not_known(way, why);
	}
	result = look(reading, why, sizeof(why));
	if (result == 0) {
		result = source_job_confirm(reading->job, why);
	}
	source_job_end(reading->job, way->text);
	if (result < 0) {
		return not_known(way, why);
	}
	way->bytes = count_bytes(reading);
	return way->bytes > 0 ? write_extents(reading) : 0;
}

/* Of a wrapped disk the bitmap says less than all when somebody else wrote to the raw disk. What
 * the record then says stays: nothing but the comparison that follows answers it. */
static bool is_doubted(struct reading *reading, char why[SOURCE_ERROR_LEN])
{
	for (size_t i = 0; i < source_disk_count(reading->source); i++) {
		const struct source_disk *disk = source_disk_at(reading->source, i);
		struct wrap_record record;

		if (disk->excluded || disk->problem != NULL || disk->data_path == NULL) {
			continue;
		}
		wrap_record_event(disk->path, disk->data_path, WRAP_EVENT_LAST,
				  reading->way->engine->config->node, &record);
		if (record.state == WRAP_DOUBT) {
			snprintf(why, SOURCE_ERROR_LEN,
				 "the raw disk of %s may hold changes that nobody tracked: %s",
				 disk->name, record.why);
			return true;
		}
	}
	return false;
}

static int read_source(struct reading *reading)
{
	struct give_way *way = reading->way;
	char why[SOURCE_ERROR_LEN];

	give_way_keep(way, reading->source);
	if (!list_disks(reading)) {
		return not_known(way, "a disk cannot be looked at");
	}
	if (is_doubted(reading, why)) {
		return not_known(way, why);
	}
	if (!find_since(reading)) {
		return not_known(way, "the change bitmap since the last cycle that was received is "
				      "gone or not sound");
	}
	return read_changes(reading);
}

/* What was defined for this reading. Without a cluster the VM's own, too: nobody starts it on disks
 * that a replica is to stand on. */
static int forget(const struct give_way *way, char error[SOURCE_ERROR_LEN])
{
	return way->engine->config->standalone
		       ? host_vm_forget(way->engine->libvirt, way->contact.vm, way->definition,
					error)
		       : source_undefine(way->engine->libvirt, way->contact.vm, error);
}

int give_way_read(struct give_way *way)
{
	const struct config *config = way->engine->config;
	cleanup_free const char **exclude = vm_settings_exclude_list(&way->settings);
	struct reading reading = {.way = way};
	struct source_options options = {
		.vm = way->contact.vm,
		.exclude_disks = exclude,
		.scratch_directory = config->scratch_directory,
		.scratch_reserve_bytes = config->scratch_reserve_bytes,
		.scratch_cap_bytes = config->scratch_cap_bytes,
		.socket_directory = ENGINE_BACKUP_DIR,
	};
	char error[SOURCE_ERROR_LEN];
	int result;

	way->bytes = way->size_bytes = 0;
	way->text[0] = '\0';
	way->adopt = (struct adopt_order){.seq = way->from_seq};
	memcpy(way->adopt.cut_id, way->from_cut_id, sizeof(way->adopt.cut_id));
	if (exclude == NULL) {
		snprintf(way->text, sizeof(way->text), "out of memory");
		return -ENOMEM;
	}
	result = give_way_keep_definition(way);
	if (result == 0) {
		result = source_define(way->engine->libvirt, way->contact.vm, way->definition,
				       way->text);
	}
	if (result == 0) {
		result = source_open(way->engine->libvirt, &options, &reading.source, way->text);
	}
	if (result == 0) {
		result = read_source(&reading);
		source_close(reading.source);
	}
	for (size_t i = 0; i < DISKS_MAX; i++) {
		dirty_map_free(reading.maps[i]);
	}
	if (result == 0 && forget(way, error) < 0) {
		snprintf(way->text, sizeof(way->text), "%s", error);
		return -EAGAIN;
	}
	return result;
}
