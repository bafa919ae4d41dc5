/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the makers of fixtures share: a small store, and what its disks held at each cut. */
#ifndef VMR_TESTS_STORE_FIXTURE_H
#define VMR_TESTS_STORE_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>

#include "replica_scene.h"

#define FIXTURE_STEP_MS 5000

extern FILE *fixture_expected; /* a line for each cut: seq, and a digest for each disk */

FILE *fixture_file(const char *directory, const char *name);
/* The store of rig, open and filled by an initial replication. */
void fixture_store(void);
/* A delta; the rig's receiver has applied it when it returns, if applied. */
void fixture_cycle(unsigned int round, bool applied);

#endif
