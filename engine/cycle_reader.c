/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/cycle_reader.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int cycle_reader_open(struct cycle_reader *reader, uint32_t disk)
{
	char error[SOURCE_ERROR_LEN] = "";
	int result;

	if (reader->disk != NULL && reader->disk_open == disk) {
		return 0;
	}
	nbd_disk_close(reader->disk);
	reader->disk = NULL;
	result =
		source_job_disk_open(reader->job, reader->source_index[disk], &reader->disk, error);
	if (result < 0) {
		return trouble_set(reader->trouble, result, SCHEDULE_FAILED, "read",
				   "a disk of the VM cannot be opened for reading: %s", error);
	}
	reader->disk_open = disk;
	if (nbd_disk_size(reader->disk) != reader->disk_sizes[disk]) {
		return trouble_set(
			reader->trouble, -ESTALE, SCHEDULE_MISSED, "disk-resized",
			"a disk of the VM was resized; the next cycle takes the new size");
	}
	return 0;
}

void cycle_reader_close(struct cycle_reader *reader)
{
	/* buffers of reads in flight are written by libnbd's handle only while it lives */
	nbd_disk_close(reader->disk);
	reader->disk = NULL;
	for (; reader->read_count > 0; reader->read_count--) {
		struct reader_read *read = &reader->reads[reader->read_first];

		pipeline_buffer_give(reader->pipeline, read->item.buffer);
		read->item.buffer = NULL;
		reader->read_first = (reader->read_first + 1) % READER_PENDING;
	}
	extent_list_destroy(&reader->list);
}

struct select_arg {
	struct cycle_reader *reader;
	enum resume_rule rule;
	const struct dirty_map *map;
	const struct dirty_map *changed; /* the job's own word on what is dirty, or NULL */
};

static int select_extent_cb(void *arg, const struct nbd_extent *extent)
{
	struct select_arg *select = arg;

	if (select->changed != NULL) {
		return selection_add_changed(&select->reader->list, extent, select->rule,
					     select->map, select->changed);
	}
	return selection_add(&select->reader->list, extent, select->rule, select->map);
}

int reader_select(struct cycle_reader *reader, uint32_t disk, uint64_t offset, uint64_t length,
		  enum resume_rule rule)
{
	struct select_arg select = {
		.reader = reader,
		.rule = rule,
		.map = reader->maps != NULL ? reader->maps[disk] : NULL,
		.changed = source_job_changed(reader->job, reader->source_index[disk]),
	};
	int result = reader_watch(reader);

	if (result < 0) {
		return result;
	}
	extent_list_clear(&reader->list);
	result = nbd_disk_extents(reader->disk, offset, length, select_extent_cb, &select);
	if (result == 0) {
		extent_list_clip(&reader->list, offset, length);
	}
	return result < 0 ? reader_read_failed(reader, result) : 0;
}

static int reader_send_window(struct cycle_reader *reader, uint32_t disk)
{
	struct chunk_cursor cursor;
	struct extent chunk;
	int result = 0;

	chunk_cursor_init(&cursor, &reader->list, PIPELINE_CHUNK);
	while (result == 0 && chunk_cursor_next(&cursor, &chunk)) {
		struct pipeline_item item = {.kind = chunk.zero ? PIPELINE_ZERO : PIPELINE_DATA,
					     .disk = disk,
					     .offset = chunk.offset,
					     .length = chunk.length,
					     .progress = chunk.zero ? 0 : chunk.length};

		if (!chunk.zero) {
			result = reader_begin(reader, &item, NULL);
			continue;
		}
		result = reader_finish_all(reader); /* items keep the send order */
		if (result == 0) {
			result = reader_push(reader, &item);
		}
	}
	return result;
}

static int reader_send_range(struct cycle_reader *reader, const struct resume_range *range)
{
	int result = cycle_reader_open(reader, range->disk);

	if (result == 0 && range->rule == RESUME_DIGEST) {
		return cycle_digest_range(reader, range);
	}
	for (uint64_t done = 0; done < range->length && result == 0; done += READER_WINDOW) {
		result = reader_select(reader, range->disk, range->offset + done,
				       min_u64(READER_WINDOW, range->length - done), range->rule);
		if (result == 0) {
			result = reader_send_window(reader, range->disk);
		}
	}
	return result == 0 ? reader_finish_all(reader) : result;
}

/* From here on marks are of the new cut; in a resumed cycle one is asked for at once, so that the
 * first cut's bitmap is no longer needed. */
static int reader_enter_phase_b(struct cycle_reader *reader)
{
	struct pipeline_item item = {.kind = PIPELINE_POSITION};

	reader->markable = true;
	if (!reader->plan->resumed) {
		return 0;
	}
	item.disk = reader->plan->mark.disk;
	item.offset = reader->plan->mark.offset;
	return reader_push(reader, &item);
}

int cycle_reader_run(struct cycle_reader *reader)
{
	const struct resume_plan *plan = reader->plan;
	int result = 0;

	for (size_t i = 0; i <= plan->range_count && result == 0; i++) {
		if (i == plan->phase_b) {
			result = reader_enter_phase_b(reader);
		}
		if (result == 0 && i < plan->range_count) {
			result = reader_send_range(reader, &plan->ranges[i]);
		}
	}
	return result;
}

int cycle_reader_estimate(struct cycle_reader *reader, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < reader->plan->range_count; i++) {
		const struct resume_range *range = &reader->plan->ranges[i];
		int result = cycle_reader_open(reader, range->disk);

		if (range->rule == RESUME_DIGEST && result == 0) {
			bytes += range->length;
			continue;
		}
		for (uint64_t done = 0; done < range->length && result == 0;
		     done += READER_WINDOW) {
			result = reader_select(reader, range->disk, range->offset + done,
					       min_u64(READER_WINDOW, range->length - done),
					       range->rule);
			bytes += result == 0 ? extent_list_data_bytes(&reader->list) : 0;
		}
		if (result < 0) {
			return result;
		}
	}
	*ret_bytes = bytes;
	return 0;
}

static int reader_look_range(struct cycle_reader *reader, const struct resume_range *range,
			     struct dirty_map *map)
{
	int result = cycle_reader_open(reader, range->disk);

	for (uint64_t done = 0; done < range->length && result == 0; done += READER_WINDOW) {
		result = reader_select(reader, range->disk, range->offset + done,
				       min_u64(READER_WINDOW, range->length - done), RESUME_DIRTY);
		for (size_t i = 0; i < reader->list.count && result == 0; i++) {
			dirty_map_set(map, reader->list.items[i].offset,
				      reader->list.items[i].length);
		}
	}
	return result;
}

int cycle_reader_look(struct cycle_reader *reader, struct dirty_map **maps)
{
	const struct resume_plan *plan = reader->plan;

	for (size_t i = plan->phase_b; i < plan->range_count; i++) {
		const struct resume_range *range = &plan->ranges[i];
		int result;

		if (maps[range->disk] == NULL) {
			maps[range->disk] = dirty_map_new(reader->disk_sizes[range->disk]);
		}
		if (maps[range->disk] == NULL) {
			return trouble_set(reader->trouble, -ENOMEM, SCHEDULE_FAILED, "memory",
					   "out of memory");
		}
		result = reader_look_range(reader, range, maps[range->disk]);
		if (result < 0) {
			return result;
		}
	}
	return 0;
}
