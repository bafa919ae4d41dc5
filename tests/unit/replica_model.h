/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the replica should hold: two disks in memory, what changed in them, and the comparison with
 * the real image. */
#ifndef VMR_TESTS_REPLICA_MODEL_H
#define VMR_TESTS_REPLICA_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_DISKS   2
#define MODEL_CLUSTER 65536u

struct model_disk {
	const char *name;
	uint64_t size;
	uint8_t *data;	/* owned */
	uint8_t *dirty; /* owned; a byte a cluster */
	uint64_t clusters;
};

struct model {
	struct model_disk disks[MODEL_DISKS];
};

/* vda of 24 MiB and vdb of 9 MiB + 512 bytes, all zeros, clean. */
void model_init(struct model *model);
void model_destroy(struct model *model);
/* Give a disk another size: what is new reads as zeros and is clean. Does not return without
 * memory. */
void model_resize(struct model *model, unsigned int disk, uint64_t size);
/* Write count random pieces (some compressible, some not, some zeros), marking them dirty. */
void model_change(struct model *model, int count);
void model_clear_dirty(struct model *model);
/* True when the qcow2 image at path reads as disk index does. Says where it differs. */
bool model_matches(const struct model *model, unsigned int disk, const char *path);

/* A number for what disk index holds, and for what the qcow2 image at path reads as (0:
 * unreadable), which is never 0. */
uint64_t model_digest(const struct model *model, unsigned int disk);
uint64_t image_digest(const char *path);

#endif
