/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test failovers of a real store, and takeovers killed at any moment: judged by what the disks
 * hold. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file_access.h"
#include "takeover_scene.h"
#include "unit.h"

/* While a point is in use, cycles come, points are made, and others go; it stays what it was. */
static void test_test_of_point(void)
{
	uint64_t seq;

	taking_begin(3);
	for (int i = 0; i < 7; i++) {
		taking_cycle_applied(8);
	}
	seq = taking_point_seq(0);
	CU_ASSERT_EQUAL(taking_test("web1-test", seq), 0);
	taking_judge(seq, false);
	CU_ASSERT_EQUAL(rig.taken.workings, 0);
	CU_ASSERT_EQUAL(taking_test("web1-other", seq), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.taken.text, "web1-test"));
	CU_ASSERT_EQUAL(taking_test("web1-test", seq + 1), -EBUSY);
	for (int i = 0; i < 8; i++) {
		taking_cycle_applied(8);
	}
	CU_ASSERT_NOT_EQUAL(taking_point_seq(0), seq); /* no more a point, but still there */
	scene_replace_receiver(true);
	CU_ASSERT_EQUAL(taking_test("web1-test", seq), 0);
	taking_judge(seq, false);
	CU_ASSERT_TRUE(scene_layers() > 4);
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	CU_ASSERT_TRUE(scene_layers_wait(4, 30000));
	CU_ASSERT_EQUAL(scene_points_judge(), 3);
	scene_check();
	taking_end();
}

/* Layer files that are in no chain. */
static size_t built_count(void)
{
	struct manifest manifest = scene_manifest();
	size_t known = 0, count = taking_files("vda-*.qcow2");

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
	for (uint64_t seq = taking_point_seq(1); seq <= sender.committed.seq; seq++) {
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
	CU_ASSERT_TRUE(scene_layers_wait(4, 30000));
	taking_cycle_applied(9);
	scene_check();
	scene_points_judge();
	taking_end();
}

static bool test_is_answered(const struct rig *r, uint64_t unused)
{
	(void)unused;
	return r->taken.answers > 0;
}

/* Stop the daemon that replays for a test of cycle seq; 0: it was done before. */
static pid_t replay_stop(uint64_t seq)
{
	const pid_t daemon = rig_daemon_pid(&rig);
	pid_t found = 0;

	taking_test_send("web1-test", seq);
	while (found == 0 && !rig_wait(&rig, test_is_answered, 0, 1)) {
		found = rig_daemon_other(&rig, daemon);
	}
	if (found != 0) {
		kill(found, SIGSTOP);
	}
	return found;
}

/* Logs that the manifest lists itself: some 30, then they go into the history, and retention has
 * its turn with them. */
static size_t logs_listed(void)
{
	struct manifest manifest = scene_manifest();
	size_t count = manifest.log_count;

	manifest_destroy(&manifest);
	return count;
}

/* While logs are replayed, the points and logs that they belong to fall out of the window: the test
 * is what it was to be, and what it held back goes afterwards. */
static void test_retention_waits(void)
{
	pid_t replay = 0;
	uint64_t seq = 0;

	taking_begin(2);
	while (logs_listed() < 29) {
		taking_cycle_applied(2);
	}
	for (int attempt = 0; replay == 0 && attempt < 20; attempt++) {
		taking_cycle_applied(2);
		for (int i = 0; i < 100 && taking_point_seq(1) + 1 < sender.committed.seq; i++) {
			rig_wait(&rig, NULL, 0, 50); /* the newest point is made behind the cycle */
		}
		seq = taking_point_seq(0) + 1;
		replay = replay_stop(seq);
		if (replay == 0) {
			CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
		}
	}
	CU_ASSERT_NOT_EQUAL_FATAL(replay, 0);
	for (int i = 0; i < 3 || logs_listed() > 10; i++) { /* until retention has had its turn */
		taking_cycle_applied(2);
	}
	CU_ASSERT_TRUE(taking_point_seq(0) > seq);
	kill(replay, SIGCONT);
	CU_ASSERT_EQUAL(rig_taken_wait(&rig, 30000), 0);
	taking_judge(seq, false);
	CU_ASSERT_EQUAL(taking_end_as(CLEANUP, 1), 0);
	for (int i = 0; i < 2; i++) {
		taking_cycle_applied(8);
	}
	CU_ASSERT_TRUE(taking_files("*.vrl") < 20);
	scene_check();
	scene_points_judge();
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
		taking_failover_judge(epoch, seq == 0 ? sender.committed.seq : seq);
		taking_end_send(CANCEL, ++epoch);
		usleep(rig_random(100000));
		scene_replace_receiver(true);
		CU_ASSERT_EQUAL(taking_end_as(CANCEL, epoch), 0);
		CU_ASSERT_EQUAL(taking_files("vm-*"), 0);
		taking_sender_in(epoch++);
		taking_cycle_applied(5);
		scene_check();
	}
	scene_points_judge();
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
	CU_ASSERT_TRUE(scene_layers_wait(4, 30000));
	seq = taking_point_seq(1);
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
	taking_failover_judge(2, seq + 1);
	CU_ASSERT_EQUAL(as_qemu("qemu-io -f qcow2 -c 'write 1M 64k'", rig.taken.paths[0]), 0);
	CU_ASSERT_NOT_EQUAL(as_qemu("qemu-io -f qcow2 -c 'write 1M 64k'", rig.taken.backings[0]),
			    0);
	CU_ASSERT_TRUE(scene_reads(rig.taken.backings[0], seq + 1, 0));
	taking_end();
}

static const struct unit_test tests[] = {
	{"test failover of a point", test_test_of_point},
	{"test failover of cycles", test_test_of_cycles},
	{"retention waits for a replay", test_retention_waits},
	{"permissions", test_permissions},
	{"killed anywhere", test_killed_anywhere},
};

int main(void)
{
	rig_require_tools();
	return unit_run("takeovers", tests, sizeof(tests) / sizeof(tests[0]));
}
