/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a VM's replication stands against unwrapping it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/vm_resource.h"
#include "engine/wrap_job.h"

/* Without its header nothing tells what changes: that ends a replication. */
bool wrap_refuse_protected(struct wrap_job *job)
{
	if (!job->unwrap || job->force || job->dry_run ||
	    protect_find(engine_settings(job->engine), job->vm.name) == NULL) {
		return false;
	}
	wrap_job_fail(job, EBUSY,
		      "vmreplica unprotect it first; --force unwraps it all the same: it is not "
		      "replicated then, and resynchronized once it is wrapped again",
		      "%s is protected, and its changes are tracked in the headers", job->vm.name);
	wrap_job_finish(job);
	return true;
}

const Vmreplica__Ipc__CibResource *wrap_find_holder(const Vmreplica__Ipc__CibSettings *settings,
						    const struct wrap_node *node)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *relationship = protect_parameter(resource, "relationship");
		char part[16];

		if (strcmp(resource->type, VM_RESOURCE_AGENT) != 0 || relationship[0] == '\0') {
			continue;
		}
		snprintf(part, sizeof(part), "-%.8s/", relationship);
		for (size_t k = 0; k < node->count; k++) {
			if (strstr(node->disks[k].image, part) != NULL) {
				return resource;
			}
		}
	}
	return NULL;
}

/* The store that its images lie in is a relationship's: points and what was there before a failover
 * stand on them, or a replica of a next one is to. */
bool wrap_refuse_held(struct wrap_job *job)
{
	const Vmreplica__Ipc__CibResource *holder =
		wrap_find_holder(engine_settings(job->engine), &job->node);
	char advice[REASON_MAX];

	if (holder == NULL) {
		return false;
	}
	if (strcmp(protect_parameter(holder, "role"), "primary") == 0) {
		snprintf(advice, sizeof(advice), "vmreplica unprotect %s first", job->vm.name);
		wrap_job_fail(job, EBUSY, advice,
			      "%s has come home from the other side, and its replication needs the "
			      "images that it came home with (resource %s)",
			      job->vm.name, holder->id);
	} else {
		snprintf(advice, sizeof(advice),
			 "vmreplica failover %.64s --cancel, or --commit, then vmreplica reverse "
			 "%.64s and, once it replicates from here, vmreplica unprotect %.64s",
			 job->vm.name, job->vm.name, job->vm.name);
		wrap_job_fail(job, EBUSY, advice,
			      "%s has failed over to here and stands on the replica's images, "
			      "points and all (resource %s)",
			      job->vm.name, holder->id);
	}
	wrap_job_finish(job);
	return true;
}
