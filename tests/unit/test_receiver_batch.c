/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logs that wait are applied at once: the same image as in order, fewer bytes, and at no moment an
 * image that says it is a point in time and is none. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "replica_scene.h"
#include "unit.h"

#define LOGS 6

/* The disks as of each cycle. */
static struct model history[LOGS + 3];
static uint64_t history_first;

static void model_copy(struct model *to, const struct model *from)
{
	model_init(to);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memcpy(to->disks[i].data, from->disks[i].data, from->disks[i].size);
	}
}

static void history_note(void)
{
	model_copy(&history[sender.committed.seq - history_first], &model);
}

static void history_begin(void)
{
	memset(history, 0, sizeof(history));
	history_first = sender.committed.seq;
	history_note();
}

static void history_end(void)
{
	for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++) {
		model_destroy(&history[i]);
	}
}

/* Let logs wait: nothing is applied while the daemon stands still. */
static pid_t logs_pile_up(int count)
{
	pid_t daemon = rig_daemon_pid(&rig);

	CU_ASSERT_NOT_EQUAL_FATAL(daemon, 0);
	kill(daemon, SIGSTOP);
	for (int i = 0; i < count; i++) {
		if (i == count / 2) { /* zeros over what older logs wrote, on either disk */
			memset(model.disks[0].data + (3u << 20) + 512, 0, 2u << 20);
			memset(model.disks[0].dirty + 48, 1, 34);
			memset(model.disks[1].data, 0, 1u << 20);
			memset(model.disks[1].dirty, 1, 16);
		}
		scene_delta(40);
		history_note();
	}
	return daemon;
}

static uint64_t manifest_number(const char *key)
{
	static char text[1 << 20];
	char path[RIG_PATH + 32], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/manifest.json", rig.store);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	CU_ASSERT_TRUE_FATAL(n > 0);
	close(fd);
	text[n] = '\0';
	at = strstr(text, key);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	return strtoull(at + strlen(key) + strlen("\": "), NULL, 10);
}

/* What an outsider finds after a crash: the manifest's word and the image as it lies there. True
 * when a batch was open. */
static bool crash_judge(void)
{
	uint64_t applied = manifest_number("applied_seq"), batch = manifest_number("batch_seq");

	CU_ASSERT_TRUE(batch == 0 || batch > applied);
	CU_ASSERT_TRUE_FATAL(applied >= history_first);
	for (unsigned int i = 0; batch == 0 && i < MODEL_DISKS; i++) {
		CU_ASSERT_TRUE(
			model_matches(&history[applied - history_first], i, rig.status.tops[i]));
	}
	return batch != 0;
}

static void test_same_image(void)
{
	pid_t daemon;

	scene_begin();
	scene_initial();
	scene_check();
	history_begin();
	daemon = logs_pile_up(LOGS);
	CU_ASSERT_EQUAL(rig.status.applied_seq, history_first);
	kill(daemon, SIGCONT);
	scene_check();
	CU_ASSERT_EQUAL(manifest_number("batch_seq"), 0);
	scene_delta(10);
	scene_check();
	sender_drop(&sender);
	history_end();
	scene_end();
}

/* The receiver is killed at any moment while it applies a batch. */
static void test_killed(void)
{
	int open = 0;

	scene_begin();
	scene_initial();
	scene_check();
	for (int round = 0; round < 10; round++) {
		pid_t daemon;

		history_begin();
		daemon = logs_pile_up(LOGS);
		kill(daemon, SIGCONT);
		usleep(rig_random(round % 2 == 0 ? 20000 : 150000));
		rig_kill(&rig);
		open += crash_judge();
		sender_drop(&sender);
		rig_start(&rig, round % 3 == 2 ? "b2" : "b1"); /* also by another owner */
		CU_ASSERT_EQUAL(rig_open(&rig), 0);
		scene_enter();
		CU_ASSERT_EQUAL(sender.mode, DELTA);
		if (round % 2 == 0) { /* the open batch is extended */
			scene_delta(10);
			history_note();
		}
		scene_check();
		CU_ASSERT_EQUAL(manifest_number("batch_seq"), 0);
		history_end();
		/* A daemon that is stopped before it has the image open for writing would stop the
		 * stream as well. */
		scene_delta(1);
		scene_check();
	}
	fprintf(stderr, "%d of 10 kills met an open batch\n", open);
	CU_ASSERT_TRUE(open > 0);
	sender_drop(&sender);
	scene_end();
}

static bool is_in_batch(const struct rig *r, uint64_t seq)
{
	return r->status.batch_seq == seq;
}

/* The status says that the image is none to be used while a batch is open. */
static void test_status(void)
{
	pid_t daemon;

	scene_begin();
	scene_initial();
	scene_check();
	history_begin();
	daemon = logs_pile_up(3);
	/* The first went to work alone; the daemon does not let it end. */
	CU_ASSERT_TRUE(rig_wait(&rig, is_in_batch, history_first + 1, 5000));
	CU_ASSERT_EQUAL(rig.status.applied_seq, history_first);
	CU_ASSERT_EQUAL(manifest_number("batch_seq"), history_first + 1);
	kill(daemon, SIGCONT);
	scene_check();
	CU_ASSERT_TRUE(rig_wait(&rig, is_in_batch, 0, 5000));
	sender_drop(&sender);
	history_end();
	scene_end();
}

static void log_damage(uint64_t seq)
{
	char path[RIG_PATH + 64];
	uint8_t byte = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/gen-1/%lu.vrl", rig.store, seq);
	fd = open(path, O_RDWR);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, 5000), 1);
	byte ^= 0x10;
	CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, 5000), 1);
	close(fd);
}

/* A damaged log in the middle: what is before it is applied, nothing of it and of what builds on
 * it. */
static void test_damaged(void)
{
	pid_t daemon;

	scene_begin();
	scene_initial();
	scene_check();
	history_begin();
	daemon = logs_pile_up(LOGS);
	log_damage(history_first + 4);
	kill(daemon, SIGCONT);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 20000));
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.status.reason, "damaged"));
	CU_ASSERT_EQUAL(rig.status.applied_seq, history_first + 3);
	CU_ASSERT_EQUAL(rig.status.batch_seq, 0);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_TRUE(model_matches(&history[3], i, rig.status.tops[i]));
	}
	sender_drop(&sender);
	history_end();
	scene_resync_now("is damaged");
	scene_end();
}

static uint64_t daemon_written(pid_t pid)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "wchar: %lu", &bytes) == 1) {
			break;
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return bytes;
}

/* Ten logs of the same 8 MiB: what the daemon writes for them one by one, and at once. */
static void test_bytes(void)
{
	uint64_t before, each, at_once;
	pid_t daemon;

	scene_begin();
	scene_initial();
	scene_check();
	daemon = rig_daemon_pid(&rig);
	for (int turn = 0; turn < 2; turn++) {
		before = daemon_written(daemon);
		if (turn == 1) {
			kill(daemon, SIGSTOP);
		}
		for (int i = 0; i < 10; i++) {
			memset(model.disks[0].data + (4u << 20), 1 + turn * 20 + i, 8u << 20);
			memset(model.disks[0].dirty + 64, 1, 128);
			scene_delta_of_dirty();
			if (turn == 0) {
				scene_check();
			}
		}
		if (turn == 1) {
			kill(daemon, SIGCONT);
			scene_check();
			at_once = daemon_written(daemon) - before;
		} else {
			each = daemon_written(daemon) - before;
		}
	}
	fprintf(stderr, "10 logs of the same 8 MiB: %lu KiB written one by one, %lu KiB at once\n",
		each >> 10, at_once >> 10);
	CU_ASSERT_TRUE(each > 0 && at_once * 3 < each); /* the first of them goes to work alone */
	sender_drop(&sender);
	scene_end();
}

static const struct unit_test tests[] = {
	{"same image", test_same_image}, {"status", test_status}, {"killed", test_killed},
	{"damaged", test_damaged},	 {"bytes", test_bytes},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver and batches", tests, sizeof(tests) / sizeof(tests[0]));
}
