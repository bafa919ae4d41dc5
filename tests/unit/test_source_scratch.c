/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/source.h"
#include "engine/source_scratch.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB (UINT64_C(1) << 20)

/* Judge a job that used before_mib a second ago and uses now_mib now. */
static enum scratch_verdict judge(uint64_t cap_mib, uint64_t reserve_mib, uint64_t before_mib,
				  uint64_t now_mib, uint64_t free_mib)
{
	struct scratch_limits limits = {.cap_bytes = cap_mib * MIB,
					.reserve_bytes = reserve_mib * MIB};
	struct scratch_sample before = {.time_ms = 5000, .used_bytes = before_mib * MIB};
	struct scratch_sample now = {
		.time_ms = 6000, .used_bytes = now_mib * MIB, .free_bytes = free_mib * MIB};

	return scratch_judge(&limits, &before, &now);
}

static void test_room_enough_is_ok(void)
{
	CU_ASSERT_EQUAL(judge(100, 50, 0, 0, 51), SCRATCH_OK);
	CU_ASSERT_EQUAL(judge(100, 50, 50, 50, 51), SCRATCH_OK);
	CU_ASSERT_EQUAL(judge(0, 50, 5000, 5000, 51), SCRATCH_OK); /* no cap */
	CU_ASSERT_EQUAL(judge(100, 50, 60, 40, 51), SCRATCH_OK);   /* shrinking is no growth */
}

static void test_limits_are_judged_ahead_of_time(void)
{
	/* 10 MiB/s: 20 MiB more are reckoned with. */
	CU_ASSERT_EQUAL(judge(100, 50, 69, 79, 1000), SCRATCH_OK);
	CU_ASSERT_EQUAL(judge(100, 50, 70, 80, 1000), SCRATCH_CAP);
	CU_ASSERT_EQUAL(judge(100, 50, 0, 10, 71), SCRATCH_OK);
	CU_ASSERT_EQUAL(judge(100, 50, 0, 10, 70), SCRATCH_RESERVE);
	CU_ASSERT_EQUAL(judge(100, 50, 100, 100, 1000), SCRATCH_CAP);
	CU_ASSERT_EQUAL(judge(100, 50, 0, 0, 50), SCRATCH_RESERVE);
}

static void test_the_reserve_comes_first(void)
{
	CU_ASSERT_EQUAL(judge(100, 50, 200, 200, 10), SCRATCH_RESERVE);
}

static void test_extreme_numbers_do_not_wrap(void)
{
	struct scratch_limits limits = {.cap_bytes = UINT64_MAX, .reserve_bytes = UINT64_MAX};
	struct scratch_sample before = {0};
	struct scratch_sample now = {.used_bytes = UINT64_MAX, .free_bytes = UINT64_MAX};

	CU_ASSERT_EQUAL(scratch_judge(&limits, &before, &now), SCRATCH_RESERVE);
	limits.reserve_bytes = 0;
	CU_ASSERT_EQUAL(scratch_judge(&limits, &before, &now), SCRATCH_RESERVE);
}

static void test_measuring(void)
{
	char path[TEMP_PATH_LEN];
	const char *files[] = {path};
	struct scratch_sample sample = {.used_bytes = 7};
	char data[65536] = {1};
	int fd;

	temp_path(path, "file");
	CU_ASSERT_EQUAL(scratch_measure(tempdir(), files, 1, &sample), -ESTALE);
	CU_ASSERT_EQUAL(sample.used_bytes, 7);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, data, sizeof(data)), (ssize_t)sizeof(data));
	CU_ASSERT_EQUAL(fsync(fd), 0);
	/* A hole is not used space. */
	CU_ASSERT_EQUAL(ftruncate(fd, 1 << 30), 0);
	CU_ASSERT_EQUAL(scratch_measure(tempdir(), files, 1, &sample), 0);
	CU_ASSERT_TRUE(sample.used_bytes >= sizeof(data) && sample.used_bytes < (1 << 20));
	CU_ASSERT_TRUE(sample.free_bytes > 0 && sample.time_ms > 0);
	close(fd);
}

static void make_old(const char *name, long age_s)
{
	char path[TEMP_PATH_LEN];
	struct timespec times[2];

	temp_file(path, name, "x");
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool exists(const char *name)
{
	char path[TEMP_PATH_LEN];

	return access(temp_path(path, name), F_OK) == 0;
}

static void test_sweeping(void)
{
	make_old("vmreplica-web1-vda.scratch", 7200);
	make_old("vmreplica-web1-vdb.scratch", 1800);
	make_old("web1-vda.scratch", 7200);
	make_old("vmreplica-web1.sock", 7200);
	CU_ASSERT_EQUAL(source_sweep_scratch(tempdir()), 1);
	CU_ASSERT_FALSE(exists("vmreplica-web1-vda.scratch"));
	CU_ASSERT_TRUE(exists("vmreplica-web1-vdb.scratch"));
	CU_ASSERT_TRUE(exists("web1-vda.scratch"));
	CU_ASSERT_TRUE(exists("vmreplica-web1.sock"));
	CU_ASSERT_EQUAL(source_sweep_scratch("/nowhere/at/all"), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"room enough is ok", test_room_enough_is_ok},
		{"limits are judged ahead of time", test_limits_are_judged_ahead_of_time},
		{"the reserve comes first", test_the_reserve_comes_first},
		{"extreme numbers do not wrap", test_extreme_numbers_do_not_wrap},
		{"measuring", test_measuring},
		{"sweeping", test_sweeping},
	};
	int status = unit_run("source scratch", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
