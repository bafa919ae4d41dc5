/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list of changed extents, which one process leaves for another, of any bytes. What is taken lies
 * in its disks, and is written as a list that reads as the same.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mutate_pieces.h"
#include "proto/extent_file.h"
#include "scratch_file.h"

#define DISKS 3u

/* The last one does not end with a granule. */
static const uint64_t sizes[DISKS] = {1 << 20, 1 << 24, (3 << 20) + 12345};

static void disks_init(struct extent_file_disk disks[DISKS])
{
	static const char *const names[DISKS] = {"vda", "vdb", "sda"};

	for (size_t i = 0; i < DISKS; i++) {
		strcpy(disks[i].name, names[i]);
		disks[i].size_bytes = sizes[i];
		disks[i].map = dirty_map_new(sizes[i]);
		assert(disks[i].map != NULL);
	}
}

static void disks_destroy(struct extent_file_disk disks[DISKS])
{
	for (size_t i = 0; i < DISKS; i++) {
		dirty_map_free(disks[i].map);
	}
}

static void check_same(const struct extent_file_disk *one, const struct extent_file_disk *other)
{
	uint64_t at = 0, start, len, other_start, other_len;
	bool found, other_found;

	do {
		found = dirty_map_next(one->map, at, one->size_bytes - at, &start, &len);
		other_found = dirty_map_next(other->map, at, other->size_bytes - at, &other_start,
					     &other_len);
		assert(found == other_found);
		if (found) {
			assert(start == other_start && len == other_len && len > 0);
			assert(start >= at && start + len <= one->size_bytes);
			at = start + len;
		}
	} while (found && at < one->size_bytes);
}

static void check_again(const struct extent_file_disk disks[DISKS])
{
	static int dir_fd = -1;
	char error[EXTENT_FILE_ERROR_LEN], path[256];
	struct extent_file_disk again[DISKS];
	int r;

	if (dir_fd < 0) {
		dir_fd = open(scratch_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert(dir_fd >= 0);
	}
	disks_init(again);
	r = extent_file_write(dir_fd, "again", disks, DISKS);
	assert(r == 0);
	snprintf(path, sizeof(path), "%s/again", scratch_directory());
	r = extent_file_read(path, again, DISKS, error);
	assert(r == 0);
	for (size_t i = 0; i < DISKS; i++) {
		check_same(&disks[i], &again[i]);
	}
	disks_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[EXTENT_FILE_ERROR_LEN] = "";
	struct extent_file_disk disks[DISKS];
	int r;

	disks_init(disks);
	r = extent_file_read(scratch_file_put("extents", data, size), disks, DISKS, error);
	assert(r == 0 || (r == -EBADMSG && error[0] != '\0'));
	check_again(disks); /* also what stood before the line that was wrong */
	disks_destroy(disks);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_lines(&mutate, data, size, max_size);
}
