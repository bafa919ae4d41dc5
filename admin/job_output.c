/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/job_output.h"

#include <inttypes.h>
#include <string.h>

#include "admin/client.h"
#include "admin/output.h"
#include "common/clock.h"

#define FOLLOW_WAIT_MS 10000 /* the engine answers sooner when something changes */

static bool job_is_running(const Vmreplica__Job *job)
{
	return strcmp(job->state, "running") == 0;
}

json_t *job_to_json(const Vmreplica__Job *job)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < job->n_steps; i++) {
		const Vmreplica__JobStep *step = job->steps[i];

		output_json_append(&steps, json_pack("{s:o, s:o, s:o, s:o, s:b}", "name",
						     output_json_string(step->name), "begin",
						     output_json_time(step->begin_ms), "end",
						     output_json_time(step->end_ms), "text",
						     output_json_text(step->text), "failed",
						     (int)step->failed));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
			 output_json_string(job->id), "kind", output_json_string(job->kind), "vm",
			 output_json_string(job->vm), "relationship",
			 output_json_string(job->relationship), "node",
			 output_json_string(job->node), "state", output_json_string(job->state),
			 "begin", output_json_time(job->begin_ms), "end",
			 output_json_time(job->end_ms), "steps", steps, "text",
			 output_json_text(job->text), "advice", output_json_text(job->advice));
}

static void step_print(const Vmreplica__JobStep *step, FILE *out)
{
	char stamp[RFC3339_LEN];

	clock_format_rfc3339(step->begin_ms, stamp);
	fprintf(out, "  %s  %s%s%s\n", stamp, step->name, step->text[0] != '\0' ? ": " : "",
		step->text);
}

void job_print_news(struct job_progress *progress, const Vmreplica__Job *job, FILE *out)
{
	/* the last one printed may have a newer text */
	size_t first = progress->steps > 0 ? progress->steps - 1 : 0;

	for (size_t i = first; i < job->n_steps; i++) {
		if (i >= progress->steps || strcmp(progress->text, job->steps[i]->text) != 0) {
			step_print(job->steps[i], out);
			snprintf(progress->text, sizeof(progress->text), "%s", job->steps[i]->text);
		}
		progress->steps = i + 1;
	}
	fflush(out);
}

void job_print(const Vmreplica__Job *job, FILE *out)
{
	struct job_progress progress = {0};
	char begin[RFC3339_LEN], end[RFC3339_LEN];

	fprintf(out, "Job:     %s\nKind:    %s\nVM:      %s (%s)\nNode:    %s\nState:   %s\n",
		job->id, job->kind, job->vm, job->relationship, job->node, job->state);
	fprintf(out, "Began:   %s\n", clock_format_rfc3339(job->begin_ms, begin));
	if (job->end_ms != 0) {
		fprintf(out, "Ended:   %s\n", clock_format_rfc3339(job->end_ms, end));
	}
	fprintf(out, "Steps:\n");
	job_print_news(&progress, job, out);
	if (job->text[0] != '\0') {
		fprintf(out, "Outcome: %s\n", job->text);
	}
	if (job->advice[0] != '\0') {
		fprintf(out, "To do:   %s\n", job->advice);
	}
}

int job_outcome(const Vmreplica__Job *job)
{
	char text[1024];

	if (job_is_running(job)) {
		return STATUS_DONE;
	}
	if (strcmp(job->state, "done") == 0) {
		printf("%s\n", job->text);
		return STATUS_DONE;
	}
	snprintf(text, sizeof(text), "job %s %s: %s", job->id, job->state, job->text);
	fflush(stdout);
	return command_failed(text, job->advice);
}

/* ---- following ---- */

struct follow {
	struct job_progress progress;
	uint64_t version;
	bool json, ended;
};

static int follow_show(struct follow *follow, const Vmreplica__Job *job)
{
	if (job->version == follow->version) {
		return STATUS_DONE; /* nothing new within the wait */
	}
	follow->version = job->version;
	follow->ended = !job_is_running(job);
	if (!follow->json) {
		job_print_news(&follow->progress, job, stdout);
		return job_outcome(job);
	}
	output_json(job_to_json(job), true);
	fflush(stdout);
	return follow->ended && strcmp(job->state, "done") != 0 ? STATUS_FAILED : STATUS_DONE;
}

static int follow_ask(const struct common_options *common, const char *id, struct follow *follow,
		      bool *ret_lost)
{
	Vmreplica__Admin__JobsRequest jobs = VMREPLICA__ADMIN__JOBS_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	jobs.id = (char *)(uintptr_t)id;
	jobs.after_version = follow->version;
	jobs.wait_ms = FOLLOW_WAIT_MS;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_JOBS;
	request.jobs = &jobs;
	client_init(&client);
	result = client_ask(&client, common, &request, FOLLOW_WAIT_MS + CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_JOBS, &response);
	*ret_lost = client.lost;
	if (result == STATUS_DONE && response->jobs->n_jobs == 1) {
		result = follow_show(follow, response->jobs->jobs[0]);
	}
	client_destroy(&client);
	return result;
}

int job_follow(struct common_options *common, const char *id)
{
	struct follow follow = {.json = common->json};
	bool lost = false;
	int result;

	do {
		result = follow_ask(common, id, &follow, &lost);
		common->answered = common->answered || result == STATUS_DONE;
		common->quiet = lost;
		if (lost && common->answered) {
			clock_sleep_ms(1000); /* the engine is being restarted, or its node is */
			result = STATUS_DONE;
		}
	} while (result == STATUS_DONE && !follow.ended && fflush(stdout) == 0);
	return result;
}
