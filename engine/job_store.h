/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs on disk: one JSON file each, <directory>/<id>.json. Blocking; all functions are for workers
 * or for the start. */
#ifndef VMR_ENGINE_JOB_STORE_H
#define VMR_ENGINE_JOB_STORE_H

#include "proto/status.pb-c.h"

/* Write text as the file of job id, durably. 0 or a negative errno. */
int job_store_write(const char *directory, const char *id, const char *text);
/* Forget a job. 0, also when there was none, or a negative errno. */
int job_store_remove(const char *directory, const char *id);
/* Call found with each job in the directory (borrowed for the call). Files that are no jobs are
 * left alone. 0 or a negative errno of the directory. */
int job_store_load(const char *directory, void (*found)(void *arg, const Vmreplica__Job *job),
		   void *arg);

#endif
