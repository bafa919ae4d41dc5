/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of a job share. Private to source*.c. */
#ifndef VMR_ENGINE_SOURCE_JOB_H
#define VMR_ENGINE_SOURCE_JOB_H

#include "engine/source_private.h"
#include "engine/source_scratch.h"

struct source_export;

struct source_job_disk {
	bool included;
	bool full; /* it has no bitmap of the incremental checkpoint: all of it counts as dirty */
	char name[DISK_NAME_MAX + 1];
	char *socket_path;	      /* owned: where it is served */
	char *scratch;		      /* owned: its scratch file; NULL while the VM is shut off */
	struct source_export *export; /* owned: its server; NULL while the VM runs */
	struct dirty_map *changed; /* owned: of a replica that is read; NULL = the bitmap says it */
};

struct source_job {
	struct source_connection *connection; /* referenced */
	char *vm;			      /* owned, as all strings here */
	char *socket_path; /* of the libvirt job, and the prefix of a shut off VM's */
	char *scratch_directory;
	struct source_job_disk *disks; /* by source_disk_at's index */
	size_t disk_count;
	char bitmap[CHECKPOINT_NAME_LEN]; /* as it is exported; "" = none */
	bool live;			  /* a libvirt job on a running VM */
	bool watched, was_paused;
	bool application; /* the guest was frozen at the cut ... */
	int64_t frozen_ms;
	char application_why[SOURCE_ERROR_LEN]; /* ... or why not */
	const struct replica_lender *lender; /* borrowed: gets back what it lent; NULL = nothing */
	char lent_cut_id[CUT_ID_LEN + 1];
	int64_t cut_time_ms, deadline_ms;
	struct scratch_limits limits;
	struct scratch_sample sample; /* the newest */
};

/* Begin a job that was filled in but for its way of reading: by libvirt, or from the images of a VM
 * that is shut off. Errors as source_job_begin. */
int source_job_begin_live(struct source_job *job, struct source *source,
			  const struct source_job_request *request, char error[SOURCE_ERROR_LEN]);
int source_job_begin_offline(struct source_job *job, const struct source *source,
			     const struct source_job_request *request,
			     char error[SOURCE_ERROR_LEN]);

/* The two kinds' watch and end, as source_job_check and source_job_end, which free. */
int source_job_check_live(struct source_job *job, char error[SOURCE_ERROR_LEN]);
int source_job_check_offline(struct source_job *job, char error[SOURCE_ERROR_LEN]);
int source_job_end_live(struct source_job *job, char error[SOURCE_ERROR_LEN]);

#endif
