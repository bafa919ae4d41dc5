/* SPDX-License-Identifier: GPL-2.0-or-later */
/* protect on the replica's side: the replica is replicated on. What there is to know of the VM is
 * in its store, and in what the store's owner announces. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/extended.h"
#include "engine/protect_job.h"

/* ---- its disks and definition ---- */

static bool is_excluded(const struct protect_job *job, const char *disk)
{
	for (size_t i = 0; i < job->exclude_count; i++) {
		if (strcmp(job->exclude[i], disk) == 0) {
			return true;
		}
	}
	return false;
}

void protect_extended_read_definition(struct protect_job *job)
{
	cleanup_close int fd =
		open(job->definition_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	ssize_t got;

	/* on another node's own storage: it is looked at there, by check */
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 ||
	    (size_t)status.st_size > DOMAIN_XML_MAX) {
		return;
	}
	job->domain_xml = malloc((size_t)status.st_size);
	got = job->domain_xml != NULL ? read(fd, job->domain_xml, (size_t)status.st_size) : -1;
	if (got != status.st_size) {
		free(job->domain_xml);
		job->domain_xml = NULL;
		return;
	}
	job->domain_xml_len = (size_t)got;
}

void protect_extended_inspect(struct protect_job *job, const Vmreplica__Ipc__CibResource *replica)
{
	const char *relationship = protect_parameter(replica, "relationship");
	const struct table_vm *known = cluster_table_find(&job->engine->table, relationship,
							  VMREPLICA__ROLE__ROLE_REPLICA);

	if (known == NULL || known->gone || known->status->n_disks == 0 ||
	    known->status->applied_seq == 0) {
		protect_fail(job, EAGAIN, "vmreplica status shows how far it is; then try again",
			     "the replica %s has no complete copy of the VM yet", replica->id);
		return;
	}
	for (size_t i = 0; i < known->status->n_disks && job->disk_count < DISKS_MAX; i++) {
		const Vmreplica__DiskStatus *disk = known->status->disks[i];

		if (!is_excluded(job, disk->name)) {
			snprintf(job->disks[job->disk_count].name, sizeof(job->disks[0].name), "%s",
				 disk->name);
			job->disks[job->disk_count++].size_bytes = disk->size_bytes;
		}
	}
	snprintf(job->definition_path, sizeof(job->definition_path), "%s/domain.xml",
		 known->status->store);
	protect_inspected(job);
}

/* ---- the request ---- */

static bool extended_is_refused(struct protect_job *job, const struct vm_settings *replica,
				bool frequency_named)
{
	if (frequency_named && job->frequency_s < replica->frequency_s) {
		protect_fail(job, EINVAL, "name a frequency that is not shorter",
			     "%s is a replica that gets a cycle each %u s: what is replicated on "
			     "cannot have a shorter frequency (%u s)",
			     replica->vm, replica->frequency_s, job->frequency_s);
		return true;
	}
	if (replica->points == 0) {
		protect_fail(job, EINVAL,
			     "give it recovery points: pcs resource update RESOURCE points=24",
			     "the replica %s keeps no recovery points, and so no record of what "
			     "changed in it",
			     replica->resource);
		return true;
	}
	if (snprintf(job->resource, sizeof(job->resource), "%s" EXTENDED_SUFFIX,
		     replica->resource) >= (int)sizeof(job->resource)) {
		protect_fail(job, ENAMETOOLONG, "",
			     "the id %.40s... is too long to get " EXTENDED_SUFFIX,
			     replica->resource);
		return true;
	}
	return false;
}

void protect_extended(struct protect_job *job, const Vmreplica__Ipc__CibResource *replica,
		      bool frequency_named)
{
	char error[VM_SETTINGS_ERROR_LEN];
	struct vm_settings settings = {0};

	if (vm_settings_from_resource(replica, &settings, error) < 0) {
		protect_fail(job, EINVAL, "correct the resource", "resource %s: %s", replica->id,
			     error);
		return;
	}
	if (!frequency_named && job->frequency_s < settings.frequency_s) {
		job->frequency_s = settings.frequency_s;
	}
	memcpy(job->vm.name, settings.vm, sizeof(job->vm.name));
	memcpy(job->vm.resource, settings.resource, sizeof(job->vm.resource));
	if (!extended_is_refused(job, &settings, frequency_named)) {
		protect_extended_inspect(job, replica);
	}
	vm_settings_destroy(&settings);
}
