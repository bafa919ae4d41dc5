/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Merges take no room that they have not been given: on a small file system of the test's own, of
 * which every byte that is free is known. */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "points_scene.h"
#include "takeover_scene.h"
#include "shell.h"
#include "unit.h"

#define MIB	    ((uint64_t)1 << 20)
#define DISK_BYTES  (80 * MIB)
#define LAYER_BYTES (64 * MIB)
#define RESERVE	    (32 * MIB)
#define STEP	    (16 * MIB) /* written between two looks */
#define FS_SIZE	    "size=288m"
#define WAITS	    "merge-waits-for-room"
#define UNFIT	    "merge-cannot-resize"

static char mounted[RIG_PATH], ballast[RIG_PATH], disk_paths[MODEL_DISKS][RIG_PATH];

/* ---- the file system ---- */

static void small_mount(const char *directory)
{
	snprintf(mounted, sizeof(mounted), "%.500s", directory);
	snprintf(ballast, sizeof(ballast), "%.500s/ballast", directory);
	CU_ASSERT_EQUAL_FATAL(mount("none", mounted, "tmpfs", 0, FS_SIZE), 0);
	CU_ASSERT_EQUAL(chmod(mounted, 0750), 0);
	scene_give(mounted);
}

static uint64_t small_free(void)
{
	struct statvfs fs = {0};

	CU_ASSERT_EQUAL(statvfs(mounted, &fs), 0);
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Somebody else takes room there, or lets go of some, so that so much is free. */
static void small_leave(uint64_t bytes)
{
	uint64_t size, available = small_free();
	struct stat st = {0};
	int fd = open(ballast, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	size = (uint64_t)st.st_size + available - bytes;
	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)size), 0);
	CU_ASSERT_EQUAL(posix_fallocate(fd, 0, (off_t)size), 0);
	close(fd);
}

/* The least that was free meanwhile. */
static uint64_t least_free(int for_ms)
{
	int64_t end_ms = clock_monotonic_ms() + for_ms;
	uint64_t least = small_free();

	while (clock_monotonic_ms() < end_ms) {
		uint64_t now = small_free();

		least = now < least ? now : least;
		rig_wait(&rig, NULL, 0, 10);
	}
	return least;
}

/* ---- the store ---- */

/* Incompressible, so that it is as much on disk. */
static void layer_make(uint64_t bytes)
{
	struct model_disk *disk = &model.disks[0];

	for (uint64_t i = 0; i < bytes; i += 4) {
		uint32_t word = (uint32_t)random() ^ (uint32_t)random() << 16;

		memcpy(disk->data + i, &word, 4);
	}
	memset(disk->dirty, 1, bytes / MODEL_CLUSTER);
	scene_delta_of_dirty();
	scene_note();
	points_applied_wait();
	points_cycle(1);
	points_applied_wait();
	CU_ASSERT_TRUE(points_check() > 0);
}

static void points_set(uint32_t points)
{
	rig.points = points;
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
}

static void small_begin(void)
{
	rig_init(&rig);
	rig.points = 24;
	rig.point_interval_s = 1;
	rig.reserve_bytes = RESERVE;
	rig.history_cap_bytes = 1;
	scene_notes_clear();
	model_init(&model);
	model_resize(&model, 0, DISK_BYTES);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
}

static void small_end(void)
{
	rig_stop(&rig);
	CU_ASSERT_EQUAL(umount(mounted), 0);
	rig_start(&rig, "b1"); /* for the end of the scene */
	points_end();
}

static uint64_t merged_offset(void)
{
	struct manifest manifest = scene_manifest();
	uint64_t offset = manifest.merge.offset;

	manifest_destroy(&manifest);
	return offset;
}

/* What has to be free for the merge that waits, as the status says. */
static uint64_t wanted_mib(void)
{
	const char *at = strstr(rig.status.reason, "waits for room: ");
	uint64_t mib = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	CU_ASSERT_EQUAL(sscanf(at, "waits for room: %" SCNu64 " MiB have to be free", &mib), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.status.reason, "make room there"));
	return mib;
}

/* The oldest points go, and what the base lacks is more than is free. Replication goes on, nothing
 * goes below the reserve, and the status says what is wanted. */
static void waits_judge(void)
{
	small_leave(RESERVE + LAYER_BYTES - STEP);
	points_set(1);
	CU_ASSERT_TRUE_FATAL(scene_wait_code(WAITS, 20000));
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_WARNING);
	CU_ASSERT_TRUE(wanted_mib() >= (RESERVE + LAYER_BYTES) / MIB);
	CU_ASSERT_TRUE(least_free(1500) >= RESERVE);
	points_cycle(2);
	scene_check();
	CU_ASSERT_STRING_EQUAL(rig.status.code, WAITS);
	CU_ASSERT_TRUE(scene_layers() > 2);
}

/* It has its room, begins, and loses it to somebody else: it stops above the reserve, and keeps
 * what it has done. */
static void gives_way_judge(void)
{
	uint64_t before, wanted = wanted_mib();

	small_leave(wanted * MIB + 4 * MIB);
	before = small_free();
	for (int i = 0; i < 2000 && small_free() + 8 * MIB > before; i++) {
		rig_wait(&rig, NULL, 0, 10);
	}
	CU_ASSERT_TRUE_FATAL(small_free() + 8 * MIB <= before);
	small_leave(RESERVE + STEP + 6 * MIB);
	CU_ASSERT_TRUE(least_free(3000) >= RESERVE);
	CU_ASSERT_TRUE(merged_offset() > 0);
	CU_ASSERT_TRUE(scene_wait_code(WAITS, 10000));
	CU_ASSERT_TRUE(wanted_mib() < wanted);
	CU_ASSERT_TRUE(scene_layers() > 2);
	small_leave(wanted * MIB);
	CU_ASSERT_TRUE(scene_layers_wait(2, 30000));
	CU_ASSERT_TRUE(scene_wait_code("", 10000));
	scene_check();
}

static void test_store(void)
{
	small_begin();
	small_mount(rig.store);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_initial();
	scene_note();
	points_applied_wait();
	layer_make(LAYER_BYTES);
	waits_judge();
	CU_ASSERT_EQUAL(unlink(ballast), 0);
	CU_ASSERT_TRUE(scene_layers_wait(2, 30000));
	CU_ASSERT_TRUE(scene_wait_code("", 10000));
	scene_check();
	/* Again, over blocks that the base has a place for: that makes room, far below the reserve.
	 */
	points_set(24);
	layer_make(LAYER_BYTES / 2);
	small_leave(RESERVE / 2);
	points_set(1);
	CU_ASSERT_TRUE(scene_layers_wait(2, 60000));
	CU_ASSERT_TRUE(small_free() > RESERVE);
	scene_check();
	scene_points_judge();
	small_end();
}

/* ---- disks of an old primary ---- */

static void adopt(void)
{
	Vmreplica__Ipc__StoreAdopt request = VMREPLICA__IPC__STORE_ADOPT__INIT;
	Vmreplica__Ipc__TakenDisk disks[MODEL_DISKS], *list[MODEL_DISKS];
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	char lineage[40], none[] = "";

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		vmreplica__ipc__taken_disk__init(&disks[i]);
		disks[i].name = (char *)(uintptr_t)model.disks[i].name;
		disks[i].path = disk_paths[i];
		list[i] = &disks[i];
	}
	epoch.number = 2;
	epoch.lineage = (char *)(uintptr_t)taking_lineage(2, lineage);
	epoch.site = (char *)(uintptr_t)RIG_SITE;
	request.relationship = (char *)(uintptr_t)RIG_RELATIONSHIP;
	request.disks = list;
	request.n_disks = MODEL_DISKS;
	request.epoch = &epoch;
	request.extents = none;
	request.digest = true;
	rig_ask(&rig, FRAME_STORE_ADOPT, &request.base);
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
}

/* Wait until the disks have so many layers, and nothing is being merged. */
static bool rests_with(size_t vda, size_t vdb)
{
	bool rests = false;

	for (int i = 0; i < 200 && !rests; i++) {
		struct manifest manifest = scene_manifest();

		rests = manifest.merge.from[0] == '\0' && manifest.current.disk_count == 2 &&
			manifest.current.disks[0].layer_count == vda &&
			manifest.current.disks[1].layer_count == vdb;
		manifest_destroy(&manifest);
		rig_wait(&rig, NULL, 0, rests ? 0 : 100);
	}
	return rests;
}

static void new_primary(void)
{
	static char lineage[40];

	sender_drop(&sender);
	sender.epoch = 2;
	sender.lineage = taking_lineage(2, lineage);
}

/* Disks beside the store, empty; adopted, and compared with a new primary's. */
static void adopted_begin(bool stiff)
{
	char directory[RIG_PATH];

	small_begin();
	snprintf(directory, sizeof(directory), "%.400s/disks", rig.root);
	CU_ASSERT_EQUAL(mkdir(directory, 0755), 0);
	small_mount(directory);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		snprintf(disk_paths[i], RIG_PATH, "%.430s/%s.img", directory, model.disks[i].name);
		shell_run("qemu-img create -q -f qcow2 %s '%s' %" PRIu64,
			  stiff ? "-o compat=0.10" : "", disk_paths[i], model.disks[i].size);
		if (stiff) { /* QEMU does not resize an old one that has a snapshot */
			shell_run("qemu-img snapshot -c keeps-its-size '%s'", disk_paths[i]);
		}
		scene_give(disk_paths[i]);
	}
	rig_start(&rig, "b1");
	adopt();
	new_primary();
	scene_resync_whole();
	scene_note();
	CU_ASSERT_TRUE(rests_with(2, 2));
	scene_check();
}

static void adopted_end(void)
{
	small_end();
	sender.epoch = 0;
	sender.lineage = NULL;
}

/* What is merged goes into a disk of the VM, through a link: it is that one's file system which
 * must keep its reserve. */
static void test_link(void)
{
	adopted_begin(false);
	layer_make(LAYER_BYTES);
	waits_judge();
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.status.reason, disk_paths[0]));
	gives_way_judge();
	adopted_end();
}

/* The VM has grown on the other side, its old disk cannot: layers go into one over it. Once it can,
 * it takes them. */
static void test_unfit(void)
{
	sender_features = PROTOCOL_FEATURE_DISKS; /* from here on */
	adopted_begin(true);
	model_resize(&model, 0, DISK_BYTES + 4 * MIB);
	points_set(2);
	for (int i = 0; i < 6; i++) {
		points_cycle(4);
		points_applied_wait();
	}
	CU_ASSERT_TRUE(scene_wait_code(UNFIT, 20000));
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_WARNING);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.status.reason, disk_paths[0]));
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.status.reason, "give that size"));
	CU_ASSERT_TRUE(rests_with(4, 3)); /* base, what is kept over it, a point, top */
	CU_ASSERT_EQUAL(points_check(), 2);
	scene_check();
	CU_ASSERT_STRING_EQUAL(rig.status.code, UNFIT);
	rig_stop(&rig);
	shell_run("qemu-img snapshot -d keeps-its-size '%s'", disk_paths[0]);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	new_primary();
	scene_resync_whole(); /* it was written behind our back */
	scene_note();
	CU_ASSERT_TRUE(rests_with(2, 2));
	CU_ASSERT_TRUE(scene_wait_code("", 10000));
	scene_check();
	scene_points_judge();
	adopted_end();
}

static const struct unit_test tests[] = {
	{"a merge in a store that gets full", test_store},
	{"... into a disk elsewhere", test_link},
	{"a disk that cannot grow", test_unfit},
};

int main(void)
{
	rig_require_tools();
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		fprintf(stderr, "no file system can be mounted here\n");
		return 77;
	}
	return unit_run("room for merges", tests, sizeof(tests) / sizeof(tests[0]));
}
