/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which part of what NBD says about a disk travels under a rule of the plan. Pure. */
#ifndef VMR_ENGINE_SELECTION_H
#define VMR_ENGINE_SELECTION_H

#include "common/nbd.h"
#include "proto/dirty_map.h"
#include "engine/extent_list.h"
#include "engine/resume.h"

/* Append to list what of extent is selected. map is needed for RESUME_DIRTY_OR_MAP only.
 * RESUME_DIGEST selects all: the walk over digests decides later. 0 or -ENOMEM, -EINVAL (out of
 * order). */
int selection_add(struct extent_list *list, const struct nbd_extent *extent, enum resume_rule rule,
		  const struct dirty_map *map);
/* The same when changed, not the extent's flag, says what is dirty. */
int selection_add_changed(struct extent_list *list, const struct nbd_extent *extent,
			  enum resume_rule rule, const struct dirty_map *map,
			  const struct dirty_map *changed);

#endif
