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

#include "store_fixture.h"

static void stream_record(const char *directory)
{
	int64_t time_ms = sender.cut_time_ms;
	FILE *hello = fixture_file(directory, "hello"), *frames = fixture_file(directory, "cycle");

	sender_drop(&sender);
	sender_record = hello;
	if (!sender_enter(&sender, &rig, &model)) {
		rig_die("no stream to record");
	}
	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = FIXTURE_STEP_MS;
	sender_record = frames;
	fixture_cycle(20, false);
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
	fixture_expected = fixture_file(argv[1], "expected");
	fixture_store();
	for (unsigned int round = 1; round < 40; round++) { /* so many that the index has some */
		fixture_cycle(round, true);
	}
	rig_wait(&rig, NULL, 0, 5000); /* merges end */
	daemon = rig_daemon_pid(&rig);
	kill(daemon, SIGSTOP);
	fixture_cycle(40, false);
	fixture_cycle(41, false);
	rig_wait(&rig, NULL, 0, 500);
	snprintf(command, sizeof(command), "cp -a '%s' '%s/store' && rm '%s/store/lock'", rig.store,
		 argv[1], argv[1]);
	if (system(command) != 0) {
		rig_die("cannot copy the store");
	}
	stream_record(argv[1]);
	fclose(fixture_expected);
	kill(daemon, SIGCONT);
	sender_drop(&sender);
	rig_destroy(&rig);
	model_destroy(&model);
	return 0;
}
