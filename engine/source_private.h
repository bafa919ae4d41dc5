/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the source share. Private to source*.c. */
#ifndef VMR_ENGINE_SOURCE_PRIVATE_H
#define VMR_ENGINE_SOURCE_PRIVATE_H

#include "engine/source.h"
#include "engine/source_domain.h"
#include "engine/source_xml.h"

/* A checkpoint that some disks have no bitmap of, because they came after it. */
struct source_partial {
	char text[CHECKPOINT_NAME_LEN];
	uint64_t missing; /* mask of disks */
};
#define SOURCE_PARTIAL_MAX 8u

struct source {
	struct source_connection *connection; /* referenced */
	char *vm;			      /* owned, as all strings here */
	char **exclude;			      /* NULL-terminated, or NULL */
	char *scratch_directory, *socket_directory;
	uint64_t scratch_reserve_bytes, scratch_cap_bytes;
	int64_t job_max_age_ms;
	struct source_domain domain;
	char *live_xml; /* as of the last refresh */
	char *config_xml;
	bool active, paused;
	const struct replica_lender *lender; /* borrowed; not NULL: source_replica.h */
	char *lent_state; /* of the last job of such a source: the file with the VM's state, or NULL
			   */
	struct source_partial partial[SOURCE_PARTIAL_MAX]; /* as of source_checkpoints */
	size_t partial_count;
};

/* The disks that have no bitmap of the checkpoint called text: they are read whole. Pure. */
uint64_t source_missing_disks(const struct source *source, const char *text);

/* Read the VM's state and definition again. -EREMCHG when its disks are no longer those of
 * source_open. */
int source_refresh(struct source *source, char error[SOURCE_ERROR_LEN]);
/* -EOPNOTSUPP with the first problem of a disk that is not excluded; -EINVAL when no disk is left
 * to replicate. */
int source_check_disks(const struct source *source, char error[SOURCE_ERROR_LEN]);
/* -EAGAIN while another host or file is taking the VM over (migration, save), with a sentence. */
int source_check_at_rest(struct source *source, char error[SOURCE_ERROR_LEN]);
/* The replicated disks of mask for source_xml_*, without scratch files; ret_disks has room for
 * DISKS_MAX. Borrows from source. */
size_t source_xml_disks(const struct source *source, uint64_t mask,
			struct source_xml_disk *ret_disks);

#endif
