/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_definition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/definition_file.h"
#include "engine/replica.h"
#include "engine/replica_domain.h"
#include "engine/store_directory.h"
#include "engine/store_release.h"
#include "proto/validate.h"

#define DEFINITION_RETRY_MS 30000
/* Of the agent's time for a stop: the store's lock is looked at, and the answer travels. */
#define RELEASE_TIME_MS (STORE_RELEASE_MIN_MS + 500)

/* A worker's share: copies, so that the control thread goes on. */
struct definition_job {
	struct replica_definition *definition;
	char store[PATH_LEN_MAX + 1];
	char path[PATH_LEN_MAX + 1];
	char vm[VM_NAME_MAX + 1];
	char nvram[PATH_LEN_MAX + 1];
	uint64_t nvram_bytes;
	const char *boot_directory; /* the configuration's */
	struct network_map networks;
	struct {
		char target[DISK_NAME_MAX + 1];
		char path[PATH_LEN_MAX + 1];
	} disks[DISKS_MAX];
	size_t disk_count;
	/* out */
	struct sentence_list notes;
	bool written; /* it is another one than before */
	char error[DOMAIN_ERROR_LEN];
};

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

/* ---- on the worker ---- */

/* The receiver names the images, and it parses what peers send: QEMU gets nothing outside of its
 * store by its word. */
static bool image_is_in_store(const struct definition_job *job, const char *path)
{
	size_t len = strlen(job->store);

	return validate_absolute_path(path) && strncmp(path, job->store, len) == 0 &&
	       path[len] == '/';
}

static int make(struct definition_job *job, const char *theirs, size_t len, char **ret_xml)
{
	struct replica_domain_disk disks[DISKS_MAX];
	struct replica_domain_options options = {.name = job->vm,
						 .disks = disks,
						 .disk_count = job->disk_count,
						 .networks = &job->networks,
						 .nvram = job->nvram,
						 .nvram_bytes = job->nvram_bytes};
	struct firmware_list firmwares = {.count = 0};
	int result;

	if (job->boot_directory[0] != '\0') {
		options.boot_directory = job->boot_directory;
	}
	for (size_t i = 0; i < job->disk_count; i++) {
		if (!image_is_in_store(job, job->disks[i].path)) {
			snprintf(job->error, sizeof(job->error),
				 "the image of disk %.32s is not in the store: %.150s",
				 job->disks[i].target, job->disks[i].path);
			return -EBADMSG;
		}
		disks[i] = (struct replica_domain_disk){job->disks[i].target, job->disks[i].path};
	}
	if (firmware_list_load_host(&firmwares) < 0) {
		return -ENOMEM;
	}
	options.firmwares = &firmwares;
	result = replica_domain_make(theirs, len, &options, ret_xml, &job->notes, job->error);
	firmware_list_destroy(&firmwares);
	return result;
}

static int definition_run(void *arg)
{
	struct definition_job *job = arg;
	cleanup_free char *theirs = NULL;
	cleanup_free char *xml = NULL;
	size_t len;
	int result = definition_file_read(job->store, &theirs, &len);

	if (result == -ENOENT) {
		return result; /* it comes with the next cycle that has one */
	}
	if (result < 0) {
		snprintf(job->error, sizeof(job->error), "the definition in %.150s: %s", job->store,
			 strerror(-result));
		return result;
	}
	result = make(job, theirs, len, &xml);
	if (result < 0) {
		return result;
	}
	result = definition_file_write(job->path, xml, &job->written);
	if (result < 0) {
		snprintf(job->error, sizeof(job->error), "%.150s cannot be written: %s", job->path,
			 strerror(-result));
	}
	return result;
}

/* ---- on the control thread ---- */

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

static void definition_done(void *arg, int result)
{
	struct definition_job *job = arg;
	struct replica_definition *definition = job->definition;
	struct replica *replica = definition->replica;

	definition->busy = false;
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
	sentence_list_destroy(&job->notes);
	free(job);
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
	       memcmp(&definition->networks, &replica->settings.networks,
		      sizeof(definition->networks)) != 0;
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
	snprintf(job->store, sizeof(job->store), "%s", replica->directory);
	snprintf(job->vm, sizeof(job->vm), "%s", settings->vm);
	for (size_t i = 0; i < replica->status->n_disks; i++) {
		const Vmreplica__DiskStatus *disk = replica->status->disks[i];

		snprintf(job->disks[i].target, sizeof(job->disks[i].target), "%s", disk->name);
		snprintf(job->disks[i].path, sizeof(job->disks[i].path), "%s", disk->top);
		job->disk_count++;
	}
	job->nvram_bytes = replica->status->nvram_bytes;
	if (store_directory_definition(settings->storage, settings->peer, settings->vm,
				       settings->relationship, job->path, sizeof(job->path)) < 0 ||
	    store_directory_nvram(settings->storage, settings->peer, settings->vm,
				  settings->relationship, job->nvram, sizeof(job->nvram)) < 0) {
		free(job);
		return NULL;
	}
	return job;
}

void replica_definition_tick(struct replica_definition *definition, int64_t now_ms)
{
	struct replica *replica = definition != NULL ? definition->replica : NULL;
	struct definition_job *job;
	char *tops;

	/* Before the first cycle is whole there is nothing that could be started. */
	if (definition == NULL || definition->busy || !replica_is_open(replica) ||
	    replica->status == NULL || replica->status->seq == 0) {
		return;
	}
	tops = join_tops(replica->status);
	job = tops != NULL && is_due(definition, tops, now_ms) ? make_job(definition) : NULL;
	if (job == NULL || workers_submit(replica->engine->storage_workers, definition_run,
					  definition_done, job) < 0) {
		free(job);
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
