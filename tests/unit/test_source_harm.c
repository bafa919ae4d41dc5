/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source in trouble, against real libvirtd and QEMU in the private hosts of live-libvirt.sh:
 * other tools' jobs, forgotten jobs, full scratch space, a libvirtd that hangs. The VM must come
 * through all of it running.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/source_run.h"
#include "tests/unit/live_source.h"
#include "tests/unit/unit.h"

static bool state_is(const char *wanted)
{
	char line[128] = "";

	live_line(line, sizeof(line), "virsh -q -c %s domstate --reason live", live_uri());
	if (strcmp(line, wanted) != 0) {
		fprintf(stderr, "the VM is %s instead of %s\n", line, wanted);
		return false;
	}
	return true;
}

static bool job_runs(void)
{
	char line[128];

	return live_line(line, sizeof(line), "virsh -q -c %s backup-dumpxml live", live_uri()) == 0;
}

static bool job_ends_by_itself(void)
{
	for (int i = 0; i < 100 && job_runs(); i++) {
		clock_sleep_ms(100);
	}
	return !job_runs();
}

/* What a nightly backup does: its socket and its scratch file are in places of its own. */
static int begin_foreign_job(void)
{
	const char *dir = live_directory();

	return live_run(
		"mkdir -p %s/nightly && chmod 0777 %s/nightly && cat > %s/nightly.xml <<END\n"
		"<domainbackup mode='pull'><server transport='unix' "
		"socket='%s/nightly/nbd.sock'/><disks><disk name='vda' backup='yes' "
		"type='file'><scratch file='%s/nightly/vda'/></disk></disks></domainbackup>\n"
		"END\nvirsh -c %s backup-begin live %s/nightly.xml",
		dir, dir, dir, dir, dir, live_uri(), dir);
}

static void test_another_tools_job_is_named(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	CU_ASSERT_EQUAL(begin_foreign_job(), 0);
	CU_ASSERT_EQUAL(live_job_error(&live, 0, 1), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "/nightly/nbd.sock"));
	/* It is not ours to end. */
	CU_ASSERT_EQUAL(source_job_abort_by_name(live.connection, "live", live.error), 0);
	CU_ASSERT_EQUAL(source_end_orphans(live.connection, live.options.socket_directory), 0);
	CU_ASSERT_TRUE(job_runs());
	CU_ASSERT_EQUAL(live_run("virsh -c %s domjobabort live", live_uri()), 0);
	job = live_job(&live, 0, 1);
	CU_ASSERT_EQUAL(live_job_error(&live, 0, 2), -EBUSY); /* our own, watched */
	live_job_end(&live, job);
	live_end(&live);
}

/* Let the guest go once over its disk, so that each write of it overwrites data and fills scratch.
 */
static void fill_disk(struct live *live)
{
	live_write(live, 0, 0x77, 1 << 20, 63 << 20);
}

static void test_a_block_job_is_named(void)
{
	struct live live;

	live_begin(&live, 1);
	fill_disk(&live);
	CU_ASSERT_EQUAL(live_run("virsh -c %s blockcopy live vda %s/copy.img --transient-job "
				 "--bandwidth 1",
				 live_uri(), live_directory()),
			0);
	CU_ASSERT_EQUAL(live_job_error(&live, 0, 1), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "vda"));
	CU_ASSERT_EQUAL(live_run("virsh -c %s blockjob live vda --abort", live_uri()), 0);
	live_cut(&live, 0, 1);
	live_end(&live);
}

static void test_a_forgotten_job_is_ended(void)
{
	struct source_connection *later;
	struct live live;
	struct source_job *job, *second;

	live_begin(&live, 0);
	later = source_connection_new(live_uri()); /* as a new engine's: it watches nothing yet */
	job = live_job(&live, 0, 1);
	CU_ASSERT_EQUAL(source_end_orphans(live.connection, live.options.socket_directory), 0);
	CU_ASSERT_EQUAL(source_end_orphans(later, "/elsewhere"), 0);
	CU_ASSERT_EQUAL(source_end_orphans(later, live.options.socket_directory), 1);
	CU_ASSERT_FALSE(job_runs());
	CU_ASSERT_TRUE(live_check_becomes(&live, job, -ECANCELED, 1000));
	live_job_end(&live, job);

	/* A begin makes way for itself, and the agent's stop needs no more than the VM's name. */
	job = live_job(&live, 0, 2);
	source_connection_free(live.connection);
	live.connection = later;
	live_reopen(&live);
	second = live_job(&live, 1, 3);
	CU_ASSERT_EQUAL(source_job_abort_by_name(live.connection, "live", live.error), 0);
	CU_ASSERT_FALSE(job_runs());
	CU_ASSERT_EQUAL(source_job_abort_by_name(live.connection, "live", live.error), 0);
	CU_ASSERT_EQUAL(source_job_abort_by_name(live.connection, "nowhere", live.error), 0);
	live_job_end(&live, second);
	live_job_end(&live, job);
	live_end(&live);
}

/* A file system of its own for scratch files. */
static void mount_scratch(struct live *live, const char *size)
{
	CU_ASSERT_EQUAL_FATAL(
		live_run("mount -t tmpfs -o size=%s,mode=0700 tmpfs %s", size, live->scratch), 0);
}

static void unmount_scratch(struct live *live)
{
	/* QEMU closes its file a moment after the job's end. */
	CU_ASSERT_EQUAL(live_run("for i in 1 2 3 4 5 6 7 8 9; do umount %s 2>/dev/null && exit 0; "
				 "sleep 0.2; done; umount %s",
				 live->scratch, live->scratch),
			0);
}

static void test_a_job_ends_before_its_cap(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 1);
	fill_disk(&live);
	live.options.scratch_cap_bytes = 24 << 20;
	live_reopen(&live);
	job = live_job(&live, 0, 1);
	CU_ASSERT_TRUE(live_check_becomes(&live, job, -ENOSPC, 30000));
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "cap"));
	CU_ASSERT_TRUE(state_is("running (booted)"));
	live_job_end(&live, job);
	CU_ASSERT_STRING_EQUAL(live.error, "");
	CU_ASSERT_TRUE(state_is("running (booted)"));
	live_end(&live);
}

static void test_a_job_ends_before_the_reserve(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 1);
	fill_disk(&live);
	mount_scratch(&live, "40m");
	live.options.scratch_reserve_bytes = 41 << 20;
	live_reopen(&live);
	CU_ASSERT_EQUAL(live_job_error(&live, 0, 1), -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "reserve"));
	live.options.scratch_reserve_bytes = 16 << 20;
	live_reopen(&live);
	job = live_job(&live, 0, 1);
	CU_ASSERT_TRUE(live_check_becomes(&live, job, -ENOSPC, 30000));
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "reserve"));
	CU_ASSERT_TRUE(state_is("running (booted)"));
	live_job_end(&live, job);
	unmount_scratch(&live);
	live_end(&live);
}

static void test_a_guest_that_our_job_paused_is_resumed(void)
{
	struct live live;
	struct source_job *job;
	bool paused = false;

	live_begin(&live, 1);
	fill_disk(&live);
	mount_scratch(&live, "8m");
	job = live_job(&live, 0, 1);
	/* Nobody watches: the guest runs into the full file system. */
	for (int i = 0; i < 300 && !paused; i++) {
		char line[128] = "";

		clock_sleep_ms(100);
		live_line(line, sizeof(line), "virsh -q -c %s domstate --reason live", live_uri());
		paused = strcmp(line, "paused (I/O error)") == 0;
	}
	CU_ASSERT_TRUE(paused);
	CU_ASSERT_EQUAL(source_job_check(job, live.error), -ENOSPC);
	live_job_end(&live, job);
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "resumed"));
	CU_ASSERT_TRUE(state_is("running (unpaused)"));
	unmount_scratch(&live);
	live_end(&live);
}

static void test_a_job_has_a_maximum_age(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live.options.job_max_age_ms = 5000; /* longer than to begin one on a busy machine */
	live_reopen(&live);
	job = live_job(&live, 0, 1);
	CU_ASSERT_EQUAL(source_job_check(job, live.error), 0);
	CU_ASSERT_TRUE(live_check_becomes(&live, job, -ETIMEDOUT, 15000));
	live_job_end(&live, job);
	live_end(&live);
}

static void test_a_hung_libvirtd_ends_calls_in_bounded_time(void)
{
	pid_t libvirtd = (pid_t)atoi(getenv("VMREPLICA_TEST_LIBVIRTD_PID"));
	struct live live;
	struct source_job *job;
	int64_t begin_ms;
	int result;

	live_begin(&live, 1);
	live_cut(&live, 0, 1);
	job = live_job(&live, 1, 2);
	CU_ASSERT_EQUAL(kill(libvirtd, SIGSTOP), 0);
	/* What does not need libvirt goes on. */
	CU_ASSERT_EQUAL(source_job_check(job, live.error), 0);
	CU_ASSERT_TRUE(live_reads(job, 1, 0, 65536, 0));
	begin_ms = clock_monotonic_ms();
	result = live_job_error(&live, 1, 3);
	CU_ASSERT_TRUE(result == -ETIMEDOUT || result == -ENOTCONN);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms < 25000);
	/* By now the connection is dead, and a new one cannot be had: what is asked next does not
	 * wait as long. */
	clock_sleep_ms(4000);
	begin_ms = clock_monotonic_ms();
	CU_ASSERT_EQUAL(live_job_error(&live, 1, 3), -ETIMEDOUT);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms < 25000);
	begin_ms = clock_monotonic_ms();
	CU_ASSERT_EQUAL(source_job_end(job, live.error), -ETIMEDOUT);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms < 5000);
	CU_ASSERT_EQUAL(kill(libvirtd, SIGCONT), 0);
	/* The job ends by itself as soon as libvirtd answers, and all goes on. */
	CU_ASSERT_TRUE(job_ends_by_itself());
	CU_ASSERT_TRUE(state_is("running (booted)"));
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 2 broken=0");
	live_cut(&live, 1, 3);
	live_end(&live);
}

static void start_libvirtd(void)
{
	CU_ASSERT_EQUAL(live_run("libvirtd --listen --timeout 0 </dev/null >/dev/null 2>&1 &\n"
				 "for i in $(seq 100); do virsh -q -c %s domstate live >/dev/null "
				 "2>&1 && exit 0; sleep 0.1; done; exit 1",
				 live_uri()),
			0);
}

/* Jobs outlive libvirtd, and what it owes us is done when it is back. */
static void test_a_libvirtd_that_is_gone_for_a_while(void)
{
	struct live live;
	struct source_job *job;
	int64_t begin_ms;

	live_begin(&live, 1);
	live_cut(&live, 0, 1);
	job = live_job(&live, 1, 2);
	CU_ASSERT_EQUAL(kill((pid_t)atoi(getenv("VMREPLICA_TEST_LIBVIRTD_PID")), SIGKILL), 0);
	/* Reading goes on without it; what needs it fails at once. */
	CU_ASSERT_TRUE(live_reads(job, 1, 0, 65536, 0));
	CU_ASSERT_EQUAL(source_job_check(job, live.error), 0);
	/* The first call may still see the old connection break; the next ones find nobody. */
	CU_ASSERT_EQUAL(live_job_error(&live, 1, 3), -ENOTCONN);
	CU_ASSERT_EQUAL(live_job_error(&live, 1, 3), -ENOTCONN);
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "is libvirtd running?"));
	CU_ASSERT_TRUE(source_end_orphans(live.connection, live.options.socket_directory) < 0);
	begin_ms = clock_monotonic_ms();
	CU_ASSERT_EQUAL(source_job_end(job, live.error), -ENOTCONN);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms < 3000);
	start_libvirtd();
	CU_ASSERT_TRUE(job_ends_by_itself());
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 2 broken=0");
	live_cut(&live, 2, 3);
	live_end(&live);
}

static bool block_job_is_open(void)
{
	return live_run("virsh -c %s blockjob live vda --info --raw | grep -q Commit",
			live_uri()) == 0;
}

static void leave_merge(const char *rate)
{
	CU_ASSERT_EQUAL(live_run("virsh -c %s blockcommit live vda --base %s/live-vda.img --top "
				 "%s/live-l1.img --bandwidth %s --bytes",
				 live_uri(), live_directory(), live_directory(), rate),
			0);
	CU_ASSERT_TRUE(block_job_is_open());
}

/* live-vda.img <- live-l1.img <- live-l2.img; what l1 has takes half a minute at our rate. */
static void make_layers(void)
{
	CU_ASSERT_EQUAL(
		live_run("cd %s && "
			 "qemu-img create -q -f qcow2 -o preallocation=metadata live-l1.img 2G && "
			 "qemu-img rebase -u -F qcow2 -b live-vda.img live-l1.img && "
			 "chmod 666 live-l1.img && "
			 "virsh -c %s snapshot-create-as live s1 --disk-only --no-metadata "
			 "--reuse-external --diskspec vda,file=%s/live-l1.img "
			 "--diskspec vdb,snapshot=no --diskspec vdc,snapshot=no && "
			 "virsh -c %s snapshot-create-as live s2 --disk-only --no-metadata "
			 "--diskspec vda,file=%s/live-l2.img "
			 "--diskspec vdb,snapshot=no --diskspec vdc,snapshot=no",
			 live_directory(), live_uri(), live_directory(), live_uri(),
			 live_directory()),
		0);
}

/* An engine that was killed in a merge: its job would make a live migration fail. */
static void test_a_merge_left_behind_is_ended(void)
{
	struct source_job *job;
	struct live live;

	live_begin(&live, 0);
	make_layers();
	live_write(&live, 0, 1, 1 << 20, 65536);
	live_reopen(&live);
	leave_merge("67108864"); /* another tool's */
	CU_ASSERT_EQUAL(source_run_end_commits(live.connection, "live", live.error), 0);
	CU_ASSERT_EQUAL(live_job_error(&live, 0, 1), -EBUSY);
	CU_ASSERT_TRUE(block_job_is_open());
	CU_ASSERT_EQUAL(live_run("virsh -c %s blockjob live vda --abort", live_uri()), 0);
	leave_merge("67108879");
	CU_ASSERT_EQUAL(source_end_orphans(live.connection, live.options.socket_directory), 0);
	CU_ASSERT_FALSE(block_job_is_open());
	leave_merge("67108879");
	job = live_job(&live, 0, 1);
	CU_ASSERT_FALSE(block_job_is_open());
	CU_ASSERT_TRUE(live_reads(job, 0, 1 << 20, 65536, 1));
	live_job_end(&live, job);
	CU_ASSERT_EQUAL(source_run_end_commits(live.connection, "live", live.error), 0);
	CU_ASSERT_EQUAL(source_run_end_commits(live.connection, "nobody", live.error), -ENOENT);
	live_end(&live);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"another tool's job is named", test_another_tools_job_is_named},
		{"a block job is named", test_a_block_job_is_named},
		{"a forgotten job is ended", test_a_forgotten_job_is_ended},
		{"a merge left behind is ended", test_a_merge_left_behind_is_ended},
		{"a job ends before its cap", test_a_job_ends_before_its_cap},
		{"a job ends before the reserve", test_a_job_ends_before_the_reserve},
		{"a guest that our job paused is resumed",
		 test_a_guest_that_our_job_paused_is_resumed},
		{"a job has a maximum age", test_a_job_has_a_maximum_age},
		{"a hung libvirtd ends calls in bounded time",
		 test_a_hung_libvirtd_ends_calls_in_bounded_time},
		/* the last: the pid that the tests know is no longer libvirtd's afterwards */
		{"a libvirtd that is gone for a while", test_a_libvirtd_that_is_gone_for_a_while},
	};

	if (live_uri() == NULL) {
		return 77;
	}
	log_open("test_source_harm", NULL, "notice", true);
	return unit_run("source, harm", tests, sizeof(tests) / sizeof(tests[0]));
}
