/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/selection.h"

/* A clean extent of the job may still hold what the look-only job found. */
static int selection_add_mapped(struct extent_list *list, const struct nbd_extent *extent,
				const struct dirty_map *map)
{
	uint64_t offset = extent->offset, end = extent->offset + extent->length;
	uint64_t run_offset, run_length;

	while (dirty_map_next(map, offset, end - offset, &run_offset, &run_length)) {
		int result = extent_list_add(list, run_offset, run_length, extent->zero);

		if (result < 0) {
			return result;
		}
		offset = run_offset + run_length;
		if (offset >= end) {
			break;
		}
	}
	return 0;
}

int selection_add(struct extent_list *list, const struct nbd_extent *extent, enum resume_rule rule,
		  const struct dirty_map *map)
{
	bool selected = true;

	switch (rule) {
	case RESUME_DIRTY:
		selected = extent->dirty;
		break;
	case RESUME_DIRTY_OR_MAP:
		if (!extent->dirty && map != NULL) {
			return selection_add_mapped(list, extent, map);
		}
		break;
	case RESUME_ALLOCATED:
		selected = !extent->zero;
		break;
	case RESUME_ALL:
	case RESUME_DIGEST:
		break;
	}
	if (!selected || extent->length == 0) {
		return 0;
	}
	return extent_list_add(list, extent->offset, extent->length, extent->zero);
}

int selection_add_changed(struct extent_list *list, const struct nbd_extent *extent,
			  enum resume_rule rule, const struct dirty_map *map,
			  const struct dirty_map *changed)
{
	uint64_t offset = extent->offset, end = extent->offset + extent->length;
	int result = 0;

	while (offset < end && result == 0) {
		struct nbd_extent part = *extent;
		uint64_t run_offset, run_length;

		part.offset = offset;
		bool found =
			dirty_map_next(changed, offset, end - offset, &run_offset, &run_length);

		part.offset = offset;
		part.dirty = found && run_offset == offset;
		part.length = part.dirty ? run_length : (found ? run_offset : end) - offset;
		result = selection_add(list, &part, rule, map);
		offset += part.length;
	}
	return result;
}
