/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Write amplification of the replica (amplification.h), each figure beside its limit. */
#include <inttypes.h>
#include <stdio.h>

#include "../unit/receiver_rig.h"
#include "amplification.h"

#define DISK_BYTES     (640ull << 20)
#define CYCLE_BLOCKS   192u /* 12 MiB */
#define CYCLES	       12
#define POINT_CYCLES_2 4 /* of the mixed load: so many cycles end in one point */

struct kind {
	const char *name;
	double limit;
	struct amplification_load load;
};

static const char *verdict(double found, double limit)
{
	return found <= limit ? "ok" : "ABOVE";
}

static double kind_measure(const struct kind *kind)
{
	struct amplification found;

	amplification_measure(&kind->load, &found);
	if (found.written == 0) {
		rig_die("/proc/<pid>/io counts nothing here: /tmp must be a file system on a disk");
	}
	printf("  %-40s %2u points: %4" PRIu64 " MiB changed, %4" PRIu64 " in logs, %4" PRIu64
	       " written: %.2fx (limit %.1fx: %s)\n",
	       kind->name, kind->load.points, found.changed >> 20, found.wire >> 20,
	       found.written >> 20, found.times, kind->limit, verdict(found.times, kind->limit));
	fflush(stdout);
	return found.times;
}

static void more_points(const char *what, double few, double many)
{
	printf("  %-40s %.2f times as much (limit %.1f: %s)\n", what, many / few,
	       AMPLIFICATION_MORE_POINTS, verdict(many / few, AMPLIFICATION_MORE_POINTS));
}

int main(void)
{
#define PLAIN "incompressible, never overlapping"
#define MIXED "mixed: compresses 2.5:1, half rewritten"
	static const struct kind kinds[] = {
		{PLAIN, AMPLIFICATION_LIMIT_PLAIN, {4, 1, false, DISK_BYTES, CYCLE_BLOCKS, CYCLES}},
		{PLAIN,
		 AMPLIFICATION_LIMIT_PLAIN,
		 {24, 1, false, DISK_BYTES, CYCLE_BLOCKS, CYCLES}},
		{MIXED,
		 AMPLIFICATION_LIMIT_MIXED,
		 {4, POINT_CYCLES_2, true, DISK_BYTES, CYCLE_BLOCKS, CYCLES}},
		{MIXED,
		 AMPLIFICATION_LIMIT_MIXED,
		 {8, POINT_CYCLES_2, true, DISK_BYTES, CYCLE_BLOCKS, CYCLES}},
	};
	double found[4];

	rig_require_tools();
	puts("write amplification on the replica (12 cycles of 12 MiB; logs, applying, layers, "
	     "merges\n"
	     "and manifest, by /proc/<pid>/io of receiver, qemu-storage-daemon and qemu-img):");
	for (size_t i = 0; i < 4; i++) {
		found[i] = kind_measure(&kinds[i]);
	}
	more_points("24 points against 4:", found[0], found[1]);
	more_points("8 points against 4, mixed:", found[2], found[3]);
	puts("  Hyper-V Replica, as published: 2x to 3x, without merging its recovery points");
	return 0;
}
