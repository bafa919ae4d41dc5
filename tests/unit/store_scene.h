/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the store of a scene says of itself, and what the model's disks held at every cut, so that
 * whatever image it lists can be judged. */
#ifndef VMR_TESTS_STORE_SCENE_H
#define VMR_TESTS_STORE_SCENE_H

#include "receiver/manifest.h"
#include "replica_scene.h"

/* What the disks held at a cut (the last 512 are known). */
struct cut_note {
	uint64_t seq;
	uint64_t digest[MODEL_DISKS];
};

/* Note what the model holds as the cut of cycle seq; as that of the sender's last commit. */
void scene_note_as(uint64_t seq);
void scene_note(void);
void scene_note_put(const struct cut_note *note); /* what is known from elsewhere */
void scene_notes_clear(void);
const struct cut_note *scene_cut_find(uint64_t seq); /* NULL: not noted */
/* The qcow2 image reads as disk index was at the cut of cycle seq. */
bool scene_reads(const char *path, uint64_t seq, unsigned int index);

/* The manifest as it is on disk. Caller destroys. */
struct manifest scene_manifest(void);
/* Make a file or directory the receiver's user's. */
void scene_give(const char *path);
/* Every point of the manifest reads as its cut was, while nothing merges. How many there are. */
size_t scene_points_judge(void);
/* The longest chain of the current image; wait until it has that many layers at most. */
size_t scene_layers(void);
bool scene_layers_wait(size_t most, int timeout_ms);

/* The check of the store finds nothing without a second source, a log or a sum; wait for that. */
bool scene_sums_are_whole(void);
bool scene_sums_wait(int timeout_ms);

#endif
