/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wrapped disks in a cycle: may their bitmaps be believed (wrap_witness.h)? */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "engine/cycle.h"
#include "engine/wrap_record.h"

static void note(struct cycle *cycle, const struct source_disk *disk, enum wrap_event event)
{
	struct wrap_record record;
	int result = wrap_record_event(disk->path, disk->data_path, event, cycle->node, &record);

	if (result < 0) {
		log_warning(
			"%s: the record beside %s cannot be written: %s; its next start will be "
			"followed by a resynchronization",
			cycle->settings->vm, disk->path, strerror(-result));
	}
	if (record.state == WRAP_DOUBT && cycle->doubt[0] == '\0') {
		snprintf(cycle->doubt, sizeof(cycle->doubt),
			 "the raw disk of %s may hold changes that nobody tracked: %s", disk->name,
			 record.why);
	}
}

static void note_all(struct cycle *cycle, enum wrap_event event)
{
	for (size_t i = 0; i < source_disk_count(cycle->source); i++) {
		const struct source_disk *disk = source_disk_at(cycle->source, i);

		if (!disk->excluded && disk->problem == NULL && disk->data_path != NULL) {
			note(cycle, disk, event);
		}
	}
}

static enum wrap_event found(const struct cycle *cycle)
{
	if (source_is_active(cycle->source)) {
		return WRAP_EVENT_RUNNING;
	}
	return cycle->final ? WRAP_EVENT_LAST : WRAP_EVENT_OFF;
}

/* A doubted disk's bitmaps are as good as lost: the plan then is a resynchronization. */
void cycle_ask_witness(struct cycle *cycle)
{
	note_all(cycle, found(cycle));
	if (cycle->doubt[0] != '\0') {
		cycle->broken += cycle->checkpoint_count > 0 || cycle->broken == 0 ? 1 : 0;
		cycle->checkpoint_count = 0;
	}
}

/* Now that none of our bitmaps is left, nothing but a whole comparison can go on from here. */
void cycle_settle_witness(struct cycle *cycle)
{
	if (cycle->doubt[0] != '\0') {
		note_all(cycle, source_is_active(cycle->source) ? WRAP_EVENT_SETTLED_RUNNING
								: WRAP_EVENT_SETTLED_OFF);
	}
}
