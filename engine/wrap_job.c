/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/standing.h"
#include "engine/vm_status.h"
#include "engine/wrap_header.h"

#define STEP(name)	VMREPLICA__ADMIN__WRAP_STEP__WRAP_STEP_##name
#define WRAP_FORWARD_MS 60000

void wrap_job_fail(struct wrap_job *job, int error, const char *advice, const char *format, ...)
{
	va_list args;

	if (job->failure != 0) {
		return;
	}
	job->failure = error < 0 ? error : -error;
	va_start(args, format);
	vsnprintf(job->failure_text, sizeof(job->failure_text), format, args);
	va_end(args);
	snprintf(job->failure_advice, sizeof(job->failure_advice), "%s", advice);
}

static struct wrap_job *under_way; /* the control thread's */

bool wrap_job_claim(struct wrap_job *job)
{
	bool free_before = under_way == NULL;

	under_way = free_before ? job : under_way;
	return free_before;
}

bool wrap_job_is_under_way(void)
{
	return under_way != NULL;
}

void wrap_job_stop(void)
{
	if (under_way != NULL) {
		under_way->stop = true;
	}
}

/* ---- the answer ---- */

static void job_free(struct wrap_job *job)
{
	under_way = NULL;
	protect_vm_destroy(&job->vm);
	wrap_node_destroy(&job->node);
	sentence_list_destroy(&job->steps);
	sentence_list_destroy(&job->warnings);
	free(job);
}

static void answer(struct wrap_job *job)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__WrapResponse wrap = VMREPLICA__ADMIN__WRAP_RESPONSE__INIT;

	if (job->failure != 0) {
		admin_call_fail(job->call, job->failure, job->failure_advice, "%s",
				job->failure_text);
		job_free(job);
		return;
	}
	wrap.steps = job->steps.items;
	wrap.n_steps = job->steps.count;
	wrap.warnings = job->warnings.items;
	wrap.n_warnings = job->warnings.count;
	wrap.already = job->node.wrapped;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_WRAP;
	response.wrap = &wrap;
	if (!job->dry_run && !job->node.wrapped) {
		engine_event(job->engine, "notice", job->vm.name, "%zu raw disks %s",
			     job->node.count,
			     job->unwrap ? "are unwrapped" : "are wrapped in qcow2 headers");
	}
	admin_call_reply(job->call, &response);
	job_free(job);
}

static void started_cb(struct wrap_job *job, int error, const char *text)
{
	if (error < 0) {
		wrap_job_fail(job, error, "start it: pcs resource enable, or virsh start",
			      "%s is not started again: %s", job->vm.name, text);
	} else {
		sentence_list_add(&job->steps, "%s runs again", job->vm.name);
	}
	answer(job);
}

static void finish_power(struct wrap_job *job)
{
	if (job->stopped) {
		wrap_power(job, true, started_cb);
	} else {
		answer(job);
	}
}

static void resync_ordered_cb(void *arg, int error, const char *text)
{
	struct wrap_job *job = arg;

	if (error < 0) {
		sentence_list_add(&job->warnings,
				  "the order to resynchronize cannot be noted (%s): give it with "
				  "vmreplica resync %s when it is wrapped again",
				  text, job->vm.name);
	}
	finish_power(job);
}

void wrap_job_finish(struct wrap_job *job)
{
	const Vmreplica__Ipc__CibResource *resource =
		protect_find(engine_settings(job->engine), job->vm.name);
	const char *relationship =
		resource != NULL ? protect_parameter(resource, "relationship") : "";

	if (job->failure == 0 && job->unwrap && !job->dry_run && relationship[0] != '\0') {
		sentence_list_add(&job->warnings,
				  "%s is not replicated any more; once it is wrapped again it is "
				  "resynchronized",
				  job->vm.name);
		standing_set(job->engine, STANDING_RESYNC, relationship, "1", resync_ordered_cb,
			     job);
		return;
	}
	finish_power(job);
}

/* ---- tasks ---- */

/* Before the first definition names them, the headers go again: those that this wrap has made. One
 * that was there is another node's as well: its definition names it, and its bitmaps are in use. */
static void undo(struct wrap_job *job)
{
	if (job->defined || job->undone || job->unwrap || job->dry_run) {
		return;
	}
	job->undone = true;
	job->node.count = wrap_header_keep_made(job->node.disks, job->node.count);
	for (unsigned int i = job->node.count > 0 ? job->node_count : 0; i-- > 0;) {
		job->tasks[job->task_count++] = (struct wrap_task){i, STEP(REMOVE)};
	}
}

static void task_failed(struct wrap_job *job, const struct wrap_task *task, int error,
			const char *text)
{
	const char *node = job->nodes[task->node];

	if (error == -EBUSY) {
		wrap_job_fail(job, error, "shut it off, then try again", "%s", text);
	} else if (job->defined) {
		wrap_job_fail(job, error,
			      "give the command again: what is done stays, the rest follows",
			      "%s: %s", node, text);
	} else {
		wrap_job_fail(job, error, "nothing has been changed", "%s: %s", node, text);
	}
	job->task_count = job->task_next;
	undo(job);
}

static void task_ended(struct wrap_job *job, int error, const char *text)
{
	const struct wrap_task *task = &job->tasks[job->task_next - 1];

	job->defined = job->defined || (error == 0 && task->step == STEP(DEFINE));
	if (error < 0 && task->step == STEP(REMOVE)) {
		sentence_list_add(&job->warnings, "%s: %s", job->nodes[task->node], text);
	} else if (error < 0) {
		task_failed(job, task, error, text);
	}
	wrap_job_next(job);
}

static void take_sentences(struct wrap_job *job, const char *node, char *const *items, size_t count,
			   struct sentence_list *list)
{
	for (size_t i = 0; i < count; i++) {
		if (job->engine->config->standalone) {
			sentence_list_add(list, "%s", items[i]);
		} else {
			sentence_list_add(list, "%s: %s", node, items[i]);
		}
	}
}

static int task_run(void *arg)
{
	struct wrap_job *job = arg;

	return wrap_node_run(&job->node);
}

static void task_done(void *arg, int result)
{
	struct wrap_job *job = arg;
	struct wrap_node *node = &job->node;

	take_sentences(job, job->nodes[0], node->steps.items, node->steps.count, &job->steps);
	take_sentences(job, job->nodes[0], node->warnings.items, node->warnings.count,
		       &job->warnings);
	sentence_list_destroy(&node->steps);
	sentence_list_destroy(&node->warnings);
	task_ended(job, result, node->error);
}

static void forwarded_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct wrap_job *job = arg;
	const struct wrap_task *task = &job->tasks[job->task_next - 1];

	if (error < 0) {
		task_ended(job, error, "the engine there does not answer (vmreplica-engine)");
	} else if (response->error != 0) {
		task_ended(job, -response->error, response->text);
	} else if (response->body_case != VMREPLICA__ADMIN__RESPONSE__BODY_WRAP_NODE) {
		task_ended(job, -EPROTO, "the engine there gave another answer");
	} else {
		const Vmreplica__Admin__WrapNodeResponse *wrap = response->wrap_node;

		take_sentences(job, job->nodes[task->node], wrap->steps, wrap->n_steps,
			       &job->steps);
		take_sentences(job, job->nodes[task->node], wrap->warnings, wrap->n_warnings,
			       &job->warnings);
		task_ended(job, 0, "");
	}
}

static int task_forward(struct wrap_job *job, const struct wrap_task *task)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__WrapNodeRequest wrap = VMREPLICA__ADMIN__WRAP_NODE_REQUEST__INIT;
	Vmreplica__Admin__WrapDisk disks[DISKS_MAX], *pointers[DISKS_MAX];

	wrap_node_fill_disks(&job->node, disks, pointers);
	wrap.vm = job->vm.name;
	wrap.config = job->node.config;
	wrap.step = task->step;
	wrap.disks = pointers;
	wrap.n_disks = job->node.count;
	wrap.unwrap = job->unwrap;
	wrap.dry_run = job->dry_run;
	wrap.may_run = job->node.may_run;
	request.to = job->nodes[task->node];
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_WRAP_NODE;
	request.wrap_node = &wrap;
	return forward_request(job->engine->forward, request.to, &request, WRAP_FORWARD_MS,
			       forwarded_cb, job);
}

void wrap_job_next(struct wrap_job *job)
{
	const struct wrap_task *task;
	int result;

	if (job->task_next == job->task_count) {
		if (job->failure != 0) {
			wrap_job_finish(job);
		} else {
			job->then(job);
		}
		return;
	}
	task = &job->tasks[job->task_next++];
	if (task->node == 0) {
		job->node.step = task->step;
		/* the headers are removed here, once no node's definition names them */
		job->node.files = task->step == STEP(REMOVE);
		result = workers_submit(job->engine->task_workers, task_run, task_done, job);
	} else {
		result = task_forward(job, task);
	}
	if (result < 0) {
		task_ended(job, result, strerror(-result));
	}
}
