/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/admin_jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/admin_service.h"
#include "engine/job_message.h"
#include "engine/job_table.h"

#define WAIT_MAX_MS 15000u /* below what the tool waits for an answer */

/* Somebody who follows a job. */
struct jobs_wait {
	struct jobs_wait *next;
	struct admin_call *call;
	char id[JOB_ID_LEN + 1];
	uint64_t after_version;
	int64_t deadline_ms;
};

static void jobs_reply(struct admin_call *call, Vmreplica__Job **jobs, size_t count)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__JobsResponse list = VMREPLICA__ADMIN__JOBS_RESPONSE__INIT;

	list.jobs = jobs;
	list.n_jobs = count;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_JOBS;
	response.jobs = &list;
	admin_call_reply(call, &response);
}

static void jobs_reply_one(struct admin_call *call, const Vmreplica__Job *job)
{
	Vmreplica__Job *jobs[] = {(Vmreplica__Job *)(uintptr_t)job};

	jobs_reply(call, jobs, 1);
}

static bool job_is_asked(const Vmreplica__Job *job, const char *vm)
{
	return vm[0] == '\0' || strcmp(job->vm, vm) == 0 || strcmp(job->relationship, vm) == 0;
}

static void jobs_list(struct admin_call *call, const struct job_table *table, const char *vm)
{
	size_t total = job_table_count(table), count = 0;
	Vmreplica__Job **jobs = calloc(total + 1, sizeof(Vmreplica__Job *));

	if (jobs == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	for (size_t i = 0; i < total; i++) {
		const Vmreplica__Job *job = job_table_at(table, i);

		if (job_is_asked(job, vm)) {
			jobs[count++] = (Vmreplica__Job *)(uintptr_t)job;
		}
	}
	jobs_reply(call, jobs, count);
	free(jobs);
}

static void jobs_wait_for(struct admin_call *call, const Vmreplica__Admin__JobsRequest *request)
{
	struct engine *engine = admin_call_engine(call);
	uint32_t wait_ms = request->wait_ms < WAIT_MAX_MS ? request->wait_ms : WAIT_MAX_MS;
	struct jobs_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	wait->call = call;
	snprintf(wait->id, sizeof(wait->id), "%s", request->id);
	wait->after_version = request->after_version;
	wait->deadline_ms = clock_monotonic_ms() + wait_ms;
	wait->next = engine->jobs_waits;
	engine->jobs_waits = wait;
}

void admin_jobs(struct admin_call *call, const Vmreplica__Admin__JobsRequest *request)
{
	const struct job_table *table = admin_call_engine(call)->jobs;
	const Vmreplica__Job *job;

	if (request->id[0] == '\0') {
		jobs_list(call, table, request->vm);
		return;
	}
	job = job_table_find(table, request->id);
	if (job == NULL) {
		admin_call_fail(call, ENOENT, "vmreplica jobs lists those that are kept",
				"no job %s is known", request->id);
	} else if (job->version > request->after_version || request->wait_ms == 0) {
		jobs_reply_one(call, job);
	} else {
		jobs_wait_for(call, request);
	}
}

static void wait_answer(struct engine *engine, struct jobs_wait *wait)
{
	const Vmreplica__Job *job = job_table_find(engine->jobs, wait->id);

	if (job != NULL) {
		jobs_reply_one(wait->call, job);
	} else {
		admin_call_fail(wait->call, ENOENT, "vmreplica jobs lists those that are kept",
				"job %s is not kept any more", wait->id);
	}
	free(wait);
}

void admin_jobs_changed(struct engine *engine, const Vmreplica__Job *job)
{
	struct jobs_wait **from = &engine->jobs_waits;

	while (*from != NULL) {
		struct jobs_wait *wait = *from;

		if (strcmp(wait->id, job->id) == 0 && job->version > wait->after_version) {
			*from = wait->next;
			wait_answer(engine, wait);
		} else {
			from = &wait->next;
		}
	}
}

void admin_jobs_tick(struct engine *engine, int64_t now_ms)
{
	struct jobs_wait **from = &engine->jobs_waits;

	while (*from != NULL) {
		struct jobs_wait *wait = *from;

		if (now_ms >= wait->deadline_ms) {
			*from = wait->next;
			wait_answer(engine, wait);
		} else {
			from = &wait->next;
		}
	}
}
