/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Merges go below replication: at most so many bytes a second, and next to none while a log is
 * applied. What is counted is bytes; a machine that is busy only makes fewer of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "points_scene.h"
#include "unit.h"

#define MIB	    ((uint64_t)1 << 20)
#define DISK_BYTES  (112 * MIB)
#define MERGE_BYTES (32 * MIB)
#define LOG_BYTES   (64 * MIB)
#define RATE	    (64 * MIB) /* a second, read and written: ARCHITECTURE.md */
#define BURST	    (10 * MIB) /* what may go before the rate shows: a tenth of a second, a piece */
#define SLACK	    (12 * MIB) /* what goes before the log's turn comes */
#define PIECE	    (1 * MIB)
#define YIELD_MS    500 /* a piece waits so long for a log at most */
#define ATTEMPTS    3

/* Incompressible, so that it is as much on disk. */
static void disk_fill(uint64_t from, uint64_t bytes)
{
	struct model_disk *disk = &model.disks[0];

	for (uint64_t i = from; i < from + bytes; i += 4) {
		uint32_t word = (uint32_t)random() ^ (uint32_t)random() << 16;

		memcpy(disk->data + i, &word, 4);
	}
	memset(disk->dirty + from / MODEL_CLUSTER, 1, bytes / MODEL_CLUSTER);
}

/* A point whose layer holds MERGE_BYTES, and one over it. */
static void large_layer_make(void)
{
	disk_fill(0, MERGE_BYTES);
	scene_delta_of_dirty();
	scene_note();
	points_applied_wait();
	points_cycle(1);
	points_applied_wait();
}

static void scene_make(void)
{
	rig_init(&rig);
	rig.points = 24;
	rig.point_interval_s = 1;
	model_init(&model);
	model_resize(&model, 0, DISK_BYTES);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	scene_initial();
	scene_note();
	points_applied_wait();
	large_layer_make();
}

/* From here on everything but the newest point is merged away. */
static void merges_begin(void)
{
	rig.points = 1;
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
}

static bool is_merging(void)
{
	struct manifest manifest = scene_manifest();
	bool merging = manifest.merge.disk[0] != '\0';

	manifest_destroy(&manifest);
	return merging;
}

static void test_rate(void)
{
	int64_t begin_ms, took_ms;

	scene_make();
	begin_ms = clock_monotonic_ms();
	merges_begin();
	CU_ASSERT_TRUE(scene_layers_wait(2, 120000));
	took_ms = clock_monotonic_ms() - begin_ms;
	fprintf(stderr, "merged %" PRIu64 " MiB in %" PRId64 " ms\n", MERGE_BYTES / MIB, took_ms);
	CU_ASSERT_TRUE(2 * MERGE_BYTES <= BURST + RATE * (uint64_t)took_ms / 1000);
	scene_check();
	points_end();
}

/* What the daemon has read. Applying reads nothing: clusters are written whole. */
static uint64_t read_bytes(void)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)rig_daemon_pid(&rig));
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "rchar: %" SCNu64, &bytes);
	}
	if (file != NULL) {
		fclose(file);
	}
	return bytes;
}

/* A large log comes in the middle of a merge. false: the merge was not in its middle. */
static bool overtaken(void)
{
	uint64_t before, read;
	int64_t begin_ms, took_ms;
	bool merging = false;

	disk_fill(DISK_BYTES - LOG_BYTES, LOG_BYTES);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	merges_begin();
	for (int i = 0; i < 1000 && !merging; i++) {
		merging = is_merging();
		rig_wait(&rig, NULL, 0, merging ? 200 : 20); /* some way into it */
	}
	CU_ASSERT_TRUE(sender_end(&sender));
	begin_ms = clock_monotonic_ms();
	before = read_bytes();
	merging = is_merging();
	scene_note();
	model_clear_dirty(&model);
	points_applied_wait();
	read = read_bytes() - before;
	took_ms = clock_monotonic_ms() - begin_ms;
	fprintf(stderr,
		"%" PRIu64 " MiB applied in %" PRId64 " ms, %" PRIu64 " KiB merged meanwhile\n",
		LOG_BYTES / MIB, took_ms, read >> 10);
	CU_ASSERT_TRUE(!merging || is_merging()); /* the log was first */
	CU_ASSERT_TRUE(read <= SLACK + PIECE * (uint64_t)took_ms / YIELD_MS);
	return merging;
}

static void test_yields(void)
{
	bool hit = false;

	scene_make();
	for (int i = 0; i < ATTEMPTS && !hit; i++) {
		hit = overtaken();
		CU_ASSERT_TRUE(scene_layers_wait(2, 120000));
		rig.points = 24;
		CU_ASSERT_EQUAL(rig_open(&rig), 0);
		large_layer_make();
	}
	CU_ASSERT_TRUE(hit);
	scene_check();
	points_end();
}

/* ---- two stores ---- */

#define OTHER	   "6f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e22"
#define LONG_BYTES (160 * MIB) /* five seconds of merging */

static void other_open(char *directory, uint32_t points)
{
	Vmreplica__Ipc__StoreOpen request = VMREPLICA__IPC__STORE_OPEN__INIT;
	char relationship[] = OTHER, vm[] = "web2", site[] = RIG_SITE, resource[] = "web2-replica";

	request.relationship = relationship;
	request.vm = vm;
	request.peer_site = site;
	request.directory = directory;
	request.resource = resource;
	request.frequency_s = 5;
	request.points = points;
	request.point_interval_s = 1;
	rig_ask(&rig, FRAME_STORE_OPEN, &request.base);
	rig_wait(&rig, NULL, 0, 500);
}

/* Of the store in that directory. */
static size_t layers_in(const char *directory)
{
	char own[RIG_PATH], of[RIG_PATH];
	size_t layers;

	memcpy(own, rig.store, sizeof(own));
	snprintf(of, sizeof(of), "%s", directory);
	memcpy(rig.store, of, sizeof(rig.store));
	layers = scene_layers();
	memcpy(rig.store, own, sizeof(rig.store));
	return layers;
}

/* Statuses are of either store: wait for what is on disk. */
static bool layers_come(const char *directory)
{
	for (int i = 0; i < 300 && layers_in(directory) <= 2; i++) {
		rig_wait(&rig, NULL, 0, 100);
	}
	return layers_in(directory) > 2;
}

/* A small store with a few points, of another VM. */
static void other_make(char directory[RIG_PATH])
{
	struct stat own;

	snprintf(directory, RIG_PATH, "%.400s/other", rig.root);
	CU_ASSERT_EQUAL(stat(rig.store, &own), 0);
	CU_ASSERT_EQUAL(mkdir(directory, 0750), 0);
	CU_ASSERT_EQUAL(chown(directory, own.st_uid, own.st_gid), 0);
	other_open(directory, 24);
	sender_relationship = OTHER;
	scene_initial();
	for (int i = 0; i < 3; i++) {
		points_cycle(4);
		points_applied_wait();
	}
	CU_ASSERT_TRUE(layers_come(directory));
	sender_drop(&sender);
	sender_relationship = NULL;
}

/* One VM's large layer does not keep the other's small ones waiting. */
static void test_turns(void)
{
	char other[RIG_PATH];
	bool overtaken = false;

	rig_init(&rig);
	rig.points = 24;
	rig.point_interval_s = 1;
	model_init(&model);
	rig_start(&rig, "b1");
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	other_make(other);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	model_resize(&model, 0, LONG_BYTES);
	scene_initial();
	disk_fill(0, LONG_BYTES);
	scene_delta_of_dirty();
	points_cycle(1);
	CU_ASSERT_TRUE(layers_come(rig.store));
	merges_begin();
	for (int i = 0; i < 1000 && !is_merging(); i++) {
		rig_wait(&rig, NULL, 0, 20);
	}
	other_open(other, 1);
	for (int i = 0; i < 600 && scene_layers() > 2; i++) {
		overtaken |= layers_in(other) == 2 && scene_layers() > 2;
		rig_wait(&rig, NULL, 0, 100);
	}
	CU_ASSERT_TRUE(overtaken);
	CU_ASSERT_EQUAL(scene_layers(), 2);
	CU_ASSERT_EQUAL(layers_in(other), 2);
	scene_check();
	points_end();
}

static const struct unit_test tests[] = {
	{"rate", test_rate},
	{"yields to a log", test_yields},
	{"turns of two stores", test_turns},
};

int main(void)
{
	rig_require_tools();
	return unit_run("pace of merges", tests, sizeof(tests) / sizeof(tests[0]));
}
