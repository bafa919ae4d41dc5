/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "common/log.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define THREADS 4
#define LINES	200

static char *read_log(char *buf, size_t size)
{
	char path[TEMP_PATH_LEN];
	FILE *file = fopen(temp_path(path, "unit.log"), "re");
	size_t n = 0;

	if (file != NULL) {
		n = fread(buf, 1, size - 1, file);
		fclose(file);
		unlink(path);
	}
	buf[n] = '\0';
	return buf;
}

static void test_levels_and_form(void)
{
	char text[4096];

	CU_ASSERT_EQUAL_FATAL(log_open("unit", tempdir(), "notice", false), 0);
	log_error("disk %s of %s", "vda", "web1");
	log_warning("second");
	log_notice("third");
	log_info("hidden");
	log_debug("hidden too");
	log_close();
	read_log(text, sizeof(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " error: disk vda of web1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " warning: second\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " notice: third\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "hidden"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Z unit["));
}

static void test_debug_names_function(void)
{
	char text[4096];

	CU_ASSERT_EQUAL_FATAL(log_open("unit", tempdir(), "debug", false), 0);
	log_debug("here");
	log_close();
	CU_ASSERT_PTR_NOT_NULL(
		strstr(read_log(text, sizeof(text)), "debug: test_debug_names_function: here\n"));
}

static void test_lines_are_cut_and_clean(void)
{
	char text[4096], huge[2000];

	memset(huge, 'x', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	CU_ASSERT_EQUAL_FATAL(log_open("unit", tempdir(), "info", false), 0);
	log_info("%s", huge);
	log_info("one\nerror: forged\033[2J");
	log_close();
	read_log(text, sizeof(text));
	CU_ASSERT_EQUAL(strcspn(text, "\n"), 480);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "one error: forged [2J\n"));
}

static void test_errno_survives(void)
{
	char text[4096];

	CU_ASSERT_EQUAL_FATAL(log_open("unit", tempdir(), "info", false), 0);
	errno = ENOSPC;
	log_info("failed: %m");
	CU_ASSERT_EQUAL(errno, ENOSPC);
	log_close();
	CU_ASSERT_PTR_NOT_NULL(
		strstr(read_log(text, sizeof(text)), "failed: No space left on device\n"));
}

static void *writer_main(void *arg)
{
	for (int i = 0; i < LINES; i++) {
		log_info("thread %d line %d end", *(const int *)arg, i);
	}
	return NULL;
}

static void test_threads_do_not_mix(void)
{
	static char text[THREADS * LINES * 100];
	pthread_t threads[THREADS];
	int ids[THREADS], whole = 0;

	CU_ASSERT_EQUAL_FATAL(log_open("unit", tempdir(), "info", false), 0);
	for (int i = 0; i < THREADS; i++) {
		ids[i] = i;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, writer_main, &ids[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	log_close();
	read_log(text, sizeof(text));
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
		int thread, number, used = 0;
		const char *at = strstr(line, "thread ");

		if (at != NULL &&
		    sscanf(at, "thread %d line %d end%n", &thread, &number, &used) == 2) {
			whole += used > 0 && at[used] == '\0';
		}
	}
	CU_ASSERT_EQUAL(whole, THREADS * LINES);
}

static void test_refuses(void)
{
	CU_ASSERT_EQUAL(log_open("unit", NULL, "loud", false), -EINVAL);
	CU_ASSERT_EQUAL(log_open("unit", "/nonexistent/directory", "info", false), -ENOENT);
	CU_ASSERT_EQUAL(log_open("unit", NULL, "info", false), 0);
	log_close();
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"levels and the line's form", test_levels_and_form},
	{"debug names the function", test_debug_names_function},
	{"long lines are cut, control characters go", test_lines_are_cut_and_clean},
	{"errno survives and %m works", test_errno_survives},
	{"threads do not mix lines", test_threads_do_not_mix},
	{"wrong levels and directories", test_refuses},
};

UNIT_MAIN("log", tests)
