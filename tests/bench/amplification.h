/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write amplification on the replica: what receiver and qemu-storage-daemon (and qemu-img, their
 * child) have written by /proc/<pid>/io, against the bytes that changed. Logs, applying, manifest,
 * new layers and merges included: from one state of rest to another, in which as many points are
 * kept and everything over them is merged, so that every changed byte has gone its whole way.
 */
#ifndef VMR_TESTS_AMPLIFICATION_H
#define VMR_TESTS_AMPLIFICATION_H

#include <stdbool.h>
#include <stdint.h>

/* What must hold, times the changed bytes. */
#define AMPLIFICATION_LIMIT_PLAIN 3.1 /* incompressible, never overlapping */
#define AMPLIFICATION_LIMIT_MIXED 2.0 /* compresses 2.5:1, half rewritten between points */
#define AMPLIFICATION_MORE_POINTS 1.1 /* constant in their number: within a tenth */

struct amplification_load {
	uint32_t points;
	unsigned int point_cycles; /* from point to point */
	bool mixed;
	uint64_t disk_bytes;
	unsigned int cycle_blocks; /* of 64 KiB that change with each */
	unsigned int cycles;	   /* measured; as many as make whole points */
};

struct amplification {
	uint64_t changed, wire, written; /* bytes; written 0: nothing is counted here */
	double times;
};

/* With a receiver of its own. Ends the program when there is nothing to measure. */
void amplification_measure(const struct amplification_load *load, struct amplification *ret);

#endif
