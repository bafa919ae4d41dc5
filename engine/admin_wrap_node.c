/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One step of another engine's wrap or unwrap, on a worker here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/admin_service.h"
#include "engine/wrap_node.h"

struct node_job {
	struct admin_call *call;
	struct engine *engine;
	struct wrap_node node;
};

static void job_free(struct node_job *job)
{
	wrap_node_destroy(&job->node);
	free(job);
}

static int node_run(void *arg)
{
	struct node_job *job = arg;

	return wrap_node_run(&job->node);
}

static void node_done(void *arg, int result)
{
	struct node_job *job = arg;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__WrapNodeResponse wrap = VMREPLICA__ADMIN__WRAP_NODE_RESPONSE__INIT;

	if (result < 0) {
		admin_call_fail(job->call, result, "", "%s", job->node.error);
		job_free(job);
		return;
	}
	wrap.steps = job->node.steps.items;
	wrap.n_steps = job->node.steps.count;
	wrap.warnings = job->node.warnings.items;
	wrap.n_warnings = job->node.warnings.count;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_WRAP_NODE;
	response.wrap_node = &wrap;
	admin_call_reply(job->call, &response);
	job_free(job);
}

void admin_wrap_node(struct admin_call *call, const Vmreplica__Admin__WrapNodeRequest *request)
{
	struct node_job *job;

	if (!admin_call_is_trusted(call)) {
		admin_call_fail(call, EPERM, "", "daemons alone may ask this");
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL || wrap_node_init(&job->node) < 0) {
		free(job);
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	job->call = call;
	job->engine = admin_call_engine(call);
	job->node.libvirt = job->engine->libvirt;
	job->node.node = job->engine->config->node;
	if (wrap_node_take(&job->node, request) < 0) {
		job_free(job);
		admin_call_misused(call, "the VM's name, its definition's file or its disks are "
					 "malformed");
	} else if (workers_submit(job->engine->task_workers, node_run, node_done, job) < 0) {
		job_free(job);
		admin_call_fail(call, ENOMEM, "", "out of memory");
	}
}
