/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test failovers and failovers of a real store, judged by what the disks hold. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file_access.h"
#include "proto/codec.h"
#include "proto/extent_file.h"
#include "takeover_scene.h"
#include "unit.h"

#define RECOVERED   VMREPLICA__STATE__STATE_RECOVERED
#define COMMITTED   VMREPLICA__STATE__STATE_COMMITTED
#define REPLICATING VMREPLICA__STATE__STATE_REPLICATING

static char lineage[40];

/* The sender goes on in another epoch. */
static void sender_in(uint64_t epoch)
{
	sender_drop(&sender);
	sender.epoch = epoch;
	sender.lineage = taking_lineage(epoch, lineage);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	CU_ASSERT_EQUAL(sender.mode, DELTA);
}

static uint64_t point_seq(size_t index)
{
	struct manifest manifest = taking_manifest();
	uint64_t seq = index < manifest.point_count ? manifest.points[index].cut.seq : 0;

	manifest_destroy(&manifest);
	return seq;
}

static size_t layers_count(void)
{
	struct manifest manifest = taking_manifest();
	size_t count = 0;

	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		size_t layers = manifest.current.disks[i].layer_count;

		count = layers > count ? layers : count;
	}
	manifest_destroy(&manifest);
	return count;
}

static bool layers_wait(size_t most, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (layers_count() > most) {
		if (clock_monotonic_ms() > deadline_ms) {
			return false;
		}
		rig_wait(&rig, NULL, 0, 200);
	}
	return true;
}

/* While a point is in use, cycles come, points are made, and others go; it stays what it was. */
static void test_test_of_point(void)
{
	uint64_t seq;

	taking_begin(3);
	for (int i = 0; i < 7; i++) {
		taking_cycle_applied(8);
	}
	seq = point_seq(0);
	CU_ASSERT_EQUAL(taking_test("web1-test", seq), 0);
	taking_judge(seq, false);
	CU_ASSERT_EQUAL(rig.taken.workings, 0);
	CU_ASSERT_EQUAL(taking_test("web1-other", seq), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.taken.text, "web1-test"));
	CU_ASSERT_EQUAL(taking_test("web1-test", seq + 1), -EBUSY);
	for (int i = 0; i < 8; i++) {
		taking_cycle_applied(8);
	}
	CU_ASSERT_NOT_EQUAL(point_seq(0), seq); /* no more a point, but still there */
	scene_replace_receiver(true);
	CU_ASSERT_EQUAL(taking_test("web1-test", seq), 0);
	taking_judge(seq, false);
	CU_ASSERT_TRUE(layers_count() > 4);
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	CU_ASSERT_TRUE(layers_wait(4, 30000));
	CU_ASSERT_EQUAL(taking_points_judge(), 3);
	scene_check();
	taking_end();
}

static size_t files_count(const char *pattern)
{
	char command[RIG_PATH + 100];
	FILE *pipe;
	size_t count = 0;

	snprintf(command, sizeof(command), "find '%s' -name '%s' | wc -l", rig.store, pattern);
	pipe = popen(command, "re");
	if (pipe == NULL || fscanf(pipe, "%zu", &count) != 1) {
		CU_FAIL("find");
	}
	pclose(pipe);
	return count;
}

/* Layer files that are in no chain. */
static size_t built_count(void)
{
	struct manifest manifest = taking_manifest();
	size_t known = 0, count = files_count("vda-*.qcow2");

	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		if (strcmp(manifest.current.disks[i].name, "vda") == 0) {
			known = manifest.current.disks[i].layer_count;
		}
	}
	manifest_destroy(&manifest);
	return count > known ? count - known : 0;
}

/* Cycles between points are rebuilt; the newest costs nothing. */
static void test_test_of_cycles(void)
{
	taking_begin(3);
	for (int i = 0; i < 6; i++) {
		taking_cycle_applied(8);
	}
	for (uint64_t seq = point_seq(1); seq <= sender.committed.seq; seq++) {
		CU_ASSERT_EQUAL(taking_test("web1-test", seq), 0);
		taking_judge(seq, false);
		CU_ASSERT_EQUAL(taking_test("web1-test", seq), 0);
		taking_judge(seq, false);
		taking_cycle_applied(4);
		taking_judge(seq, false);
		CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
		CU_ASSERT_EQUAL(built_count(), 0);
		if (seq > 12) {
			break;
		}
	}
	taking_cycle(30); /* not applied yet, perhaps */
	CU_ASSERT_EQUAL(taking_test("web1-test", 0), 0);
	taking_judge(sender.committed.seq, false);
	taking_cycle_applied(9);
	taking_judge(sender.committed.seq - 1, false);
	scene_check();
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	CU_ASSERT_EQUAL(taking_test("web1-test", 999), -ENOENT);
	CU_ASSERT_TRUE(layers_wait(4, 30000));
	taking_cycle_applied(9);
	scene_check();
	taking_points_judge();
	taking_end();
}

static bool has_bitmap(const char *path, uint64_t epoch, uint64_t seq, const char *cut_id)
{
	char command[RIG_PATH + 300];

	snprintf(command, sizeof(command),
		 "qemu-img info -U '%s' | grep -q 'name: vmreplica-" RIG_RELATIONSHIP "-%" PRIu64
		 "-%" PRIu64 "-%s'",
		 path, epoch, seq, cut_id);
	return system(command) == 0;
}

static void failover_judge(uint64_t epoch, uint64_t seq)
{
	taking_judge(seq, true);
	taking_judge(seq, false);
	for (size_t i = 0; i < rig.taken.disk_count; i++) {
		CU_ASSERT_TRUE(has_bitmap(rig.taken.paths[i], epoch, seq, rig.taken.cut_id));
	}
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, RECOVERED, 5000));
	CU_ASSERT_EQUAL(rig.status.epoch, epoch);
	CU_ASSERT_EQUAL(rig.takeover.seq, seq);
	CU_ASSERT_EQUAL(rig_daemon_pid(&rig), 0);
}

/* To the newest, then back: the stream ends and is refused, and then goes on by a delta. */
static void test_failover_and_cancel(void)
{
	uint64_t last;

	taking_begin(3);
	for (int i = 0; i < 5; i++) {
		taking_cycle(8);
	}
	last = sender.committed.seq;
	CU_ASSERT_EQUAL(taking_failover(1, 0), -ESTALE);
	CU_ASSERT_EQUAL(taking_failover(2, 0), 0);
	failover_judge(2, last);
	CU_ASSERT_EQUAL(sender_answer(&sender, 5000), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "epoch");
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "epoch");
	sender.epoch = 3; /* nor does a higher one get in */
	sender.lineage = taking_lineage(3, lineage);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED);
	CU_ASSERT_EQUAL(taking_failover(2, 0), 0);
	failover_judge(2, last);
	CU_ASSERT_EQUAL(taking_failover(3, 0), -EEXIST);
	scene_replace_receiver(true);
	CU_ASSERT_EQUAL(rig_daemon_pid(&rig), 0);
	CU_ASSERT_EQUAL(taking_failover(2, 0), 0);
	failover_judge(2, last);
	CU_ASSERT_EQUAL(rig_close(&rig, true), -EPERM);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(taking_end_as(CANCEL, 2), -ESTALE);
	CU_ASSERT_EQUAL(taking_end_as(CANCEL, 3), 0);
	CU_ASSERT_EQUAL(taking_end_as(CANCEL, 3), 0);
	CU_ASSERT_NOT_EQUAL(access(rig.taken.paths[0], F_OK), 0);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, REPLICATING, 5000));
	sender_in(3);
	for (int i = 0; i < 5; i++) {
		taking_cycle_applied(8);
	}
	scene_check();
	CU_ASSERT_EQUAL(taking_failover(3, 0), -ESTALE); /* used */
	CU_ASSERT_EQUAL(taking_failover(4, 0), 0);
	failover_judge(4, sender.committed.seq);
	taking_end();
}

/* To points and cycles, with cancels between; the points stay. */
static void test_failover_to_any(void)
{
	uint64_t epoch = 2, last;

	taking_begin(3);
	for (int i = 0; i < 7; i++) {
		taking_cycle_applied(8);
	}
	last = sender.committed.seq;
	for (uint64_t seq = point_seq(0); seq <= last; seq++) {
		CU_ASSERT_EQUAL(taking_failover(epoch, seq), 0);
		failover_judge(epoch, seq);
		CU_ASSERT_EQUAL(taking_points_judge(), 3);
		CU_ASSERT_EQUAL(taking_end_as(CANCEL, epoch + 1), 0);
		epoch += 2;
	}
	sender_in(epoch - 1);
	taking_cycle_applied(8);
	scene_check();
	taking_end();
}

/* Committed to a cycle between points: what else there was is gone, but for the logs behind it. */
static void test_commit(void)
{
	uint64_t seq;

	taking_begin(3);
	for (int i = 0; i < 8; i++) {
		taking_cycle_applied(8);
	}
	seq = point_seq(1) + 1;
	CU_ASSERT_EQUAL(taking_end_as(COMMIT, 1), -ENOENT);
	CU_ASSERT_EQUAL(taking_failover(2, seq), 0);
	failover_judge(2, seq);
	CU_ASSERT_EQUAL(taking_test("web1-test", point_seq(0)), 0);
	taking_judge(point_seq(0), false);
	CU_ASSERT_EQUAL(taking_end_as(COMMIT, 1), -EBUSY);
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(taking_end_as(COMMIT, 1), 0);
		taking_judge(seq, true);
		CU_ASSERT_EQUAL(files_count("vda-*.qcow2"), rig.taken.chain_count[0]);
		CU_ASSERT_EQUAL(files_count("vdb-*.qcow2"), rig.taken.chain_count[1]);
		CU_ASSERT_EQUAL(files_count("*.vrl"), sender.committed.seq - seq);
		CU_ASSERT_EQUAL(rig.taken.last_seq, sender.committed.seq);
		CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, COMMITTED, 5000));
		scene_replace_receiver(i == 0);
	}
	CU_ASSERT_EQUAL(taking_end_as(CANCEL, 3), -EPERM);
	CU_ASSERT_EQUAL(taking_test("web1-test", 0), -EPERM);
	CU_ASSERT_EQUAL(taking_end_as(ADVANCE, 1), 0);
	CU_ASSERT_EQUAL(taking_end_as(ADVANCE, 1), 0);
	CU_ASSERT_EQUAL(files_count("*.vrl"), 0);
	CU_ASSERT_EQUAL(taking_failover(2, seq), 0);
	taking_judge(seq, true);
	taking_end();
}

/* The file of extents says what wrote holds, granule by granule. */
static void extents_judge(const struct model *wrote)
{
	struct extent_file_disk disks[MODEL_DISKS] = {0};
	char error[EXTENT_FILE_ERROR_LEN] = "";

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		strcpy(disks[i].name, model.disks[i].name);
		disks[i].size_bytes = model.disks[i].size;
		disks[i].map = dirty_map_new(model.disks[i].size);
	}
	CU_ASSERT_EQUAL(extent_file_read(rig.taken.path, disks, MODEL_DISKS, error), 0);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		for (uint64_t c = 0; c < model.disks[i].clusters; c++) {
			uint64_t offset, length;

			CU_ASSERT_EQUAL(dirty_map_next(disks[i].map, c * MODEL_CLUSTER, 1, &offset,
						       &length),
					wrote->disks[i].dirty[c] != 0);
		}
		dirty_map_free(disks[i].map);
	}
}

/* What the logs behind a failover's cycle wrote is told, also when it is committed. */
static void test_extents(void)
{
	struct model wrote;
	uint64_t seq;

	taking_begin(3);
	model_init(&wrote);
	for (int i = 0; i < 4; i++) {
		taking_cycle_applied(8);
	}
	seq = sender.committed.seq;
	for (int i = 0; i < 3; i++) {
		model_change(&model, 6);
		for (unsigned int k = 0; k < MODEL_DISKS; k++) {
			for (uint64_t c = 0; c < model.disks[k].clusters; c++) {
				wrote.disks[k].dirty[c] |= model.disks[k].dirty[c];
			}
		}
		scene_delta_of_dirty();
		taking_note();
		taking_applied();
	}
	CU_ASSERT_EQUAL(taking_failover(2, seq), 0);
	failover_judge(2, seq);
	CU_ASSERT_EQUAL(taking_extents(seq), 0);
	CU_ASSERT_EQUAL(rig.taken.last_seq, sender.committed.seq);
	extents_judge(&wrote);
	CU_ASSERT_EQUAL(taking_end_as(COMMIT, 1), 0);
	CU_ASSERT_EQUAL(taking_extents(seq), 0);
	extents_judge(&wrote);
	CU_ASSERT_EQUAL(taking_extents(seq - 1), -ESTALE); /* that log is gone */
	CU_ASSERT_EQUAL(taking_extents(sender.committed.seq), 0);
	CU_ASSERT_EQUAL(taking_end_as(ADVANCE, 1), 0);
	CU_ASSERT_NOT_EQUAL(access(rig.taken.path, F_OK), 0);
	CU_ASSERT_EQUAL(taking_extents(seq), -ESTALE);
	model_destroy(&wrote);
	taking_end();
}

/* A planned one takes the final cycle and nothing else. */
static void test_planned(void)
{
	taking_begin(3);
	for (int i = 0; i < 4; i++) {
		taking_cycle(20);
	}
	CU_ASSERT_EQUAL(taking_planned(2, sender.committed.seq - 1, sender.committed.cut_id),
			-ESTALE);
	CU_ASSERT_EQUAL(taking_planned(2, sender.committed.seq, "0123456789abcdef"), -ESTALE);
	CU_ASSERT_EQUAL(taking_planned(2, sender.committed.seq, sender.committed.cut_id), 0);
	failover_judge(2, sender.committed.seq);
	CU_ASSERT_TRUE(rig.takeover.planned);
	CU_ASSERT_EQUAL(rig.status.applied_seq, sender.committed.seq);
	taking_end();
}

/* Killed at any moment of failovers, tests and cancels: asked again, it goes on. */
static void test_killed_anywhere(void)
{
	uint64_t epoch = 2;

	taking_begin(3);
	for (int round = 0; round < 12; round++) {
		uint64_t seq;

		for (int i = 0; i < 3; i++) {
			taking_cycle(10);
		}
		seq = rig_random(2) == 0 ? 0 : sender.committed.seq - rig_random(3);
		taking_failover_send(epoch, seq, "", false, false);
		usleep(rig_random(400000));
		scene_replace_receiver(true);
		CU_ASSERT_EQUAL(taking_failover(epoch, seq), 0);
		failover_judge(epoch, seq == 0 ? sender.committed.seq : seq);
		taking_end_send(CANCEL, ++epoch);
		usleep(rig_random(100000));
		scene_replace_receiver(true);
		CU_ASSERT_EQUAL(taking_end_as(CANCEL, epoch), 0);
		CU_ASSERT_EQUAL(files_count("vm-*"), 0);
		sender_in(epoch++);
		taking_cycle_applied(5);
		scene_check();
	}
	taking_points_judge();
	taking_end();
}

/* ---- large ---- */

#define LARGE  (1ull << 40)
#define POINTS 24

/* What stands before the model's end, of a disk that is longer. */
static uint64_t head_digest(const char *path, uint64_t size)
{
	char raw[64] = "/tmp/vmreplica-head-XXXXXX", command[1400];
	int fd = mkstemp(raw);
	uint8_t *data = malloc(size);
	uint64_t sum = 0;

	snprintf(command, sizeof(command),
		 "qemu-img convert -U --image-opts -O raw driver=raw,size=%" PRIu64
		 ",file.driver=qcow2,file.file.filename='%s' %s",
		 size, path, raw);
	CU_ASSERT_EQUAL(system(command), 0);
	if (data != NULL && pread(fd, data, size, 0) == (ssize_t)size) {
		sum = codec_checksum(data, size, size) | 1;
	}
	free(data);
	close(fd);
	unlink(raw);
	return sum;
}

/* The best of two: other work on the machine is not what is measured. */
static int64_t failover_measure(uint64_t *epoch, uint64_t seq)
{
	int64_t best_ms = INT64_MAX;

	for (int i = 0; i < 2; i++) {
		int64_t begin_ms = clock_monotonic_ms();
		int64_t took_ms;

		CU_ASSERT_EQUAL(taking_failover(*epoch, seq), 0);
		took_ms = clock_monotonic_ms() - begin_ms;
		best_ms = took_ms < best_ms ? took_ms : best_ms;
		CU_ASSERT_EQUAL(rig.taken.workings, 0);
		CU_ASSERT_EQUAL(rig.taken.sizes[0], LARGE);
		if (i == 0) {
			CU_ASSERT_EQUAL(taking_end_as(CANCEL, *epoch + 1), 0);
			*epoch += 2;
		}
	}
	return best_ms;
}

/* Whichever of 24 points, whatever the disk's size: no work, and little time. */
static void test_large(void)
{
	uint64_t digests[POINTS + 3], size, epoch = 2;

	taking_init(POINTS);
	rig.point_interval_s = 1;
	size = model.disks[0].size;
	model.disks[0].size = LARGE;
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(sender_enter(&sender, &rig, &model));
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	sender_begin(&sender, &model, INITIAL, false);
	CU_ASSERT_TRUE(sender_end(&sender)); /* all zeros */
	for (int i = 0; i < POINTS + 2; i++) {
		memset(model.disks[0].data + i * MODEL_CLUSTER, i + 1, MODEL_CLUSTER);
		model.disks[0].dirty[i] = 1;
		sender_begin(&sender, &model, DELTA, false);
		sender_range(&sender, &model, 0, 0, size, true);
		CU_ASSERT_TRUE(sender_end(&sender));
		model_clear_dirty(&model);
		taking_applied();
		digests[i] = codec_checksum(model.disks[0].data, size, size) | 1;
	}
	for (int i = 0; i < 50 && point_seq(POINTS - 1) != sender.committed.seq; i++) {
		rig_wait(&rig, NULL, 0, 100); /* a point is made a moment after the cycle */
	}
	for (size_t i = 0; i < POINTS; i += 7) {
		uint64_t seq = point_seq(i);
		int64_t took_ms = failover_measure(&epoch, seq);

		fprintf(stderr, "point %zu of %d, disk of 1 TiB: %" PRId64 " ms\n", i + 1, POINTS,
			took_ms);
		CU_ASSERT_TRUE(seq > 0 && took_ms < 2000);
		CU_ASSERT_EQUAL(head_digest(rig.taken.paths[0], size), digests[seq - 2]);
		CU_ASSERT_EQUAL(taking_end_as(CANCEL, epoch + 1), 0);
		epoch += 2;
	}
	model.disks[0].size = size;
	taking_end();
}

/* ---- QEMU's user ---- */

#define QEMU_UID 23456

/* Run as QEMU's user: its exit status. */
static int as_qemu(const char *command, const char *path)
{
	char full[RIG_PATH + 400];
	int status;

	snprintf(full, sizeof(full),
		 "setpriv --reuid=%d --regid=%d --clear-groups %s '%s' >/dev/null 2>&1", QEMU_UID,
		 QEMU_UID, command, path);
	status = system(full);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Bytes, owner, mode, times and ACLs of all that is in the store, but for the manifest. */
static void store_look(char *ret_text, size_t size)
{
	char command[4 * RIG_PATH];
	FILE *pipe;
	size_t n;

	snprintf(
		command, sizeof(command),
		"cd '%s' && find . -type f ! -name manifest.json | sort | xargs sha256sum; "
		"find . ! -name manifest.json ! -path . ! -path './own-*' -printf '%%p %%u %%g %%m "
		"%%y\n' | sort; find . -type f ! -name manifest.json -printf '%%p %%T@\n' | sort; "
		"getfacl -Rn . 2>/dev/null",
		rig.store);
	pipe = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	n = fread(ret_text, 1, size - 1, pipe);
	ret_text[n] = '\0';
	CU_ASSERT_TRUE(n > 500 && n < size - 1);
	pclose(pipe);
}

/* QEMU's user reads every layer and writes the failover's images alone; a test leaves no trace. */
static void test_permissions(void)
{
	static char before[256 * 1024], after[256 * 1024];
	const unsigned int rights = FILE_ACCESS_READ | FILE_ACCESS_SEARCH;
	char path[RIG_PATH + 8];
	uint64_t seq;

	if (geteuid() != 0) {
		return; /* nobody else may become QEMU's user */
	}
	taking_init(3);
	CU_ASSERT_EQUAL(file_access_grant(AT_FDCWD, rig.store, QEMU_UID, rights), 0);
	CU_ASSERT_EQUAL(file_access_grant_default(AT_FDCWD, rig.store, QEMU_UID, rights), 0);
	rig.qemu_uid = QEMU_UID;
	taking_start();
	for (int i = 0; i < 7; i++) {
		taking_cycle_applied(8);
	}
	CU_ASSERT_TRUE(layers_wait(4, 30000));
	seq = point_seq(1);
	rig_wait(&rig, NULL, 0, 1500); /* the merged layer's file goes a moment later */
	store_look(before, sizeof(before));
	CU_ASSERT_EQUAL(taking_test("web1-test", seq), 0);
	taking_judge(seq, false);
	CU_ASSERT_EQUAL(as_qemu("qemu-io -f qcow2 -r -U -c 'read 0 1M'", rig.taken.backings[0]), 0);
	CU_ASSERT_NOT_EQUAL(as_qemu("qemu-io -f qcow2 -U -c 'read 0 1M'", rig.taken.backings[0]),
			    0);
	snprintf(path, sizeof(path), "%s/x", rig.store);
	CU_ASSERT_NOT_EQUAL(as_qemu("touch", path), 0);
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	rig_wait(&rig, NULL, 0, 1500);
	store_look(after, sizeof(after));
	CU_ASSERT_STRING_EQUAL(before, after);
	CU_ASSERT_EQUAL(taking_failover(2, seq + 1), 0); /* with layers of its own */
	failover_judge(2, seq + 1);
	CU_ASSERT_EQUAL(as_qemu("qemu-io -f qcow2 -c 'write 1M 64k'", rig.taken.paths[0]), 0);
	CU_ASSERT_NOT_EQUAL(as_qemu("qemu-io -f qcow2 -c 'write 1M 64k'", rig.taken.backings[0]),
			    0);
	CU_ASSERT_TRUE(taking_reads(rig.taken.backings[0], seq + 1, 0));
	taking_end();
}

static const struct unit_test tests[] = {
	{"test failover of a point", test_test_of_point},
	{"test failover of cycles", test_test_of_cycles},
	{"failover and cancel", test_failover_and_cancel},
	{"failover to points and cycles", test_failover_to_any},
	{"commit", test_commit},
	{"extents", test_extents},
	{"planned", test_planned},
	{"1 TiB, 24 points", test_large},
	{"permissions", test_permissions},
	{"killed anywhere", test_killed_anywhere},
};

int main(void)
{
	rig_require_tools();
	return unit_run("takeovers", tests, sizeof(tests) / sizeof(tests[0]));
}
