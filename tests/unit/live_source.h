/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A source on the VM "live" of the private hosts, with checkpoints known by their seq. A failure
 * ends the test. */
#ifndef VMR_TESTS_LIVE_SOURCE_H
#define VMR_TESTS_LIVE_SOURCE_H

#include <stdbool.h>

#include "engine/source.h"
#include "tests/unit/live_host.h"

#define LIVE_RELATIONSHIP "0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"

struct live {
	struct source_connection *connection; /* to the host where the VM is */
	const char *uri;
	struct source_options options; /* vdc excluded */
	struct source *source;
	char error[SOURCE_ERROR_LEN];
	char scratch[256], sockets[256];
};

void live_begin(struct live *live, int writer); /* starts the VM, opens the source */
void live_end(struct live *live);
void live_reopen(struct live *live);  /* close the source and open it again */
void live_migrate(struct live *live); /* to the other host, and open the source there */

void live_write(struct live *live, int disk, int pattern, uint64_t offset, uint64_t length);

/* A job on what changed since seq `since` (0: everything), making the cut `cut` (0: none). */
struct source_job *live_job(struct live *live, uint64_t since, uint64_t cut);
/* The same where it is to fail: the error, with its sentence in live->error. A job that starts is
 * ended; 0. */
int live_job_error(struct live *live, uint64_t since, uint64_t cut);
void live_job_end(struct live *live, struct source_job *job);
void live_cut(struct live *live, uint64_t since, uint64_t cut); /* begin and end */
void live_delete(struct live *live, uint64_t seq);

/* The standing checkpoints as "1 2 broken=0". Valid until the next call. */
const char *live_checkpoints(struct live *live);
const char *live_checkpoint_text(uint64_t seq);
/* Dirty extents of a job's disk as "offset+length " each. Valid until the next call. */
const char *live_dirty(struct source_job *job, size_t disk);
/* True when the range reads as that byte all over. */
bool live_reads(struct source_job *job, size_t disk, uint64_t offset, size_t length, int byte);
/* True when source_job_check returns wanted within timeout_ms (called every 50 ms); its sentence is
 * in live->error. */
bool live_check_becomes(struct live *live, struct source_job *job, int wanted, int64_t timeout_ms);

#endif
