/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a digest resynchronization is announced with: how much both sides hash, and about how long
 * that takes. Bounded by the disks' bytes: each is hashed once, and sent at most once. Pure.
 */
#ifndef VMR_ENGINE_DIGEST_ESTIMATE_H
#define VMR_ENGINE_DIGEST_ESTIMATE_H

#include <stdint.h>

/* Until one was measured here: what one disk of spinning rust reads, the slowest part as a rule. */
#define DIGEST_ASSUMED_BYTES_PER_S (100ull << 20)
/* Less than that says nothing about speed. */
#define DIGEST_MEASURED_MIN_BYTES (64ull << 20)
#define DIGEST_ESTIMATE_LEN	  224

/* What this node has measured. Zero-initialize. */
struct digest_speed {
	uint64_t bytes_per_s; /* of the last resynchronization; 0 = none yet */
};

/* One was carried through: so many bytes compared, in so long. Too little of either is ignored. */
void digest_speed_note(struct digest_speed *speed, uint64_t bytes, int64_t took_ms);
/* At least 1. */
uint64_t digest_estimate_seconds(const struct digest_speed *speed, uint64_t bytes);
/* "20.0 GiB are hashed on both sides, about 4 min at 100 MiB/s (assumed); what differs is sent".
 * Returns buf. */
char *digest_estimate_format(const struct digest_speed *speed, uint64_t bytes,
			     char buf[DIGEST_ESTIMATE_LEN]);

#endif
