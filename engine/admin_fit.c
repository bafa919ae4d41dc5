/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fit: would a VM that a peer wants to replicate start on this node? Asked by the broker before it
 * makes the replica's resource. On a worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/admin_service.h"
#include "engine/replica_fit.h"
#include "proto/validate.h"

struct fit_job {
	struct admin_call *call;
	struct engine *engine;
	char vm[VM_NAME_MAX + 1];
	char *xml; /* owned */
	size_t xml_len;
	char disks[DISKS_MAX][DISK_NAME_MAX + 1];
	const char *disk_pointers[DISKS_MAX];
	size_t disk_count;
	struct network_map networks;
	struct domain_fit fit;
};

static void fit_free(struct fit_job *job)
{
	domain_fit_destroy(&job->fit);
	free(job->xml);
	free(job);
}

static int fit_run(void *arg)
{
	struct fit_job *job = arg;
	struct replica_fit request = {
		.config = job->engine->config,
		.libvirt = job->engine->libvirt,
		.vm = job->vm,
		.xml = job->xml,
		.xml_len = job->xml_len,
		.disks = job->disk_pointers,
		.disk_count = job->disk_count,
		.networks = &job->networks,
	};

	replica_fit_run(&request, &job->fit);
	return 0;
}

static void fit_done(void *arg, int result)
{
	struct fit_job *job = arg;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__FitResponse answer = VMREPLICA__ADMIN__FIT_RESPONSE__INIT;

	(void)result;
	answer.refusals = job->fit.refusals.items;
	answer.n_refusals = job->fit.refusals.count;
	answer.warnings = job->fit.warnings.items;
	answer.n_warnings = job->fit.warnings.count;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_FIT;
	response.fit = &answer;
	admin_call_reply(job->call, &response);
	fit_free(job);
}

/* What the broker passes on is the peer's: every part is looked at again. */
static bool fit_take(struct fit_job *job, const Vmreplica__Admin__FitRequest *request)
{
	char error[NETWORK_MAP_ERROR_LEN];

	if (!validate_vm_name(request->vm) || request->n_disks > DISKS_MAX ||
	    request->domain_xml.len == 0 || request->domain_xml.len > ENROLL_XML_MAX) {
		return false;
	}
	for (size_t i = 0; i < request->n_disks; i++) {
		if (!validate_disk_name(request->disks[i])) {
			return false;
		}
		snprintf(job->disks[i], sizeof(job->disks[i]), "%s", request->disks[i]);
		job->disk_pointers[job->disk_count++] = job->disks[i];
	}
	for (size_t i = 0; i < request->n_maps; i++) {
		if (network_map_add(&job->networks, request->maps[i], error) < 0) {
			return false;
		}
	}
	snprintf(job->vm, sizeof(job->vm), "%s", request->vm);
	job->xml = malloc(request->domain_xml.len);
	if (job->xml == NULL) {
		return false;
	}
	memcpy(job->xml, request->domain_xml.data, request->domain_xml.len);
	job->xml_len = request->domain_xml.len;
	return true;
}

void admin_fit(struct admin_call *call, const Vmreplica__Admin__FitRequest *request)
{
	struct fit_job *job;

	if (!admin_call_is_trusted(call)) {
		admin_call_fail(call, EPERM, "", "daemons alone may ask this");
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	job->call = call;
	job->engine = admin_call_engine(call);
	if (!fit_take(job, request)) {
		fit_free(job);
		admin_call_misused(call,
				   "the VM's name, definition, disks or networks are malformed");
		return;
	}
	if (workers_submit(job->engine->task_workers, fit_run, fit_done, job) < 0) {
		fit_free(job);
		admin_call_fail(call, ENOMEM, "", "out of memory");
	}
}
