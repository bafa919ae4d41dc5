/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first cycle after a failover's change of direction carries more than what changed here since:
 * what the logs wrote that this side had received beyond the cycle that its VM began from (a file,
 * made when the direction changed), and what the old primary wrote that nobody received (EXTENTS of
 * its WELCOME). Both stay until that cycle is committed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/cycle.h"
#include "proto/extent_file.h"

bool cycle_has_extra(const struct cycle *cycle)
{
	return (cycle->extents_path != NULL && cycle->extents_path[0] != '\0') ||
	       peer_has_extents(cycle->peer);
}

static int make_maps(struct cycle *cycle)
{
	for (uint32_t i = 0; i < cycle->disk_count; i++) {
		if (cycle->maps[i] == NULL) {
			cycle->maps[i] = dirty_map_new(cycle->disk_sizes[i]);
		}
		if (cycle->maps[i] == NULL) {
			return trouble_set(&cycle->trouble, -ENOMEM, SCHEDULE_FAILED, "memory",
					   "out of memory");
		}
	}
	return 0;
}

static void add_peers(struct cycle *cycle)
{
	for (uint32_t i = 0; i < cycle->disk_count; i++) {
		uint64_t at = 0, offset, length, size = cycle->disk_sizes[i];

		while (cycle->peer->extents[i] != NULL && at < size &&
		       dirty_map_next(cycle->peer->extents[i], at, size - at, &offset, &length)) {
			dirty_map_set(cycle->maps[i], offset, length);
			at = offset + length;
		}
	}
}

/* A list that is lost or torn is a term that is missing: all is compared. */
static int add_file(struct cycle *cycle)
{
	struct extent_file_disk disks[DISKS_MAX] = {0};
	char error[EXTENT_FILE_ERROR_LEN] = "";
	int result;

	for (uint32_t i = 0; i < cycle->disk_count; i++) {
		memcpy(disks[i].name, cycle->disks[i].name, sizeof(disks[i].name));
		disks[i].size_bytes = cycle->disk_sizes[i];
		disks[i].map = cycle->maps[i];
	}
	result = extent_file_read(cycle->extents_path, disks, cycle->disk_count, error);
	if (result < 0) {
		cycle->checkpoint_gone = true;
		return trouble_set(&cycle->trouble, result, SCHEDULE_CONTINUED, "extents-gone",
				   "what was received before the failover cannot be told any more "
				   "(%s: %s): everything is compared",
				   cycle->extents_path,
				   error[0] != '\0' ? error : strerror(-result));
	}
	return 0;
}

int cycle_take_extra(struct cycle *cycle)
{
	int result;

	if (cycle->plan.kind != VMREPLICA__WIRE__MODE__MODE_DELTA || !cycle_has_extra(cycle)) {
		return 0;
	}
	result = make_maps(cycle);
	if (result == 0) {
		add_peers(cycle);
	}
	if (result == 0 && cycle->extents_path != NULL && cycle->extents_path[0] != '\0') {
		result = add_file(cycle);
	}
	return result;
}
