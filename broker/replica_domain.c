/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/replica_domain.h"

#include <errno.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/nvpair_list.h"
#include "common/log.h"
#include "proto/store_path.h"

static void created_cb(void *arg, int error, const char *text)
{
	struct job *job = arg;

	if (error == -ECANCELED) {
		job_free(job);
		return;
	}
	if (error < 0) {
		log_warning("%s for %s: the VM's own resource is not made: %s; a failover makes it",
			    job->relationship, job->peer, text);
	}
	job->next(job);
}

void replica_domain_create(struct job *job, const char *vm, const char *site,
			   void (*next)(struct job *job))
{
	struct cluster *cluster = &job->enrollment->broker->cluster;
	const Vmreplica__Ipc__CibSettings *settings = cluster->ops->settings(cluster);
	char id[RESOURCE_ID_MAX + 1], config[PATH_LEN_MAX + 1];
	struct domain_resource domain;
	int rc;

	job->next = next;
	rc = store_path_definition(job->plan.storage, site, vm, job->relationship, config,
				   sizeof(config));
	if (rc == 0) {
		domain_resource_id(settings, vm, job->relationship, site, id);
		domain_resource_fill(&domain, settings, id, job->relationship, config,
				     job->plan.location_node);
		rc = cluster->ops->create_domain(cluster, &domain.request, created_cb, job);
	}
	if (rc < 0) {
		created_cb(job, rc, strerror(-rc));
	}
}

static void removed_cb(void *arg, int error, const char *text)
{
	struct job *job = arg;

	if (error < 0 && error != -ENOENT) {
		job_refuse_change(job, error, text);
		job_free(job);
		return;
	}
	job->next(job);
}

void replica_domain_remove(struct job *job, void (*next)(struct job *job))
{
	struct cluster *cluster = &job->enrollment->broker->cluster;
	const Vmreplica__Ipc__CibResource *resource =
		domain_resource_find(cluster->ops->settings(cluster), job->relationship, false);
	Vmreplica__Ipc__CibDeleteDomain request = VMREPLICA__IPC__CIB_DELETE_DOMAIN__INIT;
	int rc;

	job->next = next;
	if (resource == NULL) {
		next(job);
		return;
	}
	request.resource = resource->id;
	request.relationship = job->relationship;
	rc = cluster->ops->delete_domain(cluster, &request, removed_cb, job);
	if (rc < 0) {
		removed_cb(job, rc, NULL);
	}
}

const char *replica_domain_in_use(const Vmreplica__Ipc__CibSettings *settings,
				  const char *relationship)
{
	const Vmreplica__Ipc__CibResource *vm = domain_resource_find(settings, relationship, false);
	const char *target = vm != NULL ? nvpair_find(vm->meta, vm->n_meta, "target-role") : NULL;

	if (target != NULL && strcmp(target, "Started") == 0) {
		return "it has failed over, and the VM runs here: cancel or commit that first";
	}
	if (domain_resource_find(settings, relationship, true) != NULL) {
		return "a test failover of it stands: vmreplica failover --test-cleanup first";
	}
	return NULL;
}
