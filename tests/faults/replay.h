/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk may hold after a power cut, from the record of what was done to a store's files
 * (shim.h). What fsync of a file or of a directory has covered is there. Of the rest any part may
 * be: writes whole or in pages of 4 KiB, names, sizes, times of change. A rename is one thing,
 * durable with its target's directory.
 */
#ifndef VMR_TESTS_FAULTS_REPLAY_H
#define VMR_TESTS_FAULTS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/faults/shim.h"

struct replay; /* opaque */

enum replay_rest {
	REPLAY_ALL,    /* what was not made durable is there all the same */
	REPLAY_NONE,   /* nothing of it is */
	REPLAY_CHANCE, /* any of it may be */
};

/* From the shim's record, below the directory of inode root. Ends the program when the record is
 * not whole. */
struct replay *replay_new(const struct shim *shim, uint64_t root);
void replay_free(struct replay *replay);

/* How many things were done; whether number index made something durable. */
size_t replay_count(const struct replay *replay);
bool replay_is_flush(const struct replay *replay, size_t index);
/* The newest cycle that was acknowledged before index; 0 = none. */
uint64_t replay_acknowledged(const struct replay *replay, size_t index);

/* Make directory (which must not exist) as the disk may be when power fails before index. The
 * fingerprints in its manifest are made those of the new files where they are right. */
void replay_make(const struct replay *replay, size_t index, enum replay_rest rest,
		 const char *directory);

#endif
