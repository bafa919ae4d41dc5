/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scene whose replica keeps recovery points, all of which can be judged. */
#ifndef VMR_TESTS_POINTS_SCENE_H
#define VMR_TESTS_POINTS_SCENE_H

#include "store_scene.h"

/* A store that keeps points, with an initial replication; cut times advance by step_ms a cycle. */
void points_begin(uint32_t points, uint32_t interval_s, int64_t step_ms);
void points_end(void);
/* A delta that is committed, and noted. */
void points_cycle(int changes);
void points_applied_wait(void);

/* Every point of the manifest reads as its cut; how many there are. */
size_t points_check(void);
/* Wait until there are count points (one is recorded a moment after its cycle is applied); judge
 * them; how many there are. */
size_t points_wait(size_t count);

#endif
