/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes what tests/fixtures/store/make packs: a store as this version leaves it after a crash, with
 * points, kept logs and logs not applied yet; a recorded stream that goes on from there; and what
 * the disks held at each cut. Usage: store_fixture_make DIRECTORY
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica_scene.h"

#define STEP_MS 5000

static FILE *expected;

static FILE *file_make(const char *directory, const char *name)
{
	char path[RIG_PATH];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	if (file == NULL) {
		rig_die("cannot write %s", path);
	}
	return file;
}

/* Small and compressible: the fixture is kept for ever. */
static void change(unsigned int round)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		struct model_disk *disk = &model.disks[i];

		for (unsigned int k = 0; k < 4; k++) {
			uint64_t cluster = (round * 7 + k * 31 + i) % (disk->clusters - 1);
			uint8_t *to = disk->data + cluster * MODEL_CLUSTER;

			for (unsigned int n = 0; n < MODEL_CLUSTER; n++) {
				to[n] = k == 3 ? 0 : (uint8_t)(round + n / 512 * (k + 1));
			}
			disk->dirty[cluster] = 1;
		}
	}
}

static void committed_note(void)
{
	fprintf(expected, "%" PRIu64 " %016" PRIx64 " %016" PRIx64 "\n", sender.committed.seq,
		model_digest(&model, 0), model_digest(&model, 1));
	model_clear_dirty(&model);
}

static void cycle(unsigned int round, bool applied)
{
	change(round);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	if (!sender_end(&sender) ||
	    (applied && !rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000))) {
		rig_die("cycle %u fails: %s", round, sender.reason);
	}
	committed_note();
}

static void store_begin(void)
{
	rig_init(&rig);
	rig.points = 3;
	rig.point_interval_s = 2 * STEP_MS / 1000;
	model_init(&model);
	rig_start(&rig, "b1");
	if (rig_open(&rig) != 0 || !sender_enter(&sender, &rig, &model)) {
		rig_die("no store: %s", rig.opened_text);
	}
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = STEP_MS;
	change(0);
	sender_begin(&sender, &model, INITIAL, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(&sender, &model, i, 0, model.disks[i].size, false);
	}
	if (!sender_end(&sender)) {
		rig_die("no initial replication: %s", sender.reason);
	}
	committed_note();
}

static void stream_record(const char *directory)
{
	int64_t time_ms = sender.cut_time_ms;
	FILE *hello = file_make(directory, "hello"), *frames = file_make(directory, "cycle");

	sender_drop(&sender);
	sender_record = hello;
	if (!sender_enter(&sender, &rig, &model)) {
		rig_die("no stream to record");
	}
	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = STEP_MS;
	sender_record = frames;
	cycle(20, false);
	sender_record = NULL;
	fclose(hello);
	fclose(frames);
}

int main(int argc, char **argv)
{
	char command[RIG_PATH * 3];
	pid_t daemon;

	if (argc != 2) {
		rig_die("usage: store_fixture_make DIRECTORY");
	}
	rig_require_tools();
	expected = file_make(argv[1], "expected");
	store_begin();
	for (unsigned int round = 1; round < 40; round++) { /* so many that the index has some */
		cycle(round, true);
	}
	rig_wait(&rig, NULL, 0, 5000); /* merges end */
	daemon = rig_daemon_pid(&rig);
	kill(daemon, SIGSTOP);
	cycle(40, false);
	cycle(41, false);
	rig_wait(&rig, NULL, 0, 500);
	snprintf(command, sizeof(command), "cp -a '%s' '%s/store' && rm '%s/store/lock'", rig.store,
		 argv[1], argv[1]);
	if (system(command) != 0) {
		rig_die("cannot copy the store");
	}
	stream_record(argv[1]);
	fclose(expected);
	kill(daemon, SIGCONT);
	sender_drop(&sender);
	rig_destroy(&rig);
	model_destroy(&model);
	return 0;
}
