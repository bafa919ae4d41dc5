/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes wrong: each case gets a clear answer on the wire, a reason in the replica's health, and
 * loses nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "replica_scene.h"
#include "unit.h"

/* A sender that reconnects does not wait for its old connection to time out, and the old one cannot
 * write any more. */
static void test_replaced(void)
{
	struct sender old;

	scene_begin();
	scene_initial();
	model_change(&model, 10);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	old = sender;
	memset(&sender, 0, sizeof(sender));
	scene_enter();
	CU_ASSERT_EQUAL(sender_answer(&old, 5000), 0);
	sender_drop(&old);
	scene_delta_of_dirty();
	old = sender; /* now a parked one */
	memset(&sender, 0, sizeof(sender));
	clock_sleep_ms(500);
	scene_enter();
	CU_ASSERT_EQUAL(sender_answer(&old, 5000), 0);
	sender_drop(&old);
	scene_delta(5);
	scene_check();
	sender_drop(&sender);
	scene_end();
}

static void test_suspended(void)
{
	scene_begin();
	scene_initial();
	rig_suspend(&rig, true);
	scene_expect(FRAME_BUSY, "suspended", "paused by its administrator");
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, VMREPLICA__STATE__STATE_SUSPENDED, 5000));
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_BUSY);
	sender_drop(&sender);
	rig_suspend(&rig, false);
	model_change(&model, 5);
	scene_recover();
	rig_suspend(&rig, true); /* in the middle of a cycle */
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_BUSY, "suspended", "paused");
	scene_end();
}

static void test_storage_full(void)
{
	scene_begin();
	scene_initial();
	rig.reserve_bytes = 1ull << 60;
	rig_configure(&rig);
	clock_sleep_ms(200);
	model_change(&model, 5);
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_BUSY, "storage-full", "make room there");
	CU_ASSERT_TRUE(scene_wait_code("storage-full", 5000));
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_CRITICAL);
	rig.reserve_bytes = 0;
	rig_configure(&rig);
	clock_sleep_ms(200);
	scene_recover();
	sender_drop(&sender);
	scene_end();
}

/* Its daemon stopped, the applier stands still; logs pile up to the cap, the sender is told to
 * wait, and it all goes on by itself. */
static void test_spool_full(void)
{
	struct sender old;
	int64_t start_ms;
	pid_t daemon;

	scene_begin();
	rig.cap_bytes = 512 * 1024;
	rig_configure(&rig);
	scene_initial();
	scene_check();
	daemon = rig_daemon_pid(&rig);
	CU_ASSERT_NOT_EQUAL_FATAL(daemon, 0);
	kill(daemon, SIGSTOP);
	scene_delta(60); /* alone it may pass the cap */
	model_change(&model, 5);
	sender_begin(&sender, &model, DELTA, false);
	clock_sleep_ms(300);
	old = sender; /* its worker waits for room; a new stream need not wait for that */
	memset(&sender, 0, sizeof(sender));
	start_ms = clock_monotonic_ms();
	scene_enter();
	CU_ASSERT_TRUE(clock_monotonic_ms() - start_ms < 5000);
	sender_drop(&old);
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_BUSY, "spool-full", "wait to be applied");
	CU_ASSERT_TRUE(scene_wait_code("spool-full", 5000));
	kill(daemon, SIGCONT);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, 2, 20000));
	scene_recover();
	sender_drop(&sender);
	scene_end();
}

static void test_daemon_killed(void)
{
	pid_t daemon;

	scene_begin();
	model_change(&model, 60);
	scene_enter();
	sender_begin(&sender, &model, INITIAL, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, false);
	CU_ASSERT_TRUE(sender_mark(&sender, 1, 0));
	kill(rig_daemon_pid(&rig), SIGKILL);
	sender_range(&sender, &model, 1, 0, model.disks[1].size, false);
	sender_send_end(&sender);
	scene_expect(FRAME_BUSY, "storage-error", "has died");
	model_clear_dirty(&model);
	scene_enter();
	CU_ASSERT_EQUAL(sender.mark.disk, 1);
	sender_begin(&sender, &model, INITIAL, true);
	sender_range(&sender, &model, 1, 0, model.disks[1].size, false);
	CU_ASSERT_TRUE(sender_end(&sender));
	scene_check();
	daemon = rig_daemon_pid(&rig);
	kill(daemon, SIGKILL); /* between cycles: noticed and started again */
	scene_delta(10);
	scene_check();
	kill(rig_daemon_pid(&rig), SIGKILL);
	for (int i = 0; i < 40 && (rig_daemon_pid(&rig) == 0 || rig_daemon_pid(&rig) == daemon);
	     i++) {
		clock_sleep_ms(100);
	}
	CU_ASSERT_NOT_EQUAL(rig_daemon_pid(&rig), 0);
	sender_drop(&sender);
	scene_end();
}

/* A byte of a committed log turns over on disk before it is applied. */
static void log_damage(const char *generation)
{
	char path[RIG_PATH + 64];
	struct dirent *entry;
	DIR *dir;
	int damaged = 0;

	snprintf(path, sizeof(path), "%s/%s", rig.store, generation);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);
		uint8_t byte;
		int fd;

		if (len < 5 || strcmp(entry->d_name + len - 4, ".vrl") != 0) {
			continue;
		}
		fd = openat(dirfd(dir), entry->d_name, O_RDWR);
		if (fd >= 0 && pread(fd, &byte, 1, 5000) == 1) {
			byte ^= 0x10;
			damaged += pwrite(fd, &byte, 1, 5000) == 1;
		}
		close(fd);
	}
	if (dir != NULL) {
		closedir(dir);
	}
	CU_ASSERT_EQUAL(damaged, 1);
}

static void test_log_damaged(void)
{
	struct model before;

	scene_begin();
	scene_initial();
	scene_check();
	model_init(&before);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(before.disks[i].data, model.disks[i].data, model.disks[i].size);
	}
	kill(rig_daemon_pid(&rig), SIGSTOP);
	scene_delta(10);
	rig_kill(&rig);
	sender_drop(&sender);
	log_damage("gen-1");
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 20000));
	for (unsigned int i = 0; i < MODEL_DISKS; i++) { /* nothing of it was applied */
		CU_ASSERT_TRUE(model_matches(&before, i, rig.status.tops[i]));
	}
	model_destroy(&before);
	scene_resync_now("the log of cycle 2 is damaged");
	scene_end();
}

static void test_changed_behind_our_back(void)
{
	char top[RIG_PATH], command[RIG_PATH + 128];

	scene_begin();
	scene_initial();
	scene_delta(5);
	scene_check();
	strcpy(top, rig.status.tops[0]);
	rig_stop(&rig);
	sender_drop(&sender);
	snprintf(command, sizeof(command),
		 "qemu-io -f qcow2 -c 'write -P 0x55 1M 64k' '%s' >/dev/null", top);
	CU_ASSERT_EQUAL(system(command), 0);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_resync_now("the replica's image was changed behind our back");

	strcpy(top, rig.status.tops[0]);
	rig_stop(&rig);
	CU_ASSERT_EQUAL(unlink(top),
			0); /* a layer is gone: what is left of the chain cannot be read */
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_resync_now("is missing");
	scene_end();
}

static size_t cycles_listed(void)
{
	rig_list(&rig, true, 0);
	CU_ASSERT_EQUAL(rig.list_error, 0);
	for (size_t i = 1; i < rig.list_count; i++) {
		CU_ASSERT_STRING_EQUAL(rig.list[i].verdict, "ok");
	}
	return rig.list_count;
}

/* Storage that does not give or take the index of logs for a while costs no cycle. */
static void test_index_trouble(void)
{
	char index[RIG_PATH + 32], gen[RIG_PATH + 32], block[RIG_PATH + 64];
	size_t listed;
	uid_t uid;
	gid_t gid;
	bool drops;

	rig_init(&rig);
	rig.points = 2;
	rig.point_interval_s = 600;
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	scene_initial();
	for (int i = 0; i < 40; i++) { /* more than the manifest lists */
		scene_delta(2);
		CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
	}
	listed = cycles_listed();
	CU_ASSERT_EQUAL(listed, 41);
	sender_drop(&sender);
	rig_stop(&rig);
	snprintf(index, sizeof(index), "%s/gen-1/history", rig.store);
	snprintf(gen, sizeof(gen), "%s/gen-2", rig.store);
	snprintf(block, sizeof(block), "%s/history.new", gen);
	rig_user(&uid, &gid, &drops);
	CU_ASSERT_EQUAL(mkdir(gen, 0750), 0);
	CU_ASSERT_EQUAL(chown(gen, uid, gid), 0);
	CU_ASSERT_EQUAL(mkdir(block, 0750), 0);
	CU_ASSERT_EQUAL(chmod(index, 0), 0);
	rig_start(&rig, "b2");
	CU_ASSERT_EQUAL(rig_open(&rig), -EACCES);
	CU_ASSERT_EQUAL(chmod(index, 0640), 0);
	CU_ASSERT_EQUAL(rig_open(&rig), 0); /* but the index cannot be written */
	CU_ASSERT_EQUAL(cycles_listed(), listed);
	CU_ASSERT_EQUAL(rmdir(block), 0);
	scene_enter();
	for (int i = 0; i < 40; i++) {
		scene_delta(2);
		CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
	}
	CU_ASSERT_EQUAL(cycles_listed(), listed + 40);
	sender_drop(&sender);
	rig_stop(&rig);
	rig_start(&rig, "b2");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(access(index, F_OK), -1); /* the new one stands for it */
	CU_ASSERT_EQUAL(cycles_listed(), listed + 40);
	sender.cut_time_ms = sender.cut_step_ms = 0;
	scene_end();
}

static void test_second_opener(void)
{
	struct rig other;

	scene_begin();
	rig_init(&other);
	strcpy(other.store, rig.store); /* before it starts: what it can open is fixed then */
	rig_start(&other, "b2");
	CU_ASSERT_EQUAL(rig_open(&other), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(other.opened_text, "in use by another receiver (b1 pid"));
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	CU_ASSERT_EQUAL(rig_open(&other), 0);
	CU_ASSERT_EQUAL(rig_close(&other, false), 0);
	rig_destroy(&other);
	scene_end();
}

/* A newer vmreplica's store is refused and not touched. */
static void test_newer_format(void)
{
	char path[RIG_PATH + 32], before[16384], after[16384];
	char *format;
	ssize_t n;
	int fd;

	scene_begin();
	scene_initial();
	sender_drop(&sender);
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	snprintf(path, sizeof(path), "%s/manifest.json", rig.store);
	fd = open(path, O_RDWR);
	n = pread(fd, before, sizeof(before) - 1, 0);
	CU_ASSERT_TRUE_FATAL(n > 0);
	before[n] = '\0';
	format = strstr(before, "\"format\": 2");
	CU_ASSERT_PTR_NOT_NULL_FATAL(format);
	format[strlen("\"format\": ")] = '4';
	CU_ASSERT_EQUAL(pwrite(fd, before, (size_t)n, 0), n);
	CU_ASSERT_EQUAL(rig_open(&rig), -EPROTONOSUPPORT);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.opened_text, "update this node"));
	CU_ASSERT_EQUAL(pread(fd, after, sizeof(after), 0), n);
	CU_ASSERT_EQUAL(memcmp(before, after, (size_t)n), 0);
	close(fd);
	CU_ASSERT_EQUAL(truncate(path, 100), 0);
	CU_ASSERT_EQUAL(rig_open(&rig), -EBADMSG);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rig_open(&rig), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.opened_text, "holds a replica but no manifest.json"));
	scene_end();
}

static void test_destroyed(void)
{
	scene_begin();
	scene_initial();
	scene_delta(5);
	sender_drop(&sender);
	CU_ASSERT_EQUAL(rig_close(&rig, true), 0);
	CU_ASSERT_TRUE(access(rig.store, F_OK) == 0 || errno == ENOENT);
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0); /* closing the closed */
	CU_ASSERT_EQUAL(rig_close(&rig, true), -ENOENT);
	rmdir(rig.store); /* fails unless it is empty */
	CU_ASSERT_NOT_EQUAL(access(rig.store, F_OK), 0);
	scene_end();
}

static const struct unit_test tests[] = {
	{"replaced", test_replaced},
	{"suspended", test_suspended},
	{"storage full", test_storage_full},
	{"spool full", test_spool_full},
	{"daemon killed", test_daemon_killed},
	{"log damaged", test_log_damaged},
	{"changed behind our back", test_changed_behind_our_back},
	{"index trouble", test_index_trouble},
	{"second opener", test_second_opener},
	{"newer format", test_newer_format},
	{"destroyed", test_destroyed},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver in trouble", tests, sizeof(tests) / sizeof(tests[0]));
}
