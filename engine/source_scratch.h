/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scratch files of a job: what the guest overwrites while the job is open is kept there. A full
 * file system makes QEMU pause the guest, so a job ends before its files reach their cap or the
 * file system its reserve. The decision is pure.
 */
#ifndef VMR_ENGINE_SOURCE_SCRATCH_H
#define VMR_ENGINE_SOURCE_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* How far ahead growth is reckoned with: two of the watch's intervals, so that one that comes late
 * is not fatal. */
#define SCRATCH_LEAD_MS 2000

struct scratch_limits {
	uint64_t cap_bytes;	/* of all files together; 0 = none */
	uint64_t reserve_bytes; /* of the file system, to stay free */
};

struct scratch_sample {
	int64_t time_ms;     /* monotonic */
	uint64_t used_bytes; /* allocated by the job's files */
	uint64_t free_bytes; /* left in the file system to QEMU's user */
};

enum scratch_verdict {
	SCRATCH_OK,
	SCRATCH_CAP,	 /* the cap will be reached within SCRATCH_LEAD_MS */
	SCRATCH_RESERVE, /* likewise the reserve */
};

/* Judge the newest sample by the one before it. Pure. */
enum scratch_verdict scratch_judge(const struct scratch_limits *limits,
				   const struct scratch_sample *before,
				   const struct scratch_sample *now);

/* Measure. 0; -ESTALE when a file is gone (libvirt removes them when the job ends); other negative
 * errno. */
int scratch_measure(const char *directory, const char *const *files, size_t count,
		    struct scratch_sample *ret_sample);

#endif
