/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap and unwrap: what is asked, and by which steps it is done (wrap_job.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/vm_status.h"
#include "engine/wrap_job.h"
#include "proto/validate.h"

#define STEP(name) VMREPLICA__ADMIN__WRAP_STEP__WRAP_STEP_##name

/* ---- steps ---- */

static void add_task(struct wrap_job *job, unsigned int node, Vmreplica__Admin__WrapStep step)
{
	job->tasks[job->task_count++] = (struct wrap_task){node, step};
}

/* A node's own definition, if it has one, stays as it is. After a wrap it names the raw disks, and
 * the VM could run there past its headers; after an unwrap headers that are gone. */
static void note_absent(struct wrap_job *job, const char *name)
{
	if (!job->unwrap) {
		sentence_list_add(&job->warnings,
				  "%s was not asked: no engine runs there; once it does, give this "
				  "command again before %s may run there",
				  name, job->vm.name);
	} else if (job->force || job->dry_run) {
		sentence_list_add(&job->warnings,
				  "%s was not asked: no engine runs there; once it does, give this "
				  "command on %s before %s may run there",
				  name, name, job->vm.name);
	} else {
		wrap_job_fail(job, EAGAIN,
			      "start the engine there; --force leaves that node out: give the "
			      "command there before the VM may run there",
			      "no engine runs on %s, whose definition of %s may name the headers",
			      name, job->vm.name);
	}
}

/* Nodes that cannot be asked are named. */
static void list_nodes(struct wrap_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	const struct placement *placement = cluster->ops->placement(cluster);
	const char *own = job->engine->config->node;

	snprintf(job->nodes[job->node_count++], sizeof(job->nodes[0]), "%s", own);
	if (job->engine->config->standalone || placement == NULL) {
		return;
	}
	for (size_t i = 0; i < placement->node_count && job->node_count < WRAP_NODES_MAX; i++) {
		const char *name = placement->nodes[i].name;
		const struct table_node *node = cluster_table_find_node(&job->engine->table, name);

		if (strcmp(name, own) == 0) {
			continue;
		}
		if (node == NULL || !node->present) {
			note_absent(job, name);
			continue;
		}
		snprintf(job->nodes[job->node_count++], sizeof(job->nodes[0]), "%s", name);
	}
}

static void add_tasks(struct wrap_job *job, Vmreplica__Admin__WrapStep step)
{
	for (unsigned int i = 0; i < job->node_count; i++) {
		add_task(job, i, step);
	}
}

/* Has the VM come home: do images of a store stand on the headers? */
static bool has_images(const struct wrap_job *job)
{
	for (size_t i = 0; i < job->node.count; i++) {
		if (job->node.disks[i].image[0] != '\0') {
			return true;
		}
	}
	return false;
}

static void plan(struct wrap_job *job)
{
	job->then = wrap_job_finish;
	if (!job->unwrap && !job->node.wrapped) {
		add_task(job, 0, STEP(MAKE));
	}
	add_tasks(job, STEP(ALLOW));
	if (job->unwrap && has_images(job)) {
		add_task(job, 0, STEP(MERGE));
		add_tasks(job, STEP(ALLOW)); /* that took a while: is the VM off still? */
	}
	add_tasks(job, STEP(DEFINE));
	/* here last: the headers go with it */
	for (unsigned int i = job->node_count; job->unwrap && i-- > 0;) {
		add_task(job, i, STEP(REMOVE));
	}
	/* what is wrapped already may run: other nodes' definitions are brought up to it */
	job->node.may_run = job->node.wrapped || job->dry_run;
}

static void stopped_cb(struct wrap_job *job, int error, const char *text)
{
	job->stopped = true;
	if (error < 0) {
		wrap_job_fail(job, error, "look at it, then try again", "%s: %s", job->vm.name,
			      text);
		wrap_job_finish(job);
		return;
	}
	sentence_list_add(&job->steps, "%s is shut off", job->vm.name);
	plan(job);
	wrap_job_next(job);
}

/* ---- what there is to do ---- */

static void leave_out(struct wrap_job *job)
{
	size_t kept = 0;

	for (size_t i = 0; i < job->node.count; i++) {
		bool excluded = false;

		for (size_t j = 0; j < job->exclude_count; j++) {
			excluded =
				excluded || strcmp(job->exclude[j], job->node.disks[i].name) == 0;
		}
		if (!excluded) {
			job->node.disks[kept++] = job->node.disks[i];
		}
	}
	job->node.count = kept;
}

static void nothing_to_do(struct wrap_job *job)
{
	if (job->unwrap && job->node.above) {
		wrap_job_fail(job, ENOTSUP,
			      "merge them into the headers first (virsh blockcommit, qemu-img "
			      "commit)",
			      "%s runs on images that stand on the headers and lie in no store "
			      "that the raw disks were lent to (snapshots?): they hold what the "
			      "raw disks lack",
			      job->vm.name);
	} else if (job->unwrap) {
		wrap_job_fail(job, ENOENT, "virsh domblklist shows its disks",
			      "%s has no wrapped disk", job->vm.name);
	} else {
		wrap_job_fail(job, ENOENT, "it can be protected as it is",
			      "%s has no raw disk to wrap", job->vm.name);
	}
	wrap_job_finish(job);
}

static bool is_off(struct wrap_job *job, char text[REASON_MAX], char advice[REASON_MAX])
{
	const char *verb = job->unwrap ? "unwrap" : "wrap";

	if (!job->engine->config->standalone) {
		return wrap_power_is_off(job, text, advice);
	}
	snprintf(text, REASON_MAX, "%s must be shut off for a second, and runs", job->vm.name);
	snprintf(advice, REASON_MAX,
		 "virsh shutdown %.64s, then vmreplica %s %.64s and virsh start %.64s; or have it "
		 "done: vmreplica %s %.64s --restart",
		 job->vm.name, verb, job->vm.name, job->vm.name, verb, job->vm.name);
	return !job->node.running;
}

/* Nothing stands against it: now the VM must be off. */
static void checked(struct wrap_job *job)
{
	char text[REASON_MAX], advice[REASON_MAX];

	if (job->dry_run || job->node.wrapped || is_off(job, text, advice)) {
		plan(job);
		wrap_job_next(job);
	} else if (job->restart) {
		wrap_power(job, false, stopped_cb);
	} else {
		wrap_job_fail(job, EBUSY, advice, "%s", text);
		wrap_job_finish(job);
	}
}

static int look_run(void *arg)
{
	struct wrap_job *job = arg;

	return wrap_node_run(&job->node);
}

static void look_done(void *arg, int result)
{
	struct wrap_job *job = arg;

	if (result < 0) {
		wrap_job_fail(job, result,
			      "give the command on a node where the VM may run and libvirt answers",
			      "%s", job->node.error);
		wrap_job_finish(job);
		return;
	}
	leave_out(job);
	if (job->node.count == 0) {
		nothing_to_do(job);
		return;
	}
	if (wrap_refuse_held(job)) {
		return;
	}
	list_nodes(job);
	if (job->failure != 0) {
		wrap_job_finish(job);
		return;
	}
	job->then = checked;
	for (unsigned int i = 0; !job->unwrap && i < job->node_count; i++) {
		add_task(job, i, STEP(CHECK));
	}
	wrap_job_next(job);
}

static void look(struct wrap_job *job)
{
	struct wrap_node *node = &job->node;

	memcpy(node->vm, job->vm.name, sizeof(node->vm));
	memcpy(node->directory, job->directory, sizeof(node->directory));
	node->libvirt = job->engine->libvirt;
	node->node = job->engine->config->node;
	node->step = STEP(LOOK);
	node->unwrap = job->unwrap;
	node->dry_run = job->dry_run;
	node->reserve_bytes = job->engine->config->storage_reserve_bytes;
	node->stop = &job->stop;
	if (workers_submit(job->engine->task_workers, look_run, look_done, job) < 0) {
		wrap_job_fail(job, ENOMEM, "", "out of memory");
		wrap_job_finish(job);
	}
}

/* ---- the VM ---- */

static int choose_run(void *arg)
{
	struct wrap_job *job = arg;

	return protect_vm_choose(&job->vm);
}

static void take_config(struct wrap_job *job)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(job->engine);

	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, job->vm.resource) == 0) {
			snprintf(job->node.config, sizeof(job->node.config), "%s",
				 protect_parameter(settings->resources[i], "config"));
		}
	}
}

static void choose_done(void *arg, int result)
{
	struct wrap_job *job = arg;

	if (result < 0) {
		wrap_job_fail(job, ENOENT,
			      "it must be a resource of " VIRTUAL_DOMAIN_AGENT " (pcs resource)",
			      "no VM or resource is called %s", job->vm.asked);
		wrap_job_finish(job);
		return;
	}
	take_config(job);
	if (job->node.config[0] != '/') {
		wrap_job_fail(job, EINVAL, "give the resource its parameter config",
			      "resource %s names no file with the VM's definition",
			      job->vm.resource);
		wrap_job_finish(job);
	} else if (!wrap_refuse_protected(job)) {
		look(job);
	}
}

static void find_vm(struct wrap_job *job)
{
	if (job->engine->config->standalone) {
		snprintf(job->vm.name, sizeof(job->vm.name), "%.*s", (int)VM_NAME_MAX,
			 job->vm.asked);
		if (!wrap_refuse_protected(job)) {
			look(job);
		}
	} else if (protect_vm_list(&job->vm, engine_settings(job->engine)) < 0 ||
		   workers_submit(job->engine->task_workers, choose_run, choose_done, job) < 0) {
		wrap_job_fail(job, ENOMEM, "", "out of memory");
		wrap_job_finish(job);
	}
}

/* ---- the request ---- */

static bool is_misused(struct admin_call *call, const Vmreplica__Admin__WrapRequest *request)
{
	if (!validate_vm_name(request->vm) && !validate_resource_id(request->vm)) {
		admin_call_misused(call, "\"%.64s\" is not a VM's name", request->vm);
	} else if (request->directory[0] != '\0' &&
		   (request->directory[0] != '/' || strlen(request->directory) > PATH_LEN_MAX)) {
		admin_call_misused(call, "the directory must be an absolute path");
	} else if (request->n_exclude_disks > DISKS_MAX) {
		admin_call_misused(call, "more than %u disks are excluded", DISKS_MAX);
	} else {
		for (size_t i = 0; i < request->n_exclude_disks; i++) {
			if (!validate_disk_name(request->exclude_disks[i])) {
				admin_call_misused(call, "\"%.40s\" is not a disk's target name",
						   request->exclude_disks[i]);
				return true;
			}
		}
		return false;
	}
	return true;
}

static bool is_untimely(struct admin_call *call)
{
	const struct engine *engine = admin_call_engine(call);

	if (!admin_call_is_root(call)) {
		admin_call_fail(call, EPERM, "do it as root",
				"it changes the definition of a VM and access to its disks");
	} else if (engine_settings(engine) == NULL) {
		admin_call_fail(call, EAGAIN, "try again in a moment",
				"the cluster's configuration is not known yet");
	} else if (!engine->quorate) {
		admin_call_fail(call, EAGAIN, "", "no quorum: %s", engine->missing);
	} else {
		return false;
	}
	return true;
}

void admin_wrap(struct admin_call *call, const Vmreplica__Admin__WrapRequest *request)
{
	struct wrap_job *job;

	if (is_misused(call, request) || is_untimely(call)) {
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL || wrap_node_init(&job->node) < 0) {
		free(job);
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	if (!wrap_job_claim(job)) {
		wrap_node_destroy(&job->node);
		free(job);
		admin_call_fail(call, EBUSY, "try again when it is done",
				"another wrap or unwrap is under way on this node");
		return;
	}
	job->call = call;
	job->engine = admin_call_engine(call);
	job->unwrap = request->unwrap;
	job->dry_run = request->dry_run;
	job->restart = request->restart;
	job->force = request->force;
	snprintf(job->vm.asked, sizeof(job->vm.asked), "%s", request->vm);
	snprintf(job->directory, sizeof(job->directory), "%s", request->directory);
	for (size_t i = 0; i < request->n_exclude_disks; i++) {
		snprintf(job->exclude[job->exclude_count++], sizeof(job->exclude[0]), "%s",
			 request->exclude_disks[i]);
	}
	find_vm(job);
}
