// SPDX-License-Identifier: GPL-2.0-or-later
/* What the lab guest's writer puts on its disks, so that an image can be judged from its own
 * content.  tests/lab/guestdisk.py has the other half of this layout.
 *
 * Each disk:  0         header block
 *             8 KiB     anchor block
 *             1 MiB     ring: RING_SLOTS slots of 4 KiB
 *             64 MiB    load area, to the end of the disk
 *
 * Record n lies on disk n % 2, slot (n / 2) % RING_SLOTS, and is written only after record n-1
 * was flushed.  A record carries load_done: all load blocks below it were flushed before the
 * record was made.  The anchor is rewritten, and flushed, before each record whose number is
 * disk (mod 16): a block that is always old when an older write came after a newer one, which
 * the ring alone would show as an older, but true, point in time.  So whatever order the storage
 * below us keeps or breaks is visible.
 */
#ifndef LAB_LAYOUT_H
#define LAB_LAYOUT_H

#include <stdint.h>

enum {
	BLOCK = 4096,
	DISKS = 2,
	RING_SLOTS = 2048,
	ANCHOR_EVERY = 16,
	BATCH_BLOCKS = 256, /* load is written in batches of 1 MiB, alternating over the disks */
};
#define ANCHOR_OFFSET (2LL * BLOCK)
#define RING_OFFSET   (1LL << 20)
#define LOAD_OFFSET   (64LL << 20)
#define BATCH_BYTES   ((int64_t)BATCH_BLOCKS * BLOCK)

#define HEADER_MAGIC 0x31524448424c4d56ULL /* "VMLBHDR1" */
#define RECORD_MAGIC 0x31434552424c4d56ULL /* "VMLBREC1" */
#define ANCHOR_MAGIC 0x31434e41424c4d56ULL /* "VMLBANC1" */
#define LOAD_MAGIC   0x31444f4c424c4d56ULL /* "VMLBLOD1" */

struct header {
	uint64_t magic;
	uint8_t run[16];
	uint32_t disk, disks;
	uint64_t ring_offset, ring_slots, load_offset, load_batches;
	uint8_t pad[BLOCK - 8 - 16 - 8 - 32 - 4];
	uint32_t crc;
} __attribute__((packed));

struct record {
	uint64_t magic;
	uint8_t run[16];
	uint64_t seq;
	uint32_t disk, slot;
	uint64_t monotonic_ns, realtime_ns;
	int64_t rtc_s;	/* follows the host's clock even while the vCPUs are paused */
	uint32_t boots; /* how often this run was continued after a restart */
	uint32_t max_gap_ms;
	uint64_t load_done, load_floor;
	uint8_t filler[BLOCK - 8 - 16 - 8 - 8 - 16 - 8 - 8 - 16 - 4];
	uint32_t crc;
} __attribute__((packed));

struct anchor {
	uint64_t magic;
	uint8_t run[16];
	uint64_t seq;
	uint8_t filler[BLOCK - 8 - 16 - 8 - 4];
	uint32_t crc;
} __attribute__((packed));

struct load {
	uint64_t magic;
	uint8_t run[16];
	uint64_t number;
	uint32_t disk, pad;
	uint64_t offset;
	uint8_t filler[BLOCK - 8 - 16 - 8 - 8 - 8 - 4];
	uint32_t crc;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == BLOCK, "header");
_Static_assert(sizeof(struct record) == BLOCK, "record");
_Static_assert(sizeof(struct anchor) == BLOCK, "anchor");
_Static_assert(sizeof(struct load) == BLOCK, "load");

#endif
