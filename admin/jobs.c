/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vmreplica jobs`: failovers and what belongs to them, under way and past. */
#include <stdio.h>
#include <string.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/job_output.h"
#include "admin/output.h"
#include "common/clock.h"

static const char help[] =
	"Usage: vmreplica jobs [ID] [OPTION]...\n"
	"List the failover jobs of this cluster, oldest first; with ID show one of them with its\n"
	"steps. The last 200 are kept on every node.\n\n"
	"      --vm VM         only those of VM\n"
	"      --follow        with ID: print its steps as they come, until it has ended; the "
	"exit\n"
	"                      status is then the job's\n" COMMON_HELP;

enum { OPTION_FOLLOW = OPTION_OWN, OPTION_VM };

static void job_row(struct table *table, const Vmreplica__Job *job)
{
	int64_t end_ms = job->end_ms != 0 ? job->end_ms : clock_wall_ms();
	const Vmreplica__JobStep *last = job->n_steps > 0 ? job->steps[job->n_steps - 1] : NULL;
	char begin[RFC3339_LEN], took[OUTPUT_TEXT_LEN];

	table_row(table, job->id, clock_format_rfc3339(job->begin_ms, begin), job->kind, job->vm,
		  job->node, job->state, output_duration((end_ms - job->begin_ms) / 1000, took),
		  job->end_ms != 0 ? job->text
		  : last != NULL   ? last->name
				   : "",
		  NULL);
}

static int jobs_show(const Vmreplica__Admin__JobsResponse *jobs, bool one, bool json)
{
	struct table table = {0};
	json_t *array = json_array();
	int result = STATUS_DONE;

	table_begin(&table, "ID", "BEGAN", "KIND", "VM", "NODE", "STATE", "TOOK", "OUTCOME", NULL);
	for (size_t i = 0; i < jobs->n_jobs; i++) {
		if (json) {
			output_json_append(&array, job_to_json(jobs->jobs[i]));
		} else if (one) {
			job_print(jobs->jobs[i], stdout);
		} else {
			job_row(&table, jobs->jobs[i]);
		}
	}
	if (json) {
		result = output_json(json_pack("{s:o}", "jobs", array), false);
		array = NULL;
	} else if (!one && table_data_rows(&table) == 0) {
		puts("no jobs");
	} else if (!one && table_print(&table, stdout) < 0) {
		result = command_failed("out of memory", "");
	}
	json_decref(array);
	table_destroy(&table);
	return result;
}

static int jobs_ask(const struct common_options *common, Vmreplica__Admin__JobsRequest *jobs)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_JOBS;
	request.jobs = jobs;
	client_init(&client);
	result = client_ask(&client, common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_JOBS, &response);
	if (result == STATUS_DONE) {
		result = jobs_show(response->jobs, jobs->id[0] != '\0', common->json);
	}
	client_destroy(&client);
	return result;
}

int command_jobs(int argc, char **argv)
{
	static const struct option options[] = {COMMON_LONG_OPTIONS,
						{"follow", no_argument, NULL, OPTION_FOLLOW},
						{"vm", required_argument, NULL, OPTION_VM},
						{0}};
	Vmreplica__Admin__JobsRequest jobs = VMREPLICA__ADMIN__JOBS_REQUEST__INIT;
	struct common_options common = {.command = "jobs", .help = help};
	bool follow = false;
	int code;

	while ((code = command_next_option(&common, argc, argv, options)) != -1) {
		follow = follow || code == OPTION_FOLLOW;
		jobs.vm = code == OPTION_VM ? optarg : jobs.vm;
	}
	if (argc - optind > 1) {
		return command_misused(&common, "\"%s\" is too much", argv[optind + 1]);
	}
	if (optind < argc) {
		jobs.id = argv[optind];
		if (strspn(jobs.id, "0123456789abcdef") != 8 || strlen(jobs.id) != 8) {
			return command_misused(&common,
					       "\"%s\" cannot be a job: its id is 8 "
					       "hexadecimal digits",
					       jobs.id);
		}
	}
	if (follow && jobs.id[0] == '\0') {
		return command_misused(&common, "--follow needs the id of a job");
	}
	return follow ? job_follow(&common, jobs.id) : jobs_ask(&common, &jobs);
}
