/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_definition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/definition_job.h"
#include "engine/failover_job.h"
#include "engine/replica.h"
#include "engine/store_directory.h"
#include "engine/store_release.h"

#define DEFINITION_RETRY_MS 30000
/* Said by libvirt when somebody starts the VM all the same. */
#define NOT_FAILED_OVER_DIRECTORY "not-failed-over"
/* Of the agent's time for a stop: the store's lock is looked at, and the answer travels. */
#define RELEASE_TIME_MS (STORE_RELEASE_MIN_MS + 500)

struct replica_definition {
	struct replica *replica; /* borrowed */
	bool busy;
	uint64_t seq; /* of the cycle that the last definition was made after */
	char *tops;   /* owned: the images that it names, as one text */
	struct network_map networks;
	int64_t retry_ms;	     /* monotonic; the last one failed */
	char path[PATH_LEN_MAX + 1]; /* "" = not written yet */
	struct sentence_list notes;
	char *shown[DEFINITION_NOTES_MAX + 1]; /* borrowed from notes, or more */
	char more[64], error[DOMAIN_ERROR_LEN];
};

struct replica_definition *replica_definition_new(struct replica *replica)
{
	struct replica_definition *definition = calloc(1, sizeof(*definition));

	if (definition != NULL) {
		definition->replica = replica;
	}
	return definition;
}

void replica_definition_free(struct replica_definition *definition)
{
	if (definition != NULL) {
		sentence_list_destroy(&definition->notes);
		free(definition->tops);
		free(definition);
	}
}

bool replica_definition_is_busy(const struct replica_definition *definition)
{
	return definition != NULL && definition->busy;
}

bool replica_definition_holds(const struct replica_definition *definition, int64_t now_ms)
{
	return replica_definition_is_busy(definition) &&
	       now_ms < definition->replica->deadline_ms - RELEASE_TIME_MS;
}

static void take_notes(struct replica_definition *definition, struct definition_job *job)
{
	sentence_list_destroy(&definition->notes);
	definition->notes = job->notes;
	job->notes = (struct sentence_list){0};
}

static void take_failure(struct replica_definition *definition, const struct definition_job *job)
{
	struct replica *replica = definition->replica;

	definition->retry_ms = clock_monotonic_ms() + DEFINITION_RETRY_MS;
	if (strcmp(definition->error, job->error) != 0) {
		snprintf(definition->error, sizeof(definition->error), "%s", job->error);
		engine_event(replica->engine, "warning", replica->settings.vm,
			     "the replica VM has no definition to start from: %s", job->error);
		engine_changed(replica->engine);
	}
}

/* A failover's: what the replica has otherwise stays as it is. */
static void ordered_done(struct definition_job *job, int result)
{
	struct replica_definition *definition = job->definition;
	struct replica *replica = definition->replica;

	if (result == 0 && job->test.name[0] == '\0') {
		snprintf(definition->path, sizeof(definition->path), "%s", job->path);
		free(definition->tops); /* made anew when the failover is cancelled */
		definition->tops = NULL;
		take_notes(definition, job);
	}
	job->done(job->arg, result, job->error);
	definition_job_free(job);
	replica_tick(replica, clock_monotonic_ms());
}

static void definition_done(void *arg, int result)
{
	struct definition_job *job = arg;
	struct replica_definition *definition = job->definition;
	struct replica *replica = definition->replica;

	definition->busy = false;
	if (job->done != NULL) {
		ordered_done(job, result);
		return;
	}
	if (result < 0 && result != -ENOENT) {
		take_failure(definition, job);
	} else if (result == 0) {
		bool first = definition->path[0] == '\0';

		snprintf(definition->path, sizeof(definition->path), "%s", job->path);
		definition->error[0] = '\0';
		take_notes(definition, job);
		if (job->written) {
			engine_event(replica->engine, "notice", replica->settings.vm,
				     "the replica VM's definition is %s", job->path);
		}
		if (job->written || first) {
			engine_changed(replica->engine);
		}
	}
	definition_job_free(job);
	replica_tick(replica, clock_monotonic_ms());
}

/* The images as one text; NULL when they are not all known. */
static char *join_tops(const Vmreplica__VmStatus *status)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool known = status->n_disks > 0 && status->n_disks <= DISKS_MAX;

	if (out == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < status->n_disks; i++) {
		known = known && status->disks[i]->top[0] != '\0';
		fprintf(out, "%s %s\n", status->disks[i]->name, status->disks[i]->top);
	}
	if (fclose(out) != 0 || !known) {
		free(text);
		return NULL;
	}
	return text;
}

static bool is_due(const struct replica_definition *definition, const char *tops, int64_t now_ms)
{
	const struct replica *replica = definition->replica;

	if (definition->error[0] != '\0') {
		return now_ms >= definition->retry_ms;
	}
	return definition->seq != replica->status->seq || definition->tops == NULL ||
	       strcmp(definition->tops, tops) != 0 ||
	       !network_map_equals(&definition->networks, &replica->settings.networks);
}

static struct definition_job *make_job(struct replica_definition *definition)
{
	const struct replica *replica = definition->replica;
	const struct vm_settings *settings = &replica->settings;
	struct definition_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		return NULL;
	}
	job->definition = definition;
	job->boot_directory = replica->engine->config->boot_directory;
	job->networks = settings->networks;
	snprintf(job->name, sizeof(job->name), "%s", settings->vm);
	snprintf(job->store, sizeof(job->store), "%s", replica->directory);
	kept_definition_take(&job->kept, replica);
	job->nvram_bytes = replica->status != NULL ? replica->status->nvram_bytes : 0;
	if (store_directory_definition(settings->storage, settings->peer, settings->vm,
				       settings->relationship, job->path, sizeof(job->path)) < 0 ||
	    store_directory_nvram(settings->storage, settings->peer, settings->vm,
				  settings->relationship, job->nvram, sizeof(job->nvram)) < 0) {
		definition_job_free(job);
		return NULL;
	}
	return job;
}

/* Before a failover: disks that never exist. */
static struct definition_job *make_waiting_job(struct replica_definition *definition)
{
	const struct replica *replica = definition->replica;
	struct definition_job *job = make_job(definition);

	if (job != NULL) {
		replica_definition_vm(replica, job->vm);
		strcat(job->vm, NOT_FAILED_OVER_NAME); /* there is room: see its size */
	}
	for (size_t i = 0; job != NULL && i < replica->status->n_disks; i++) {
		const char *name = replica->status->disks[i]->name;

		snprintf(job->images.disks[i].target, sizeof(job->images.disks[i].target), "%s",
			 name);
		snprintf(job->images.disks[i].path, sizeof(job->images.disks[i].path),
			 "%.*s/" NOT_FAILED_OVER_DIRECTORY "/%.32s.qcow2", (int)(PATH_LEN_MAX - 64),
			 job->store, name);
		job->images.count++;
	}
	return job;
}

int replica_definition_write(struct replica_definition *definition,
			     const struct definition_images *images,
			     const struct definition_test *test, replica_definition_cb done,
			     void *arg)
{
	struct definition_job *job;
	int result;

	if (definition == NULL || (job = make_job(definition)) == NULL) {
		return -ENOMEM;
	}
	job->images = *images;
	job->done = done;
	job->arg = arg;
	replica_definition_vm(definition->replica, job->vm);
	if (test != NULL) {
		job->test = *test;
		snprintf(job->path, sizeof(job->path), "%.*s/domain.xml", (int)(PATH_LEN_MAX - 16),
			 test->directory);
		snprintf(job->nvram, sizeof(job->nvram), "%.*s/nvram.fd", (int)(PATH_LEN_MAX - 16),
			 test->directory);
	}
	result = definition->busy ? -EBUSY
				  : workers_submit(definition->replica->engine->storage_workers,
						   definition_job_run, definition_done, job);
	if (result < 0) {
		definition_job_free(job);
		return result;
	}
	definition->busy = true;
	return 0;
}

/* From a failover on the definition is the failover's. */
static bool is_failed_over(const struct replica *replica)
{
	const Vmreplica__Takeover *takeover = replica->status->takeover;
	const char *job = failover_job_running_id(replica->engine, replica->settings.relationship);

	return replica->failed_over || job[0] != '\0' ||
	       (takeover != NULL && takeover->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER);
}

void replica_definition_tick(struct replica_definition *definition, int64_t now_ms)
{
	struct replica *replica = definition != NULL ? definition->replica : NULL;
	struct definition_job *job;
	char *tops;

	/* Before the first cycle is whole there is nothing that could be started. */
	if (definition == NULL || definition->busy || !replica_is_open(replica) ||
	    replica->status == NULL || replica->status->seq == 0 || is_failed_over(replica)) {
		return;
	}
	tops = join_tops(replica->status);
	job = tops != NULL && is_due(definition, tops, now_ms) ? make_waiting_job(definition)
							       : NULL;
	if (job == NULL || workers_submit(replica->engine->storage_workers, definition_job_run,
					  definition_done, job) < 0) {
		definition_job_free(job);
		free(tops);
		return;
	}
	definition->busy = true;
	definition->seq = replica->status->seq;
	definition->networks = replica->settings.networks;
	free(definition->tops);
	definition->tops = tops;
}

void replica_definition_fill_status(struct replica_definition *definition,
				    Vmreplica__VmStatus *status)
{
	const struct sentence_list *notes;
	size_t count = 0, more;

	if (definition == NULL) {
		return;
	}
	notes = &definition->notes;
	if (definition->error[0] != '\0') {
		definition->shown[count++] = definition->error;
	}
	for (size_t i = 0; i < notes->count && count < DEFINITION_NOTES_MAX; i++) {
		definition->shown[count++] = notes->items[i];
	}
	more = notes->count + notes->left_out + (definition->error[0] != '\0') - count;
	if (more > 0) {
		snprintf(definition->more, sizeof(definition->more),
			 "and %zu more: vmreplica check lists them all", more);
		definition->shown[count++] = definition->more;
	}
	status->notes = definition->shown;
	status->n_notes = count;
	status->definition = definition->path;
}
