/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "amplification.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/replica_scene.h"
#include "common/clock.h"
#include "receiver/manifest.h"

#define BLOCK_BYTES 65536u
#define REST_MS	    180000

static uint64_t next_block;

/* ---- what is written ---- */

static uint64_t io_of(pid_t pid)
{
	char path[64], line[128];
	uint64_t bytes = 0, cancelled = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "write_bytes: %" SCNu64, &bytes);
		sscanf(line, "cancelled_write_bytes: %" SCNu64, &cancelled);
	}
	if (file != NULL) {
		fclose(file);
	}
	return bytes; /* what was cancelled (a log that was removed) had been written all the same
		       */
}

/* A child that has ended counts in its parent's. */
static uint64_t written_bytes(void)
{
	pid_t daemon = rig_daemon_pid(&rig);

	return io_of(rig.pid) + (daemon == 0 ? 0 : io_of(daemon));
}

/* ---- the load ---- */

static void block_fill(uint64_t block, bool compressible)
{
	uint8_t *to = model.disks[0].data + block * BLOCK_BYTES;

	for (unsigned int i = 0; i < BLOCK_BYTES; i += 4) {
		/* Of each 100 bytes the first third is noise: it compresses to a good third. */
		uint32_t word = compressible && i % 100 >= 36 ? 0x20202020u : (uint32_t)random();

		word ^= compressible && i % 100 >= 36 ? 0 : (uint32_t)random() << 16;
		memcpy(to + i, &word, 4);
	}
	model.disks[0].dirty[block] = 1;
}

/* Mixed: every second cycle rewrites the blocks of the one before, so that half of what is written
 * between points is rewritten there. */
static void cycle_send(const struct amplification_load *load, unsigned int index)
{
	bool again = load->mixed && index % 2 == 1;
	uint64_t first = again ? next_block - load->cycle_blocks : next_block;

	for (unsigned int i = 0; i < load->cycle_blocks; i++) {
		block_fill(first + i, load->mixed);
	}
	next_block += again ? 0 : load->cycle_blocks;
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	if (!sender_end(&sender) || !rig_wait(&rig, rig_is_applied, sender.committed.seq, 60000)) {
		rig_die("a cycle fails: %s", sender.reason);
	}
	model_clear_dirty(&model);
}

static size_t layers_count(void)
{
	int fd = open(rig.store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char error[MANIFEST_ERROR_LEN];
	struct manifest manifest = {0};
	size_t count;

	if (fd < 0 || manifest_load(fd, &manifest, error) < 0) {
		rig_die("no manifest to read");
	}
	count = manifest.current.disks[0].layer_count;
	close(fd);
	manifest_destroy(&manifest);
	return count;
}

/* All is applied and merged: the chain is the base, a layer for each point but the first, the top.
 */
static void rest_wait(const struct amplification_load *load)
{
	int64_t deadline_ms = clock_monotonic_ms() + REST_MS;

	while (layers_count() > load->points + 1) {
		if (clock_monotonic_ms() > deadline_ms) {
			rig_die("merges do not end");
		}
		rig_wait(&rig, NULL, 0, 200);
	}
	rig_wait(&rig, NULL, 0, 1500);
}

static void load_begin(const struct amplification_load *load)
{
	rig_init(&rig);
	rig.points = load->points;
	rig.point_interval_s = 5 * load->point_cycles;
	model_init(&model);
	model.disks[0].size = load->disk_bytes;
	model.disks[0].clusters = load->disk_bytes / BLOCK_BYTES;
	free(model.disks[0].data);
	free(model.disks[0].dirty);
	model.disks[0].data = calloc(1, load->disk_bytes);
	model.disks[0].dirty = calloc(1, model.disks[0].clusters);
	rig_start(&rig, "b1");
	if (model.disks[0].data == NULL || model.disks[0].dirty == NULL || rig_open(&rig) != 0 ||
	    !sender_enter(&sender, &rig, &model)) {
		rig_die("no store to measure: %s", rig.opened_text);
	}
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	next_block = 0;
	sender_begin(&sender, &model, INITIAL, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(&sender, &model, i, 0, model.disks[i].size, false);
	}
	if (!sender_end(&sender)) {
		rig_die("no initial replication: %s", sender.reason);
	}
	for (unsigned int i = 0; i < (load->points + 1) * load->point_cycles; i++) {
		cycle_send(load, i);
	}
	rest_wait(load);
}

void amplification_measure(const struct amplification_load *load, struct amplification *ret)
{
	uint64_t before, wire;

	load_begin(load);
	before = written_bytes();
	wire = rig.status.bytes_wire;
	for (unsigned int i = 0; i < load->cycles; i++) {
		cycle_send(load, i);
	}
	rest_wait(load);
	ret->written = written_bytes() - before;
	ret->changed = (uint64_t)load->cycles * load->cycle_blocks * BLOCK_BYTES;
	ret->wire = rig.status.bytes_wire - wire;
	ret->times = (double)ret->written / (double)ret->changed;
	sender_drop(&sender);
	rig_destroy(&rig);
	model_destroy(&model);
}
