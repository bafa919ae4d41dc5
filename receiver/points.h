/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recovery points of an open store: which applied cycles become one, and what goes as newer
 * ones come. A point is a layer boundary: the disks' tops are closed, and the next write goes to
 * new layers over them. store->lock is held in every call; all block on storage.
 */
#ifndef VMR_RECEIVER_POINTS_H
#define VMR_RECEIVER_POINTS_H

#include "receiver/retention.h"
#include "receiver/store.h"

/* Applied logs that the manifest lists before they are moved to the history, many at once. */
#define POINTS_LOGS_MAX 32u

/* The settings as they are now. */
struct retention_settings points_settings(struct store *store);

/* Does the store keep points, or has it some still? Then applied logs are the history's. */
bool points_are_kept(struct store *store);

/* Would this log, once it is applied, become a point? Then nothing after it may be applied together
 * with it. */
bool points_log_is_due(struct store *store, const struct manifest_log *log);

/* The current image is what it was at cut: applied, flushed, attached, and nobody writes it. Makes
 * a point of it when one is due (always when the logs' chain begins there: forced), then lets go of
 * points and logs as the settings say. What cannot be done is reported and tried again with the
 * next cycle: replication goes on without it. */
void points_tend(struct store *store, const struct manifest_cut *cut, bool application,
		 bool forced);
/* As above without a new cut: the settings may have changed. */
void points_trim(struct store *store);

/* manifest_retire in next, the store's manifest to be: points that it costs are reported. 0 or
 * -ENOMEM. */
int points_retire(struct store *store, struct manifest *next, const struct manifest_image *image);

/* Move the applied logs of next but the newest few to the history, which is durable then. Errors as
 * history_append; the logs stay with next then. */
int points_take_logs(struct store *store, struct manifest *next, size_t keep);

#endif
