/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manifest_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

void sample_disk_add(struct manifest_image *image, const char *name, int layers)
{
	image->disks = reallocarray(image->disks, image->disk_count + 1, sizeof(*image->disks));
	struct manifest_disk *disk = &image->disks[image->disk_count++];

	memset(disk, 0, sizeof(*disk));
	strcpy(disk->name, name);
	disk->size_bytes = 1 << 30;
	for (int i = 0; i < layers; i++) {
		struct manifest_layer layer = {.generation = (uint64_t)i + 1,
					       .frozen = true,
					       .size_bytes = 196624,
					       .inode = UINT64_MAX - 5, /* some file systems do */
					       .mtime_ns = 1795326902638583000};

		snprintf(layer.file, sizeof(layer.file), "gen-%d/%s-%d.qcow2", i + 1, name, i + 7);
		CU_ASSERT_EQUAL(manifest_disk_push(disk, &layer), 0);
	}
}

void sample_log_add(struct manifest *manifest, uint64_t seq)
{
	struct manifest_log log = {.seq = seq, .cut_id = "0123456789abcdef", .size_bytes = 100};

	memset(log.hash, (int)seq, sizeof(log.hash));
	snprintf(log.file, sizeof(log.file), "gen-2/%lu.vrl", seq);
	CU_ASSERT_EQUAL(manifest_log_push(manifest, &log), 0);
}

struct manifest sample_manifest(void)
{
	struct manifest manifest = {
		.relationship = "5f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e11",
		.vm = "web1",
		.peer_site = "a.example",
		.generation = 2,
		.owner_node = "b1",
		.closed = true,
		.epoch = {1, "0f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e22", "a.example"},
		.committed = {.seq = 9, .cut_id = "00112233aabbccdd", .time_ms = 1795326902638},
		.applied_seq = 7,
		.batch_seq = 9,
		.next_seq = 10,
		.next_layer = 5,
		.resync_needed = true,
		.resync_reason = "because \"it\" was so\n",
		.mark = {.mode = VMREPLICA__WIRE__MODE__MODE_DELTA,
			 .seq = 10,
			 .cut_id = "ffffffffffffffff",
			 .disk = 1,
			 .offset = 1 << 20,
			 .file = "gen-2/10.part",
			 .log_offset = 12345,
			 .disks = "vda,vdb"},
		.counters = {1, 2, 3, 4, 5, 6, 7, 8},
	};

	memset(manifest.committed.log_hash, 0xab, LOG_HASH_LEN);
	sample_disk_add(&manifest.current, "vda", 2);
	sample_disk_add(&manifest.current, "vdb", 1);
	sample_disk_add(&manifest.pending, "vda", 3);
	for (uint64_t seq = 5; seq <= 9; seq++) {
		sample_log_add(&manifest, seq);
	}
	return manifest;
}
