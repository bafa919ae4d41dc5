/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A check of one recovery point: what it is made of, and what bears it out, is all that is left to
 * look at. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/check.h"

/* Chains up to the point's own layers. */
static void image_narrow(struct manifest_image *image, const struct manifest_point *point)
{
	size_t kept = 0;

	for (size_t i = 0; i < image->disk_count; i++) {
		size_t count = manifest_point_depth(point, &image->disks[i]);

		if (count == 0) {
			free(image->disks[i].layers);
			continue;
		}
		image->disks[kept] = image->disks[i];
		image->disks[kept].layer_count = count;
		image->disks[kept++].size_bytes = 0; /* the point says it */
		for (size_t k = 0; k < point->disk_count; k++) {
			if (strcmp(point->disks[k].name, image->disks[kept - 1].name) == 0) {
				image->disks[kept - 1].size_bytes = point->disks[k].size_bytes;
			}
		}
	}
	image->disk_count = kept;
}

static void logs_narrow(struct check *check, uint64_t after_seq, uint64_t to_seq)
{
	struct manifest *m = &check->manifest;
	struct history *history = &check->history;
	size_t first = 0, end;

	while (first < history->count && history->entries[first].seq <= after_seq) {
		first++;
	}
	history_drop(history, first);
	for (end = 0; end < history->count && history->entries[end].seq <= to_seq;) {
		end++;
	}
	history->count = end;
	for (first = 0; first < m->log_count && m->logs[first].seq <= after_seq;) {
		first++;
	}
	manifest_log_drop(m, first);
	for (end = 0; end < m->log_count && m->logs[end].seq <= to_seq;) {
		end++;
	}
	m->log_count = end;
}

int check_narrow(struct check *check, uint64_t seq)
{
	struct manifest *m = &check->manifest;
	const struct manifest_point *point;
	size_t index = 0;

	while (index < m->point_count && m->points[index].cut.seq != seq) {
		index++;
	}
	if (index == m->point_count) {
		return -ENOENT;
	}
	/* the one before it stays: logs lead from there */
	manifest_point_drop(m, index > 0 ? index - 1 : 0);
	index = index > 0 ? 1 : 0;
	while (m->point_count > index + 1) {
		free(m->points[--m->point_count].disks);
	}
	point = &m->points[index];
	logs_narrow(check, index > 0 ? m->points[0].cut.seq : seq, seq);
	image_narrow(&m->current, point);
	image_narrow(&m->retired, point);
	manifest_image_destroy(&m->pending);
	m->pin_count = 0;
	m->committed = point->cut;
	m->applied_seq = seq;
	m->batch_seq = 0;
	m->resync_needed = false;
	return 0;
}
