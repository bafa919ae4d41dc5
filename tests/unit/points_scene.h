/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scene whose replica keeps recovery points, and what the disks held at every cut, so that
 * whatever the store lists can be judged. */
#ifndef VMR_TESTS_POINTS_SCENE_H
#define VMR_TESTS_POINTS_SCENE_H

#include "receiver/manifest.h"
#include "replica_scene.h"

/* What the disks held at a cut (the last 256 are known). */
struct cut_note {
	uint64_t seq;
	uint64_t digest[MODEL_DISKS];
};

/* A store that keeps points, with an initial replication; cut times advance by step_ms a cycle. */
void points_begin(uint32_t points, uint32_t interval_s, int64_t step_ms);
void points_end(void);
/* Note what the model holds as the cut of cycle seq; as that of the sender's last commit. */
void points_note_as(uint64_t seq);
void points_note(void);
const struct cut_note *points_cut_find(uint64_t seq); /* NULL: not noted */
/* A delta that is committed, and noted. */
void points_cycle(int changes);
void points_applied_wait(void);

/* The manifest as it is on disk. Caller destroys. */
struct manifest points_manifest(void);
/* Every point of the manifest reads as its cut; how many there are. */
size_t points_check(void);
/* Wait until there are count points (one is recorded a moment after its cycle is applied); judge
 * them; how many there are. */
size_t points_wait(size_t count);
/* The longest chain of the current image; wait until it has that many layers at most. */
size_t points_layers_count(void);
bool points_merges_wait(size_t layers, int timeout_ms);

#endif
