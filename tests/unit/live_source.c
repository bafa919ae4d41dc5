/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/live_source.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/clock.h"

static const char *const excluded[] = {"vdc", NULL};

void live_reopen(struct live *live)
{
	int result;

	source_close(live->source);
	live->source = NULL;
	result = source_open(live->connection, &live->options, &live->source, live->error);
	if (result != 0) {
		fprintf(stderr, "source_open: %s\n", live->error);
	}
	CU_ASSERT_EQUAL_FATAL(result, 0);
}

static void connect_to(struct live *live, const char *uri)
{
	live->uri = uri;
	live->connection = source_connection_new(uri);
	CU_ASSERT_PTR_NOT_NULL_FATAL(live->connection);
}

void live_begin(struct live *live, int writer)
{
	*live = (struct live){0};
	snprintf(live->scratch, sizeof(live->scratch), "%s/scratch", live_directory());
	snprintf(live->sockets, sizeof(live->sockets), "%s/run/backup", live_directory());
	/* Closed to QEMU's user, as on a real host: the source must open them to it. */
	CU_ASSERT_EQUAL_FATAL(live_run("mkdir -p -m 0700 %s %s/run %s", live->scratch,
				       live_directory(), live->sockets),
			      0);
	live->options = (struct source_options){
		.vm = "live",
		.exclude_disks = excluded,
		.scratch_directory = live->scratch,
		.socket_directory = live->sockets,
		.scratch_reserve_bytes = 1 << 20,
		.scratch_cap_bytes = 1 << 30,
	};
	CU_ASSERT_EQUAL_FATAL(live_vm_start("live", writer), 0);
	connect_to(live, live_uri());
	live_reopen(live);
}

void live_end(struct live *live)
{
	source_close(live->source);
	source_connection_free(live->connection);
	live_vm_stop("live");
}

void live_migrate(struct live *live)
{
	const char *target = live->uri == live_uri() ? live_peer_uri() : live_uri();
	const char *address = live->uri == live_uri() ? target : "qemu+tcp://10.77.0.1/system";

	CU_ASSERT_EQUAL_FATAL(
		live_run("virsh -c %s migrate live %s --live --unsafe --p2p", live->uri, address),
		0);
	source_connection_free(live->connection);
	connect_to(live, target);
	live_reopen(live);
}

void live_write(struct live *live, int disk, int pattern, uint64_t offset, uint64_t length)
{
	CU_ASSERT_EQUAL_FATAL(live_vm_write(live->uri, "live", disk, pattern, offset, length), 0);
}

static struct checkpoint_name name_of(uint64_t seq)
{
	struct checkpoint_name name = {.relationship = LIVE_RELATIONSHIP, .epoch = 1, .seq = seq};

	snprintf(name.cut_id, sizeof(name.cut_id), "%016llx", (unsigned long long)seq * 7919);
	return name;
}

static int begin_job(struct live *live, uint64_t since, uint64_t cut, struct source_job **ret_job)
{
	struct checkpoint_name incremental = name_of(since), new_cut = name_of(cut);
	struct source_job_request request = {
		.incremental = since != 0 ? &incremental : NULL,
		.cut = cut != 0 ? &new_cut : NULL,
	};

	return source_job_begin(live->source, &request, ret_job, live->error);
}

struct source_job *live_job(struct live *live, uint64_t since, uint64_t cut)
{
	struct source_job *job = NULL;
	int result = begin_job(live, since, cut, &job);

	if (result != 0) {
		fprintf(stderr, "source_job_begin: %s\n", live->error);
	}
	CU_ASSERT_EQUAL_FATAL(result, 0);
	return job;
}

int live_job_error(struct live *live, uint64_t since, uint64_t cut)
{
	struct source_job *job = NULL;
	int result = begin_job(live, since, cut, &job);

	if (result == 0) {
		live_job_end(live, job);
	}
	return result;
}

void live_job_end(struct live *live, struct source_job *job)
{
	int result = source_job_end(job, live->error);

	if (result != 0) {
		fprintf(stderr, "source_job_end: %s\n", live->error);
	}
	CU_ASSERT_EQUAL(result, 0);
}

void live_cut(struct live *live, uint64_t since, uint64_t cut)
{
	live_job_end(live, live_job(live, since, cut));
}

void live_delete(struct live *live, uint64_t seq)
{
	struct checkpoint_name name = name_of(seq);
	int result = source_checkpoint_delete(live->source, &name, live->error);

	if (result != 0) {
		fprintf(stderr, "source_checkpoint_delete: %s\n", live->error);
	}
	CU_ASSERT_EQUAL(result, 0);
}

const char *live_checkpoints(struct live *live)
{
	static char text[1024];
	cleanup_free struct checkpoint_name *names = NULL;
	size_t count = 0, broken = 0, used = 0;
	int result = source_checkpoints(live->source, LIVE_RELATIONSHIP, &names, &count, &broken,
					live->error);

	if (result != 0) {
		snprintf(text, sizeof(text), "%s: %s", strerror(-result), live->error);
		return text;
	}
	for (size_t i = 0; i < count && used < sizeof(text) - 64; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%llu ",
					 (unsigned long long)names[i].seq);
	}
	snprintf(text + used, sizeof(text) - used, "broken=%zu", broken);
	return text;
}

const char *live_checkpoint_text(uint64_t seq)
{
	static char text[CHECKPOINT_NAME_LEN];
	struct checkpoint_name name = name_of(seq);

	return checkpoint_name_format(&name, text);
}

static struct nbd_disk *open_disk(struct source_job *job, size_t disk)
{
	struct nbd_disk *opened = NULL;
	char error[SOURCE_ERROR_LEN];
	int result = source_job_disk_open(job, disk, &opened, error);

	if (result != 0) {
		fprintf(stderr, "source_job_disk_open: %s\n", error);
	}
	CU_ASSERT_EQUAL_FATAL(result, 0);
	return opened;
}

struct dirty_text {
	char text[4096];
	uint64_t offset, length; /* the run that is being gathered */
};

static void flush_run(struct dirty_text *dirty)
{
	size_t used = strlen(dirty->text);

	if (dirty->length > 0) {
		snprintf(dirty->text + used, sizeof(dirty->text) - used, "%llu+%llu ",
			 (unsigned long long)dirty->offset, (unsigned long long)dirty->length);
	}
	dirty->length = 0;
}

/* Extents also differ in whether they are zero; here only dirtiness counts. */
static int add_extent(void *arg, const struct nbd_extent *extent)
{
	struct dirty_text *dirty = arg;

	if (!extent->dirty) {
		return 0;
	}
	if (dirty->length > 0 && dirty->offset + dirty->length == extent->offset) {
		dirty->length += extent->length;
		return 0;
	}
	flush_run(dirty);
	dirty->offset = extent->offset;
	dirty->length = extent->length;
	return 0;
}

const char *live_dirty(struct source_job *job, size_t disk)
{
	static struct dirty_text dirty;
	struct nbd_disk *opened = open_disk(job, disk);

	dirty = (struct dirty_text){0};
	CU_ASSERT_EQUAL(nbd_disk_extents(opened, 0, nbd_disk_size(opened), add_extent, &dirty), 0);
	flush_run(&dirty);
	nbd_disk_close(opened);
	return dirty.text;
}

bool live_reads(struct source_job *job, size_t disk, uint64_t offset, size_t length, int byte)
{
	struct nbd_disk *opened = open_disk(job, disk);
	cleanup_free unsigned char *data = malloc(length);
	bool same = data != NULL && nbd_disk_read(opened, data, offset, length) == 0;

	for (size_t i = 0; same && i < length; i++) {
		same = data[i] == byte;
	}
	nbd_disk_close(opened);
	return same;
}

bool live_check_becomes(struct live *live, struct source_job *job, int wanted, int64_t timeout_ms)
{
	int64_t until_ms = clock_monotonic_ms() + timeout_ms;
	int result;

	do {
		result = source_job_check(job, live->error);
		if (result == wanted) {
			return true;
		}
		clock_sleep_ms(50);
	} while (result == 0 && clock_monotonic_ms() < until_ms);
	fprintf(stderr, "source_job_check: %d instead of %d\n", result, wanted);
	return false;
}
