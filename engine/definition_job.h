/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One making of a replica VM's definition, on a worker. Private to replica_definition.c. */
#ifndef VMR_ENGINE_DEFINITION_JOB_H
#define VMR_ENGINE_DEFINITION_JOB_H

#include "engine/kept_definition.h"
#include "engine/replica_definition.h"

/* VirtualDomain would take a VM of this site that has the same name for the replica VM, and stop
 * it: until a failover the name is another one. */
#define NOT_FAILED_OVER_NAME "-not-failed-over"

/* A worker's share: copies, so that the control thread goes on. */
struct definition_job {
	struct replica_definition *definition;
	char store[PATH_LEN_MAX + 1];
	char path[PATH_LEN_MAX + 1];
	char name[VM_NAME_MAX + 1];				 /* the VM's, in the relationship */
	char vm[RESOURCE_ID_MAX + sizeof(NOT_FAILED_OVER_NAME)]; /* as libvirt runs it */
	char nvram[PATH_LEN_MAX + 1];
	uint64_t nvram_bytes;
	const char *boot_directory; /* the configuration's */
	struct network_map networks;
	struct definition_images images;
	struct definition_test test; /* its name is "" when this is none */
	struct kept_definition kept;
	/* ordered by a failover: */
	replica_definition_cb done;
	void *arg;
	/* out */
	struct sentence_list notes;
	bool written; /* it is another one than before */
	char error[DOMAIN_ERROR_LEN];
};

/* What a worker runs: arg is the job. 0 or a negative errno, most with a sentence in error; -ENOENT
 * without one: no definition has come yet. */
int definition_job_run(void *arg);
void definition_job_free(struct definition_job *job); /* NULL allowed */

#endif
