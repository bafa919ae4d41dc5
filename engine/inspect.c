/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/admin_service.h"
#include "engine/vm_status.h"
#include "proto/validate.h"

struct inspect_job {
	inspect_done_cb done;
	void *arg;
	struct engine *engine;
	char vm[VM_NAME_MAX + 1];
	char exclude[DISKS_MAX][DISK_NAME_MAX + 1];
	const char *exclude_list[DISKS_MAX + 1];
	struct source *source;
	char error[SOURCE_ERROR_LEN];
};

static int inspect_run(void *arg)
{
	struct inspect_job *job = arg;
	const struct config *config = job->engine->config;
	struct source_options options = {
		.vm = job->vm,
		.exclude_disks = job->exclude_list,
		.scratch_directory = config->scratch_directory,
		.scratch_reserve_bytes = config->scratch_reserve_bytes,
		.scratch_cap_bytes = config->scratch_cap_bytes,
		.socket_directory = ENGINE_BACKUP_DIR,
	};

	return source_open(job->engine->libvirt, &options, &job->source, job->error);
}

struct inspect_answer {
	Vmreplica__DiskStatus disks[DISKS_MAX];
	Vmreplica__DiskStatus *disk_pointers[DISKS_MAX];
	char texts[2 * DISKS_MAX + 1][REASON_MAX];
	char *problems[2 * DISKS_MAX + 1];
	size_t disk_count, problem_count;
};

static void inspect_problem(struct inspect_answer *answer, const char *disk, const char *text)
{
	char *problem = answer->texts[answer->problem_count];

	snprintf(problem, REASON_MAX, "%s%s%s%s", disk != NULL ? "disk " : "",
		 disk != NULL ? disk : "", disk != NULL ? ": " : "", text);
	answer->problems[answer->problem_count++] = problem;
}

/* A name that excludes nothing is a slip: the disk that was meant would be replicated. */
static void inspect_excluded(const struct inspect_job *job, struct inspect_answer *answer)
{
	for (size_t i = 0; job->exclude_list[i] != NULL; i++) {
		bool found = false;

		for (size_t j = 0; j < source_disk_count(job->source) && !found; j++) {
			found = strcmp(source_disk_at(job->source, j)->name,
				       job->exclude_list[i]) == 0;
		}
		if (!found) {
			inspect_problem(answer, job->exclude_list[i],
					"the VM has no such disk to leave out; virsh domblklist "
					"shows their names");
		}
	}
}

static void inspect_collect(const struct source *source, struct inspect_answer *answer)
{
	for (size_t i = 0; i < source_disk_count(source) && answer->disk_count < DISKS_MAX; i++) {
		const struct source_disk *disk = source_disk_at(source, i);

		if (disk->excluded) {
			continue;
		}
		vmreplica__disk_status__init(&answer->disks[answer->disk_count]);
		answer->disks[answer->disk_count].name = vm_status_borrow(disk->name);
		answer->disks[answer->disk_count].size_bytes = disk->size_bytes;
		answer->disks[answer->disk_count].top =
			vm_status_borrow(disk->path != NULL ? disk->path : "");
		answer->disk_pointers[answer->disk_count] = &answer->disks[answer->disk_count];
		answer->disk_count++;
		if (disk->problem != NULL) {
			inspect_problem(answer, disk->name, disk->problem);
		}
	}
	if (answer->disk_count == 0) {
		inspect_problem(answer, NULL, "the VM has no disk to replicate");
	}
}

/* One that is too long is left out: nobody can be asked about it. */
static void inspect_definition(const struct source *source, ProtobufCBinaryData *ret_xml)
{
	const char *xml = source_domain_xml(source);
	size_t len = strlen(xml);

	if (len <= ENROLL_XML_MAX) {
		ret_xml->data = (uint8_t *)(uintptr_t)xml;
		ret_xml->len = len;
	}
}

static void inspect_answer(struct inspect_job *job)
{
	struct inspect_answer *answer = calloc(1, sizeof(*answer));
	Vmreplica__Admin__InspectResponse inspect = VMREPLICA__ADMIN__INSPECT_RESPONSE__INIT;

	if (answer == NULL) {
		job->done(job->arg, -ENOMEM, "out of memory", NULL);
		return;
	}
	inspect_collect(job->source, answer);
	inspect_excluded(job, answer);
	inspect.disks = answer->disk_pointers;
	inspect.n_disks = answer->disk_count;
	inspect.problems = answer->problems;
	inspect.n_problems = answer->problem_count;
	inspect.running = source_is_active(job->source);
	inspect_definition(job->source, &inspect.domain_xml);
	job->done(job->arg, 0, "", &inspect);
	free(answer);
}

static void inspect_finished(void *arg, int result)
{
	struct inspect_job *job = arg;

	if (result < 0) {
		job->done(job->arg, result, job->error[0] != '\0' ? job->error : strerror(-result),
			  NULL);
	} else {
		inspect_answer(job);
	}
	source_close(job->source);
	free(job);
}

/* Another node's answer. */
static void inspect_forwarded_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct inspect_job *job = arg;

	if (error < 0) {
		job->done(job->arg, error, "the engine there does not answer", NULL);
	} else if (response->error != 0) {
		job->done(job->arg, -response->error, response->text, NULL);
	} else if (response->body_case != VMREPLICA__ADMIN__RESPONSE__BODY_INSPECT) {
		job->done(job->arg, -EPROTO, "the engine there gave another answer", NULL);
	} else {
		job->done(job->arg, 0, "", response->inspect);
	}
	free(job);
}

static int inspect_forward(struct inspect_job *job, const char *node, char *const *exclude,
			   size_t count)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__InspectRequest inspect = VMREPLICA__ADMIN__INSPECT_REQUEST__INIT;

	inspect.vm = job->vm;
	inspect.exclude_disks = (char **)(uintptr_t)exclude;
	inspect.n_exclude_disks = count;
	request.to = vm_status_borrow(node);
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_INSPECT;
	request.inspect = &inspect;
	return forward_request(job->engine->forward, node, &request, ADMIN_FORWARD_MS,
			       inspect_forwarded_cb, job);
}

int inspect_vm(struct engine *engine, const char *node, const char *vm, char *const *exclude,
	       size_t count, inspect_done_cb done, void *arg)
{
	struct inspect_job *job;
	int result;

	if (!validate_vm_name(vm) || count > DISKS_MAX) {
		return -EINVAL;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		return -ENOMEM;
	}
	job->done = done;
	job->arg = arg;
	job->engine = engine;
	snprintf(job->vm, sizeof(job->vm), "%s", vm);
	for (size_t i = 0; i < count; i++) {
		snprintf(job->exclude[i], sizeof(job->exclude[i]), "%s", exclude[i]);
		job->exclude_list[i] = job->exclude[i];
	}
	result = node != NULL && strcmp(node, engine->config->node) != 0
			 ? inspect_forward(job, node, exclude, count)
			 : workers_submit(engine->task_workers, inspect_run, inspect_finished, job);
	if (result < 0) {
		free(job);
	}
	return result;
}

/* ---- asked by another node ---- */

static void inspected_cb(void *arg, int error, const char *text,
			 const Vmreplica__Admin__InspectResponse *answer)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;

	if (error < 0) {
		admin_call_fail(arg, error, "look at libvirt there: virsh list --all", "%s", text);
		return;
	}
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_INSPECT;
	response.inspect = (Vmreplica__Admin__InspectResponse *)(uintptr_t)answer;
	admin_call_reply(arg, &response);
}

void admin_inspect(struct admin_call *call, const Vmreplica__Admin__InspectRequest *request)
{
	int result = inspect_vm(admin_call_engine(call), NULL, request->vm, request->exclude_disks,
				request->n_exclude_disks, inspected_cb, call);

	if (result == -EINVAL) {
		admin_call_misused(call, "\"%.64s\" is not a VM's name", request->vm);
	} else if (result < 0) {
		admin_call_fail(call, result, "", "%s", strerror(-result));
	}
}
