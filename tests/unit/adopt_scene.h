/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An old primary whose disks become a replica: the disks, what the engine tells of them, and the
 * new primary. */
#ifndef VMR_TESTS_ADOPT_SCENE_H
#define VMR_TESTS_ADOPT_SCENE_H

#include "takeover_scene.h"

#define CUT_SEQ 7
#define CUT_ID	"00000000deadbeef"
#define BITMAP	"vmreplica-" RIG_RELATIONSHIP "-1-7-" CUT_ID

/* The disks' images, outside of the store; the list of where they differ ("" = there is none). */
extern char adopted_paths[MODEL_DISKS][RIG_PATH], adopted_extents[RIG_PATH];
/* They are raw disks with a header over each. */
extern bool adopted_wrapped;

/* The model's disks as the old primary has them, with a bitmap of ours and one of another tool. */
void adopted_disks_make(void);
/* A model and a store's directory, taking_init; the old primary went on for a while from the cut
 * that both know, the new one did, too. taking_end ends it. */
void adopted_begin(uint32_t points);
/* STORE_ADOPT in epoch number, with the list or (digest) without. */
void adopted_tell(uint64_t number, bool digest);
/* The new primary, about to connect. */
void adopted_sender(void);

#endif
