/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source against real libvirtd and QEMU, in the private hosts of live-libvirt.sh: cuts, what is
 * dirty since them, and what becomes of both in migrations and crashes. Skipped (77) outside of
 * those hosts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "engine/chain_merge.h"
#include "engine/source.h"
#include "engine/source_host.h"
#include "tests/unit/live_source.h"
#include "tests/unit/unit.h"

static void test_open_examines_the_disks(void)
{
	struct live live;
	struct source *source = NULL;
	char error[SOURCE_ERROR_LEN];

	live_begin(&live, 0);
	CU_ASSERT_EQUAL_FATAL(source_disk_count(live.source), 3);
	CU_ASSERT_STRING_EQUAL(source_disk_at(live.source, 0)->name, "vda");
	CU_ASSERT_EQUAL(source_disk_at(live.source, 0)->size_bytes, 64u << 20);
	CU_ASSERT_PTR_NULL(source_disk_at(live.source, 0)->problem);
	CU_ASSERT_EQUAL(source_disk_at(live.source, 1)->size_bytes, 32u << 20);
	CU_ASSERT_TRUE(source_disk_at(live.source, 2)->excluded);
	CU_ASSERT_TRUE(source_is_active(live.source));
	CU_ASSERT_PTR_NOT_NULL(strstr(source_domain_xml(live.source), "<name>live</name>"));
	live.options.vm = "nowhere";
	CU_ASSERT_EQUAL(source_open(live.connection, &live.options, &source, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "nowhere"));
	live.options.vm = "live";
	live.options.exclude_disks = NULL;
	CU_ASSERT_EQUAL_FATAL(source_open(live.connection, &live.options, &source, error), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(source_disk_at(source, 2)->problem);
	CU_ASSERT_PTR_NOT_NULL(strstr(source_disk_at(source, 2)->problem, "vmreplica wrap"));
	source_close(source);
	live_end(&live);
}

/* The VM that runs here must be found to fit here. */
static void test_the_host_says_what_it_can_run(void)
{
	char error[SOURCE_ERROR_LEN] = "", *host = NULL;
	struct domain_fit_query query;
	struct domain_fit fit = {0};
	struct live live;

	live_begin(&live, 0);
	CU_ASSERT_EQUAL_FATAL(domain_fit_query(source_domain_xml(live.source), &query), 0);
	CU_ASSERT_EQUAL_FATAL(source_host_describe(live.connection, &query, &host, error), 0);
	CU_ASSERT_EQUAL(domain_fit_check(source_domain_xml(live.source), host, "here", &fit), 0);
	CU_ASSERT_EQUAL(fit.refusals.count, 0);
	free(host);
	snprintf(query.machine, sizeof(query.machine), "pc-q35-99.9");
	CU_ASSERT_EQUAL_FATAL(source_host_describe(live.connection, &query, &host, error), 0);
	CU_ASSERT_PTR_NULL(strstr(host, "<domainCapabilities>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(host, "<bridge name='lo'/>"));
	free(host);
	domain_fit_query_destroy(&query);
	domain_fit_destroy(&fit);
	live_end(&live);
}

static void test_a_job_shows_the_cut_while_the_guest_writes_on(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live_write(&live, 0, 0xa1, 1 << 20, 65536);
	job = live_job(&live, 0, 1);
	live_write(&live, 0, 0xb2, 1 << 20, 65536);
	live_write(&live, 0, 0xb2, 5 << 20, 4096);
	CU_ASSERT_TRUE(live_reads(job, 0, 1 << 20, 65536, 0xa1));
	CU_ASSERT_TRUE(live_reads(job, 0, 5 << 20, 4096, 0));
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "0+67108864 "); /* all, without a checkpoint */
	CU_ASSERT_EQUAL(source_job_check(job, live.error), 0);
	live_job_end(&live, job);
	/* Dirty since the cut: exactly what was written after it, in clusters, on the disk it was
	 * written to. */
	job = live_job(&live, 1, 2);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "1048576+65536 5242880+65536 ");
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 1), "");
	CU_ASSERT_TRUE(live_reads(job, 0, 1 << 20, 65536, 0xb2));
	live_job_end(&live, job);
	live_end(&live);
}

static void test_changes_since_an_older_cut_include_the_newer(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live_cut(&live, 0, 1);
	live_write(&live, 0, 1, 1 << 20, 65536);
	live_cut(&live, 1, 2);
	live_write(&live, 1, 2, 2 << 20, 65536);
	live_cut(&live, 2, 3);
	live_write(&live, 0, 3, 3 << 20, 65536);
	/* A resume looks from the first cut without making a new one, then cuts from the second. */
	job = live_job(&live, 1, 0);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "1048576+65536 3145728+65536 ");
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 1), "2097152+65536 ");
	live_job_end(&live, job);
	job = live_job(&live, 2, 4);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "3145728+65536 ");
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 1), "2097152+65536 ");
	live_job_end(&live, job);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 2 3 4 broken=0");
	/* Neither the middle one nor the oldest takes anything away from the others. */
	live_delete(&live, 2);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 3 4 broken=0");
	live_delete(&live, 1);
	live_delete(&live, 1);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "3 4 broken=0");
	job = live_job(&live, 3, 0);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "3145728+65536 ");
	live_job_end(&live, job);
	CU_ASSERT_EQUAL(live_job_error(&live, 2, 0), -ESTALE);
	live_end(&live);
}

static void test_lost_metadata_is_told_to_libvirt_again(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live_cut(&live, 0, 1);
	live_write(&live, 0, 1, 1 << 20, 65536);
	live_cut(&live, 1, 2);
	CU_ASSERT_EQUAL(live_run("for c in $(virsh -q -c %s checkpoint-list live --name); do "
				 "virsh -c %s checkpoint-delete live $c --metadata; done",
				 live_uri(), live_uri()),
			0);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 2 broken=0");
	job = live_job(&live, 1, 3);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "1048576+65536 ");
	live_job_end(&live, job);
	/* Without metadata: bitmaps go by the monitor. */
	CU_ASSERT_EQUAL(live_run("virsh -c %s checkpoint-delete live %s --metadata", live_uri(),
				 live_checkpoint_text(2)),
			0);
	live_delete(&live, 2);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 3 broken=0");
	CU_ASSERT_EQUAL(source_checkpoints_release(live.source, LIVE_RELATIONSHIP, live.error), 0);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "broken=0");
	live_end(&live);
}

static void test_bitmaps_survive_a_live_migration(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live_cut(&live, 0, 1);
	live_write(&live, 0, 1, 1 << 20, 3 << 20);
	live_cut(&live, 1, 2);
	live_write(&live, 1, 2, 0, 65536);
	for (int round = 0; round < 2; round++) {
		live_migrate(&live);
		CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 2 broken=0");
		live_write(&live, 0, 3, (uint64_t)(8 + round) << 20, 65536);
	}
	job = live_job(&live, 1, 3);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "1048576+3145728 8388608+65536 9437184+65536 ");
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 1), "0+65536 ");
	CU_ASSERT_TRUE(live_reads(job, 0, 8 << 20, 65536, 3));
	live_job_end(&live, job);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 2 3 broken=0");
	live_end(&live);
}

static void test_a_migrating_vm_is_left_alone(void)
{
	struct live live;
	int result = 0;

	live_begin(&live, 1);
	live_cut(&live, 0, 1);
	/* A page that changes all the time, 1 MiB/s and 1 ms of downtime: this migration does not
	 * end by itself. */
	CU_ASSERT_EQUAL(
		live_run("virsh -c %s migrate-setmaxdowntime live 1 && virsh -c %s migrate live "
			 "%s --live --unsafe --p2p --bandwidth 1 >/dev/null 2>&1 &\n"
			 "for i in $(seq 50); do virsh -q -c %s domjobinfo live | grep -q "
			 "migration && exit 0; sleep 0.1; done; exit 1",
			 live_uri(), live_uri(), live_peer_uri(), live_uri()),
		0);
	result = live_job_error(&live, 1, 2);
	CU_ASSERT_EQUAL(result, -EAGAIN);
	CU_ASSERT_PTR_NOT_NULL(strstr(live.error, "migrated"));
	CU_ASSERT_EQUAL(source_job_abort_by_name(live.connection, "live", live.error), 0);
	CU_ASSERT_EQUAL(source_end_orphans(live.connection, live.options.socket_directory), 0);
	/* Nothing of that ended the migration. */
	CU_ASSERT_EQUAL(live_run("virsh -q -c %s domjobinfo live | grep -q migration", live_uri()),
			0);
	CU_ASSERT_EQUAL(
		live_run("virsh -c %s domjobabort live && for i in $(seq 50); do virsh -q -c %s "
			 "domjobinfo live | grep -q migration || exit 0; sleep 0.1; done; exit 1",
			 live_uri(), live_uri()),
		0);
	/* A migration that was given up leaves the bitmaps where they were. */
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 broken=0");
	live_end(&live);
}

static void test_a_killed_qemu_leaves_broken_checkpoints(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live_cut(&live, 0, 1);
	/* A QEMU that ends in order stores its bitmaps; libvirt's metadata goes with the transient
	 * domain. */
	live_vm_stop("live");
	CU_ASSERT_EQUAL_FATAL(live_vm_start_again("live"), 0);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 broken=0");
	/* One that is killed leaves the stored one inconsistent, and of a newer one nothing. */
	job = live_job(&live, 1, 2);
	CU_ASSERT_EQUAL(source_job_confirm(job, live.error), 0);
	CU_ASSERT_EQUAL(kill(live_vm_pid("live"), SIGKILL), 0);
	CU_ASSERT_TRUE(live_check_becomes(&live, job, -ECANCELED, 5000));
	live_job_end(&live, job);
	CU_ASSERT_EQUAL_FATAL(live_vm_start_again("live"), 0);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "broken=1");
	CU_ASSERT_EQUAL(live_job_error(&live, 1, 3), -ESTALE);
	CU_ASSERT_EQUAL(source_checkpoints_release(live.source, LIVE_RELATIONSHIP, live.error), 0);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "broken=0");
	live_cut(&live, 0, 5);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "5 broken=0");
	live_end(&live);
}

static void test_other_domains_checkpoints_are_not_ours(void)
{
	struct live live;

	live_begin(&live, 0);
	CU_ASSERT_EQUAL(live_run("virsh -c %s checkpoint-create-as live nightly --diskspec "
				 "vda,checkpoint=bitmap",
				 live_uri()),
			0);
	live_cut(&live, 0, 1);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 broken=0");
	CU_ASSERT_EQUAL(source_checkpoints_release(live.source, LIVE_RELATIONSHIP, live.error), 0);
	CU_ASSERT_EQUAL(live_run("virsh -c %s checkpoint-info live nightly", live_uri()), 0);
	live_end(&live);
}

static void test_a_snapshot_and_its_commit_keep_the_changes(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live_cut(&live, 0, 1);
	live_write(&live, 0, 1, 1 << 20, 65536);
	/* What backup tools do: the disk goes on in an overlay, which is then merged back. */
	CU_ASSERT_EQUAL(live_run("virsh -c %s snapshot-create-as live s1 --disk-only --no-metadata "
				 "--diskspec vda,file=%s/live-s1.img --diskspec vdc,snapshot=no",
				 live_uri(), live_directory()),
			0);
	live_write(&live, 0, 2, 2 << 20, 65536);
	CU_ASSERT_EQUAL(live_job_error(&live, 1, 0), -EREMCHG);
	live_reopen(&live);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 broken=0");
	job = live_job(&live, 1, 2);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "1048576+65536 2097152+65536 ");
	live_job_end(&live, job);
	live_write(&live, 0, 3, 3 << 20, 65536);
	CU_ASSERT_EQUAL(
		live_run("virsh -c %s blockcommit live vda --active --pivot --wait", live_uri()),
		0);
	live_reopen(&live);
	job = live_job(&live, 1, 0);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "1048576+65536 2097152+65536 3145728+65536 ");
	live_job_end(&live, job);
	live_end(&live);
}

/* live-vda.img <- live-l1.img <- live-l2.img <- live-l3.img, that the VM writes to; MiB n reads n.
 */
static void make_layers(struct live *live)
{
	for (int i = 1; i <= 3; i++) {
		live_write(live, 0, i, (uint64_t)i << 20, 65536);
		CU_ASSERT_EQUAL(live_run("virsh -c %s snapshot-create-as live s%d --disk-only "
					 "--no-metadata --diskspec vda,file=%s/live-l%d.img "
					 "--diskspec vdb,snapshot=no --diskspec vdc,snapshot=no",
					 live_uri(), i, live_directory(), i),
				0);
	}
	live_reopen(live);
	live_cut(live, 0, 1);
	live_write(live, 0, 4, 4 << 20, 65536);
}

/* As after a failover: what is below the image goes into the lowest while the VM is replicated. */
static void test_layers_are_merged_between_cycles(void)
{
	static const char *const files[] = {"live-vda.img", "live-l1.img", "live-l2.img"};
	char paths[3][300], path[300], *chain[3], name[] = "vda";
	Vmreplica__Ipc__TakenDisk disk = VMREPLICA__IPC__TAKEN_DISK__INIT, *disks[] = {&disk};
	Vmreplica__Ipc__StoreTaken taken = VMREPLICA__IPC__STORE_TAKEN__INIT;
	struct chain_merge merge = {.vm = "live", .taken = &taken};
	atomic_bool stop = true;
	size_t lowest = 9, top = 9;
	struct source_job *job;
	int result;
	struct live live;

	live_begin(&live, 0);
	make_layers(&live);
	for (size_t i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", live_directory(), files[i]);
		chain[i] = paths[i];
	}
	snprintf(path, sizeof(path), "%s/live-l3.img", live_directory());
	snprintf(merge.store, sizeof(merge.store), "%s", live_directory());
	disk.name = name;
	disk.path = path;
	disk.chain = chain;
	disk.n_chain = 3;
	taken.disks = disks;
	taken.n_disks = 1;
	merge.libvirt = live.connection;
	merge.stop = &stop;
	CU_ASSERT_EQUAL(chain_merge_run(&merge), -ECANCELED);
	stop = false;
	merge.reserve_bytes = (uint64_t)1 << 60;
	CU_ASSERT_EQUAL(chain_merge_run(&merge), -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(strstr(merge.error, "waits for room"));
	CU_ASSERT_FALSE(chain_merge_is_hopeless(-ENOSPC));
	merge.reserve_bytes = 1 << 20;
	job = live_job(&live, 1, 2); /* QEMU has one job of a disk */
	result = chain_merge_run(&merge);
	CU_ASSERT_TRUE(result < 0 && !chain_merge_is_hopeless(result));
	CU_ASSERT_EQUAL(merge.merged, 0);
	live_job_end(&live, job);
	CU_ASSERT_EQUAL(chain_merge_run(&merge), 0);
	CU_ASSERT_EQUAL(merge.merged, 2);
	CU_ASSERT_EQUAL(chain_merge_find(path, chain, 3, &lowest, &top), 0);
	CU_ASSERT_EQUAL(top, 0);
	CU_ASSERT_EQUAL(chain_merge_run(&merge), 0);
	CU_ASSERT_EQUAL(merge.merged, 0);
	live_reopen(&live);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 2 broken=0");
	live_write(&live, 0, 5, 5 << 20, 65536);
	job = live_job(&live, 2, 0);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "5242880+65536 ");
	for (int i = 1; i <= 5; i++) {
		CU_ASSERT_TRUE(live_reads(job, 0, (uint64_t)i << 20, 65536, i));
	}
	live_job_end(&live, job);
	live_end(&live);
}

static void test_a_vm_that_is_shut_off(void)
{
	struct live live;
	struct source_job *job;

	live_begin(&live, 0);
	live_cut(&live, 0, 1);
	live_write(&live, 0, 1, 1 << 20, 65536);
	live_vm_stop("live");
	CU_ASSERT_EQUAL_FATAL(
		live_run("virsh -c %s define %s/live.xml", live_uri(), live_directory()), 0);
	live_reopen(&live);
	CU_ASSERT_FALSE(source_is_active(live.source));
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "1 broken=0");
	job = live_job(&live, 1, 2);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "1048576+65536 ");
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 1), "");
	CU_ASSERT_TRUE(live_reads(job, 0, 1 << 20, 65536, 1));
	CU_ASSERT_EQUAL(source_job_check(job, live.error), 0);
	CU_ASSERT_EQUAL(source_job_confirm(job, live.error), 0);
	live_job_end(&live, job);
	live_delete(&live, 1);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "2 broken=0");
	CU_ASSERT_EQUAL(live_job_error(&live, 1, 3), -ESTALE);
	/* Its start is not held up, and is noticed. */
	job = live_job(&live, 2, 0);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 0), "");
	CU_ASSERT_EQUAL(live_run("virsh -c %s start live", live_uri()), 0);
	CU_ASSERT_TRUE(live_check_becomes(&live, job, -ECANCELED, 2000));
	CU_ASSERT_EQUAL(source_job_confirm(job, live.error), -ECANCELED);
	live_job_end(&live, job);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "2 broken=0");
	live_write(&live, 1, 5, 1 << 20, 65536);
	job = live_job(&live, 2, 3);
	CU_ASSERT_STRING_EQUAL(live_dirty(job, 1), "1048576+65536 ");
	live_job_end(&live, job);
	live_vm_stop("live");
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "2 3 broken=0");
	CU_ASSERT_EQUAL(source_checkpoints_release(live.source, LIVE_RELATIONSHIP, live.error), 0);
	CU_ASSERT_STRING_EQUAL(live_checkpoints(&live), "broken=0");
	live_end(&live);
	CU_ASSERT_EQUAL(live_run("virsh -c %s undefine live --checkpoints-metadata", live_uri()),
			0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"open examines the disks", test_open_examines_the_disks},
		{"the host says what it can run", test_the_host_says_what_it_can_run},
		{"a job shows the cut while the guest writes on",
		 test_a_job_shows_the_cut_while_the_guest_writes_on},
		{"changes since an older cut include the newer",
		 test_changes_since_an_older_cut_include_the_newer},
		{"lost metadata is told to libvirt again",
		 test_lost_metadata_is_told_to_libvirt_again},
		{"bitmaps survive a live migration", test_bitmaps_survive_a_live_migration},
		{"a migrating VM is left alone", test_a_migrating_vm_is_left_alone},
		{"a killed QEMU leaves broken checkpoints",
		 test_a_killed_qemu_leaves_broken_checkpoints},
		{"other tools' checkpoints are not ours",
		 test_other_domains_checkpoints_are_not_ours},
		{"a snapshot and its commit keep the changes",
		 test_a_snapshot_and_its_commit_keep_the_changes},
		{"layers are merged between cycles", test_layers_are_merged_between_cycles},
		{"a VM that is shut off", test_a_vm_that_is_shut_off},
	};

	if (live_uri() == NULL) {
		return 77;
	}
	log_open("test_source_live", NULL, "notice", true);
	return unit_run("source, live", tests, sizeof(tests) / sizeof(tests[0]));
}
