/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

int view_init(struct view *view)
{
	memset(view, 0, sizeof(*view));
	return pthread_mutex_init(&view->lock, NULL) == 0 ? 0 : -ENOMEM;
}

void view_destroy(struct view *view)
{
	free(view->disks);
	pthread_mutex_destroy(&view->lock);
}

static void view_lock(struct view *view)
{
	pthread_mutex_lock(&view->lock);
}

static void view_unlock(struct view *view)
{
	view->changed = true;
	pthread_mutex_unlock(&view->lock);
}

/* Without memory the old list stays: it is only shown. */
static void view_set_disks(struct view *view, const struct manifest_image *image,
			   const char *directory)
{
	struct view_disk *disks = calloc(image->disk_count + 1, sizeof(*disks));
	size_t count = 0;

	if (disks == NULL) {
		return;
	}
	for (size_t i = 0; i < image->disk_count; i++) {
		const struct manifest_disk *disk = &image->disks[i];
		struct view_disk *to = &disks[count];

		if (disk->leaving) {
			continue;
		}
		snprintf(to->name, sizeof(to->name), "%s", disk->name);
		to->size_bytes = disk->size_bytes;
		snprintf(to->top, sizeof(to->top), "%s/%s", directory,
			 manifest_disk_top(disk)->file);
		count++;
	}
	free(view->disks);
	view->disks = disks;
	view->disk_count = count;
}

static int64_t last_application_ms(const struct manifest *manifest)
{
	for (size_t i = manifest->point_count; i > 0; i--) {
		if (manifest->points[i - 1].application) {
			return manifest->points[i - 1].cut.time_ms;
		}
	}
	return 0;
}

void view_set_manifest(struct view *view, const struct manifest *manifest, const char *directory)
{
	view_lock(view);
	view->epoch = manifest->epoch;
	view->committed = manifest->committed;
	view->counters = manifest->counters;
	view->applied_seq = manifest->applied_seq;
	view->batch_seq = manifest->batch_seq;
	view->generation = manifest->generation;
	view->last_app_ms = last_application_ms(manifest);
	view->nvram_bytes = manifest->state_count > 0
				    ? manifest->states[manifest->state_count - 1].nvram_bytes
				    : 0;
	view->spool_bytes = manifest_spool_bytes(manifest);
	view->has_image = manifest->current.disk_count > 0;
	view->has_pending = manifest->pending.disk_count > 0;
	view->resync_needed = manifest->resync_needed;
	memcpy(view->peer_address, manifest->peer_address, sizeof(view->peer_address));
	view->adopting = manifest->adopted.pending;
	view->adopted_point = manifest_adopted_is_point(manifest);
	view->test = manifest->test;
	view->failover = manifest->failover;
	view->test.disks = view->failover.disks = NULL;
	view->test.disk_count = view->failover.disk_count = 0;
	memcpy(view->resync_reason, manifest->resync_reason, sizeof(view->resync_reason));
	view_set_disks(view, view->has_image ? &manifest->current : &manifest->pending, directory);
	if (view->committed_mono_ms == 0 && manifest->committed.seq != 0) {
		int64_t age_ms = clock_wall_ms() - manifest->committed.time_ms;

		/* After a restart the cut's label is all there is to go by. */
		view->committed_mono_ms = clock_monotonic_ms() - (age_ms > 0 ? age_ms : 0);
	}
	view_unlock(view);
}

static bool fact_set(struct view_fact *fact, const char *code, const char *reason)
{
	bool differs = strcmp(fact->code, code) != 0;

	snprintf(fact->code, sizeof(fact->code), "%s", code);
	snprintf(fact->reason, sizeof(fact->reason), "%s", reason);
	return differs;
}

bool view_set_storage(struct view *view, const char *code, const char *reason)
{
	bool differs;

	view_lock(view);
	differs = fact_set(&view->storage, code, reason);
	view_unlock(view);
	return differs;
}

bool view_set_stream(struct view *view, const char *code, const char *reason)
{
	bool differs;

	view_lock(view);
	differs = fact_set(&view->stream, code, reason);
	view_unlock(view);
	return differs;
}

bool view_set_merge(struct view *view, const char *code, const char *reason)
{
	bool differs;

	view_lock(view);
	differs = fact_set(&view->merge, code, reason);
	view_unlock(view);
	return differs;
}

/* Asked for with every tick: only a difference is a change. */
bool view_set_trust(struct view *view, const char *code, const char *reason)
{
	bool differs;

	pthread_mutex_lock(&view->lock);
	differs = fact_set(&view->trust, code, reason);
	view->changed = view->changed || differs;
	pthread_mutex_unlock(&view->lock);
	return differs;
}

void view_cycle_begin(struct view *view, Vmreplica__Wire__Mode mode, uint64_t total_bytes)
{
	view_lock(view);
	view->cycle = mode;
	view->done_bytes = view->wire_bytes = 0;
	view->total_bytes = total_bytes;
	rate_meter_init(&view->meter, clock_monotonic_ms());
	view_unlock(view);
}

void view_cycle_add(struct view *view, uint64_t data_bytes, uint64_t wire_bytes)
{
	pthread_mutex_lock(&view->lock); /* not a change of its own: the tick shows what moves */
	view->done_bytes += data_bytes;
	view->wire_bytes += wire_bytes;
	rate_meter_add(&view->meter, data_bytes, clock_monotonic_ms());
	pthread_mutex_unlock(&view->lock);
}

void view_cycle_end(struct view *view)
{
	view_lock(view);
	view->cycle = VMREPLICA__WIRE__MODE__MODE_NONE;
	view->done_bytes = view->total_bytes = view->wire_bytes = 0;
	view_unlock(view);
}

void view_set_peer_node(struct view *view, const char *peer_node)
{
	view_lock(view);
	snprintf(view->peer_node, sizeof(view->peer_node), "%s", peer_node);
	view_unlock(view);
}

void view_set_suspended(struct view *view, bool suspended)
{
	view_lock(view);
	view->suspended = suspended;
	view_unlock(view);
}

void view_set_frequency(struct view *view, uint32_t frequency_s)
{
	view_lock(view);
	view->frequency_s = frequency_s;
	view_unlock(view);
}

void view_set_peer(struct view *view, const Vmreplica__Wire__PeerState *state)
{
	view_lock(view);
	view->peer_known = true;
	view->peer_state = state->state;
	view->peer_health = state->health;
	snprintf(view->peer_reason, sizeof(view->peer_reason), "%s", state->reason);
	if (state->frequency_s != 0) {
		view->frequency_s = state->frequency_s;
	}
	view_unlock(view);
}

void view_set_committed_now(struct view *view, int64_t mono_ms)
{
	view_lock(view);
	view->committed_mono_ms = mono_ms;
	view_unlock(view);
}

static bool view_is_overdue(const struct view *view)
{
	return view->committed_mono_ms != 0 && view->frequency_s != 0 &&
	       view->cycle == VMREPLICA__WIRE__MODE__MODE_NONE &&
	       clock_monotonic_ms() - view->committed_mono_ms > VIEW_OVERDUE_MS(view->frequency_s);
}

bool view_take(struct view *view)
{
	bool moves, overdue;

	pthread_mutex_lock(&view->lock);
	overdue = view_is_overdue(view) &&
		  view->failover.kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE;
	view->changed = view->changed || overdue != view->overdue;
	view->overdue = overdue;
	moves = view->changed || view->cycle != VMREPLICA__WIRE__MODE__MODE_NONE ||
		(view->applied_seq < view->committed.seq &&
		 view->failover.kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE);
	view->changed = false;
	pthread_mutex_unlock(&view->lock);
	return moves;
}
