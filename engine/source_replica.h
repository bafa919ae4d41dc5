/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source that is a replica itself (extended replication): its disks are the newest state of its
 * store that is a point in time, lent by the receiver (replica_lender.h). Its cuts are those of its
 * own primary, and what changed since one of them is told by the store's logs. Private to
 * source*.c.
 */
#ifndef VMR_ENGINE_SOURCE_REPLICA_H
#define VMR_ENGINE_SOURCE_REPLICA_H

#include "engine/replica_lender.h"
#include "engine/source_job.h"

/* Fill a source that was made for it. Errors as source_open; -EAGAIN: the store cannot be read now.
 */
int source_replica_open(struct source *source, char error[SOURCE_ERROR_LEN]);
/* As source_job_begin_offline. */
int source_job_begin_replica(struct source_job *job, struct source *source,
			     const struct source_job_request *request,
			     char error[SOURCE_ERROR_LEN]);
/* As source_job_confirm. */
int source_job_confirm_replica(struct source_job *job, char error[SOURCE_ERROR_LEN]);
/* As source_vm_state, as of the last job's cut. */
int source_replica_state(const struct source *source, uint8_t **ret_archive, size_t *ret_len,
			 char error[SOURCE_ERROR_LEN]);

#endif
