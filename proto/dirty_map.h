/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed on one disk: a bit for each 64 KiB (QEMU's usual bitmap
 * granularity), 2 MiB for a disk of 1 TiB however fragmented its changes are. Pure.
 */
#ifndef VMR_PROTO_DIRTY_MAP_H
#define VMR_PROTO_DIRTY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIRTY_MAP_GRANULE (64u * 1024u)

struct dirty_map;

/* A clean map of a disk of size_bytes. NULL when out of memory. */
struct dirty_map *dirty_map_new(uint64_t size_bytes);
void dirty_map_free(struct dirty_map *map); /* NULL allowed */
/* Mark [offset, offset + length) dirty, widened to granules and cut at the disk's end. */
void dirty_map_set(struct dirty_map *map, uint64_t offset, uint64_t length);
/* First dirty run that intersects [offset, offset + length), cut to it. False: none. */
bool dirty_map_next(const struct dirty_map *map, uint64_t offset, uint64_t length,
		    uint64_t *ret_offset, uint64_t *ret_length);

#endif
