/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unprotect: WITHDRAW at the other side -> stop cycles and remove bitmaps where the VM runs ->
 * delete our resource. With --force the other side is passed over when it cannot be reached.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/epoch.h"
#include "cluster/vm_resource.h"
#include "common/config.h"
#include "engine/admin_service.h"
#include "engine/host_start.h"
#include "engine/locate_client.h"
#include "engine/protect_job.h"
#include "engine/relationship.h"
#include "engine/standing.h"
#include "engine/vm_status.h"
#include "proto/validate.h"

#define RELEASE_MS 30000
#define STEPS_MAX  8
#define STEP_LEN   (REASON_MAX + 64)

struct unprotect_job {
	struct admin_call *call;
	struct engine *engine;
	char resource[RESOURCE_ID_MAX + 1];
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char vm_resource[RESOURCE_ID_MAX + 1];
	char peer[VM_SETTINGS_HOST_LEN], host[VM_SETTINGS_HOST_LEN];
	uint16_t port;
	bool force, keep_replica;
	bool starts_with_host; /* by our hand: libvirt's again afterwards */
	size_t order;	       /* the next standing order to take away */
	struct trouble trouble;
	char texts[STEPS_MAX][STEP_LEN];
	char *steps[STEPS_MAX];
	size_t step_count;
};

__attribute__((format(printf, 2, 3))) static void add_step(struct unprotect_job *job,
							   const char *format, ...)
{
	va_list args;

	if (job->step_count < STEPS_MAX) {
		va_start(args, format);
		vsnprintf(job->texts[job->step_count], STEP_LEN, format, args);
		va_end(args);
		job->steps[job->step_count] = job->texts[job->step_count];
		job->step_count++;
	}
}

/* ---- our resource ---- */

static void unprotect_finish(struct unprotect_job *job)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__UnprotectResponse unprotect = VMREPLICA__ADMIN__UNPROTECT_RESPONSE__INIT;

	vm_status_forget(ENGINE_STATE_DIR, job->relationship);
	engine_event(job->engine, "notice", job->vm, "no longer protected");
	unprotect.steps = job->steps;
	unprotect.n_steps = job->step_count;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_UNPROTECT;
	response.unprotect = &unprotect;
	admin_call_reply(job->call, &response);
	free(job);
}

static void order_cleared_cb(void *arg, int error, const char *text);

/* What was ordered, and what the failovers left, would otherwise outlive the relationship. One at a
 * time. */
static void unprotect_clear_orders(struct unprotect_job *job)
{
	static const char *const orders[] = {STANDING_ALL, EPOCH_SETTING};

	while (job->order < sizeof(orders) / sizeof(orders[0])) {
		const char *order = orders[job->order++];

		if (standing_get(job->engine, order, job->relationship) != NULL) {
			standing_set(job->engine, order, job->relationship, NULL, order_cleared_cb,
				     job);
			return;
		}
	}
	unprotect_finish(job);
}

static void order_cleared_cb(void *arg, int error, const char *text)
{
	struct unprotect_job *job = arg;

	if (error < 0 && error != -ENOENT) {
		add_step(job, "a setting of %s stays, which does no harm: %s", job->relationship,
			 text);
	}
	unprotect_clear_orders(job);
}

static void deleted_cb(void *arg, int error, const char *text)
{
	struct unprotect_job *job = arg;

	if (error < 0 && error != -ENOENT) {
		admin_call_fail(job->call, error,
				"look at Pacemaker (pcs status), then vmreplica unprotect again",
				"resource %s cannot be deleted: %s", job->resource, text);
		free(job);
		return;
	}
	add_step(job, "resource %s and its constraints are deleted", job->resource);
	if (job->starts_with_host) {
		host_start_give_back(job->engine, job->relationship);
		add_step(job, "libvirt starts %s with the host again", job->vm);
	}
	unprotect_clear_orders(job);
}

static void unprotect_delete(struct unprotect_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	int result;

	job->starts_with_host = host_start_is_ours(job->engine, job->relationship);
	result = cluster->ops->delete_vm(cluster, job->resource, deleted_cb, job);
	if (result < 0) {
		deleted_cb(job, result, strerror(-result));
	}
}

/* ---- the bitmaps ---- */

static void released_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct unprotect_job *job = arg;

	if (error == 0 && response->error == 0) {
		add_step(job, "the change bitmaps of %s are removed", job->vm);
	} else {
		add_step(job, "the change bitmaps of %s stay on its disks: %s", job->vm,
			 error == 0 ? response->text : strerror(-error));
	}
	unprotect_delete(job);
}

/* Where the VM runs, or (off, or unknown) where it was last. */
static const char *unprotect_node(struct unprotect_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	const struct placement *placement = cluster->ops->placement(cluster);
	const struct placement_resource *resource =
		placement != NULL ? placement_find(placement, job->vm_resource) : NULL;
	const struct table_vm *known = cluster_table_find(&job->engine->table, job->relationship,
							  VMREPLICA__ROLE__ROLE_PRIMARY);

	if (engine_find_relationship(job->engine, job->relationship) != NULL) {
		return job->engine->config->node;
	}
	if (known != NULL && !known->gone) {
		return known->node;
	}
	return resource != NULL && resource->node != NULL ? resource->node
							  : job->engine->config->node;
}

static void unprotect_release(struct unprotect_job *job)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__ReleaseRequest release = VMREPLICA__ADMIN__RELEASE_REQUEST__INIT;
	Vmreplica__Admin__Response failed = VMREPLICA__ADMIN__RESPONSE__INIT;
	const char *node = unprotect_node(job);
	int result;

	release.relationship = job->relationship;
	release.vm = job->vm;
	request.to = vm_status_borrow(node);
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_RELEASE;
	request.release = &release;
	result = forward_request(job->engine->forward, node, &request, RELEASE_MS + 5000,
				 released_cb, job);
	if (result < 0) {
		failed.error = -result;
		failed.text = strerror(-result);
		released_cb(job, 0, &failed);
	}
}

/* ---- the other side ---- */

static int withdraw_run(void *arg)
{
	struct unprotect_job *job = arg;
	struct locate_client client = {
		.tls = job->engine->tls, .host = job->host, .port = job->port};

	return locate_client_withdraw(&client, job->relationship, job->engine->config->site,
				      job->keep_replica, &job->trouble);
}

/* What --force leaves there, by its names: the other side's admin finds two resources and a store
 * that nobody uses any more. */
static void add_leftovers(struct unprotect_job *job)
{
	char site[SITE_NAME_MAX + 1];

	config_site_short(job->engine->config->site, site, sizeof(site));
	add_step(job,
		 "to remove it there, unless the VM runs there: pcs resource delete %s-%s-replica",
		 job->vm, site);
	add_step(job,
		 "and the disabled VirtualDomain of the replica VM: pcs resource delete %s (%s-%s "
		 "if "
		 "something else had that id; pcs resource config shows "
		 "vmreplica-relationship=%s with the right one)",
		 job->vm, job->vm, site, job->relationship);
	add_step(job, "and, in the storage of that side's authorization: %s/%s-%.8s*",
		 job->engine->config->site, job->vm, job->relationship);
}

static void withdraw_done(void *arg, int result)
{
	struct unprotect_job *job = arg;

	if (result < 0 && !job->force) {
		admin_call_fail(
			job->call, result, "vmreplica unprotect --force leaves its replica there",
			"the other side did not take its part apart: %s", job->trouble.text);
		free(job);
		return;
	}
	if (result < 0) {
		add_step(job, "the replica on the other side stays: %s", job->trouble.text);
		add_leftovers(job);
	} else {
		add_step(job, "the replica's resource %sat %s %s removed",
			 job->keep_replica ? "" : "and store ", job->peer,
			 job->keep_replica ? "is" : "are");
	}
	unprotect_release(job);
}

static void unprotect_withdraw(struct unprotect_job *job)
{
	if (workers_submit(job->engine->task_workers, withdraw_run, withdraw_done, job) < 0) {
		admin_call_fail(job->call, ENOMEM, "", "out of memory");
		free(job);
	}
}

/* ---- the request ---- */

static bool unprotect_take(struct unprotect_job *job, const Vmreplica__Ipc__CibResource *resource)
{
	snprintf(job->resource, sizeof(job->resource), "%s", resource->id);
	snprintf(job->relationship, sizeof(job->relationship), "%s",
		 protect_parameter(resource, "relationship"));
	snprintf(job->vm, sizeof(job->vm), "%s", protect_parameter(resource, "vm"));
	snprintf(job->vm_resource, sizeof(job->vm_resource), "%s",
		 protect_parameter(resource, "vm_resource"));
	snprintf(job->peer, sizeof(job->peer), "%s", protect_parameter(resource, "peer"));
	return validate_uuid(job->relationship) && validate_vm_name(job->vm) &&
	       (peer_address_parse(job->peer, BROKER_PORT, job->host, &job->port) == 0 ||
		job->force);
}

void admin_unprotect(struct admin_call *call, const Vmreplica__Admin__UnprotectRequest *request)
{
	struct engine *engine = admin_call_engine(call);
	const Vmreplica__Ipc__CibResource *resource =
		protect_find(engine_settings(engine), request->vm);
	struct unprotect_job *job;

	if (resource == NULL) {
		char id[RESOURCE_ID_MAX + 1];

		snprintf(id, sizeof(id), "%.*s-replica", (int)VM_NAME_MAX, request->vm);
		admin_call_fail(call, ENOENT,
				protect_is_interrupted(engine, id)
					? "protecting it was interrupted: vmreplica protect "
					  "completes that, then unprotect takes both sides apart"
					: "vmreplica status shows all that are",
				"no VM called %s is protected here", request->vm);
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	job->call = call;
	job->engine = engine;
	job->force = request->force;
	job->keep_replica = request->keep_replica;
	if (!unprotect_take(job, resource)) {
		admin_call_fail(call, EINVAL, "delete the resource by hand (pcs resource delete)",
				"resource %s has parameters that are not valid", resource->id);
		free(job);
		return;
	}
	unprotect_withdraw(job);
}

/* ---- at the VM's node ---- */

static void release_done_cb(void *arg, int error, const char *text)
{
	struct admin_call *call = arg;

	if (error < 0) {
		admin_call_fail(call, error, "", "%s", text);
	} else {
		admin_call_done(call, "released");
	}
}

void admin_release(struct admin_call *call, const Vmreplica__Admin__ReleaseRequest *request)
{
	struct relationship *rel =
		engine_find_relationship(admin_call_engine(call), request->relationship);

	if (!admin_call_is_trusted(call)) {
		admin_call_fail(call, EPERM, "", "daemons alone may ask this");
	} else if (rel == NULL) {
		admin_call_fail(call, ENOENT, "", "it is not attached on this node");
	} else {
		relationship_dismiss(rel, RELEASE_MS, release_done_cb, call);
	}
}
