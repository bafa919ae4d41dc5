/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica-freeze as the engine uses it, with libvirt's test driver for the guest: it has two file
 * systems, and each process sees a world of its own. What a real guest does is the lab's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "engine/freeze_note.h"
#include "engine/source_freeze.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

static char notes[512], program[512];

static struct source_freeze_options options_make(void)
{
	return (struct source_freeze_options){
		.program = program, .uri = "test:///default", .notes = notes};
}

static bool note_exists(const char *vm)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", notes, vm);
	return access(path, F_OK) == 0;
}

static bool note_goes(const char *vm, int within_ms)
{
	int64_t until_ms = clock_monotonic_ms() + within_ms;

	while (note_exists(vm) && clock_monotonic_ms() < until_ms) {
		clock_sleep_ms(20);
	}
	return !note_exists(vm);
}

static void test_frozen_for_a_cut(void)
{
	struct source_freeze_options options = options_make();
	char error[SOURCE_ERROR_LEN] = "";
	int64_t frozen_ms = -1;
	int fd = source_freeze_begin(&options, "test", error);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_TRUE(note_exists("test"));
	clock_sleep_ms(100);
	CU_ASSERT_EQUAL(source_freeze_end(fd, &frozen_ms, error), 0);
	CU_ASSERT_TRUE(frozen_ms >= 100 && frozen_ms < SOURCE_FREEZE_HOLD_MS);
	CU_ASSERT_TRUE(note_goes("test", 2000));
}

static void test_a_cut_that_takes_too_long_is_none(void)
{
	struct source_freeze_options options = options_make();
	char error[SOURCE_ERROR_LEN] = "";
	int64_t frozen_ms = -1;
	int fd = source_freeze_begin(&options, "test", error);

	CU_ASSERT_FATAL(fd >= 0);
	/* thawed by itself */
	CU_ASSERT_TRUE(note_goes("test", SOURCE_FREEZE_HOLD_MS + 2000));
	CU_ASSERT_EQUAL(source_freeze_end(fd, &frozen_ms, error), -ETIME);
	CU_ASSERT_EQUAL(frozen_ms, -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "longer than the 3 s"));
}

/* By a process that is killed with the freeze in its hand. */
static void test_the_engine_s_end_thaws(void)
{
	struct source_freeze_options options = options_make();
	int ready[2], status;
	char byte;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		char error[SOURCE_ERROR_LEN];
		int fd = source_freeze_begin(&options, "test", error);

		(void)!write(ready[1], fd >= 0 ? "y" : "n", 1);
		pause();
		_exit(0);
	}
	CU_ASSERT_EQUAL_FATAL(read(ready[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(byte, 'y');
	CU_ASSERT_TRUE(note_exists("test"));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	CU_ASSERT_TRUE(note_goes("test", 1000));
	close(ready[0]);
	close(ready[1]);
}

static void test_what_cannot_be_frozen(void)
{
	struct source_freeze_options options = options_make();
	char error[SOURCE_ERROR_LEN] = "";

	CU_ASSERT_EQUAL(source_freeze_begin(&options, "nowhere", error), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "looking the VM up"));
	CU_ASSERT_TRUE(note_goes("nowhere", 1000));
	CU_ASSERT_EQUAL(source_freeze_begin(&options, "../test", error), -ENOTSUP);
	options.uri = "test:///nowhere.xml";
	CU_ASSERT_EQUAL(source_freeze_begin(&options, "test", error), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "does not accept a connection"));
	CU_ASSERT_TRUE(note_goes("test", 1000));
	options.program = "/nowhere/vmreplica-freeze";
	CU_ASSERT_EQUAL(source_freeze_begin(&options, "test", error), -ENOEXEC);
}

/* A note that nobody holds: the process that held it was killed too. */
static void test_what_is_left_is_thawed(void)
{
	struct source_freeze_options options = options_make();
	char error[SOURCE_ERROR_LEN] = "", command[2048];
	struct freeze_note note;

	CU_ASSERT_EQUAL_FATAL(freeze_note_take(notes, "test", &note), 0);
	CU_ASSERT_EQUAL(freeze_note_read(&note), -ENODATA);
	CU_ASSERT_EQUAL(freeze_note_write(&note, 1, true), 0);
	CU_ASSERT_EQUAL(freeze_note_read(&note), 1);
	/* while it is held, it is its holder's: neither frozen again nor thawed by others */
	CU_ASSERT_EQUAL(source_freeze_begin(&options, "test", error), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "still waited for"));
	snprintf(command, sizeof(command), "%s --thaw --uri test:///default --notes %s", program,
		 notes);
	CU_ASSERT_EQUAL(system(command), 0);
	CU_ASSERT_FALSE(note_goes("test", 300));
	freeze_note_release(&note);
	CU_ASSERT_EQUAL(system(command), 0);
	CU_ASSERT_TRUE(note_goes("test", 2000));
	/* also by a cycle that comes first */
	CU_ASSERT_EQUAL_FATAL(freeze_note_take(notes, "test", &note), 0);
	freeze_note_write(&note, 1, false);
	freeze_note_release(&note);
	CU_ASSERT_EQUAL(source_freeze_begin(&options, "test", error), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "was left frozen"));
	CU_ASSERT_TRUE(note_goes("test", 2000));
	/* another boot of the VM is not ours to thaw */
	CU_ASSERT_EQUAL_FATAL(freeze_note_take(notes, "test", &note), 0);
	freeze_note_write(&note, 77, true);
	freeze_note_release(&note);
	CU_ASSERT_EQUAL(system(command), 0);
	CU_ASSERT_TRUE(note_goes("test", 2000));
}

static const struct unit_test tests[] = {
	{"frozen for a cut", test_frozen_for_a_cut},
	{"a cut that takes too long is none", test_a_cut_that_takes_too_long_is_none},
	{"the engine's end thaws", test_the_engine_s_end_thaws},
	{"what cannot be frozen", test_what_cannot_be_frozen},
	{"what is left is thawed", test_what_is_left_is_thawed},
};

/* The program is the build's, which make runs its checks in. */
int main(void)
{
	char here[TEMP_PATH_LEN - 32];
	int result;

	snprintf(notes, sizeof(notes), "%s", tempdir());
	snprintf(program, sizeof(program), "%s/" SOURCE_FREEZE_NAME,
		 getcwd(here, sizeof(here)) != NULL ? here : ".");
	result = unit_run("source_freeze", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return result;
}
