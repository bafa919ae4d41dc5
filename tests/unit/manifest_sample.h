/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A manifest with something in each of its fields, for the tests of manifests. */
#ifndef VMR_TESTS_MANIFEST_SAMPLE_H
#define VMR_TESTS_MANIFEST_SAMPLE_H

#include "receiver/manifest.h"

/* Committed up to 9, applied up to 7, logs of 5 to 9; vda of two layers, vdb of one. Caller
 * destroys. */
struct manifest sample_manifest(void);
/* A disk of 1 GiB with so many closed layers. */
void sample_disk_add(struct manifest_image *image, const char *name, int layers);
/* A log of 100 bytes behind the others. */
void sample_log_add(struct manifest *manifest, uint64_t seq);

#endif
