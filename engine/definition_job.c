/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/definition_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/definition_file.h"
#include "engine/image_chain.h"
#include "engine/replica_state.h"

/* The receiver names the images, and it parses what peers send: QEMU gets nothing outside of its
 * store by its word, nor by that of the images' headers. A test's images are the engine's own. */
static bool image_admit(struct definition_job *job, const char *target, const char *path)
{
	bool test = job->test.name[0] != '\0';
	char error[SOURCE_ERROR_LEN] = "it is not in the store";

	if (image_chain_is_below(path, test ? job->test.directory : job->store) &&
	    (job->done == NULL || test || image_chain_check_store(path, job->store, error) == 0)) {
		return true;
	}
	snprintf(job->error, sizeof(job->error), "the image of disk %.32s: %.200s", target, error);
	return false;
}

static int make(struct definition_job *job, const char *theirs, size_t len, char **ret_xml)
{
	const struct replica_domain_test test = {
		.name = job->test.name,
		.uuid = job->test.uuid,
		.network = job->test.network[0] != '\0' ? job->test.network : NULL,
	};
	const char *boot = job->boot_directory;
	struct replica_domain_disk disks[DISKS_MAX];
	struct replica_domain_options options = {.name = job->name,
						 .runs_as = job->vm,
						 .disks = disks,
						 .disk_count = job->images.count,
						 .networks = &job->networks,
						 .nvram = job->nvram,
						 .nvram_bytes = job->nvram_bytes,
						 .test = job->test.name[0] != '\0' ? &test : NULL,
						 .boot_directory = boot[0] != '\0' ? boot : NULL};
	struct firmware_list firmwares = {.count = 0};
	int result;

	for (size_t i = 0; i < job->images.count; i++) {
		const char *target = job->images.disks[i].target, *path = job->images.disks[i].path;

		if (!image_admit(job, target, path)) {
			return -EBADMSG;
		}
		disks[i] = (struct replica_domain_disk){target, path};
	}
	if (firmware_list_load_host(&firmwares) < 0) {
		return -ENOMEM;
	}
	options.firmwares = &firmwares;
	options.own = kept_definition_load(&job->kept, &job->notes);
	result = replica_domain_make(theirs, len, &options, ret_xml, &job->notes, job->error);
	firmware_list_destroy(&firmwares);
	return result;
}

/* The VM's, or a test's, as of where it begins from; nobody's before a failover. */
static int prepare_state(struct definition_job *job, const char *xml)
{
	char error[REPLICA_STATE_ERROR_LEN];
	int result = 0;

	if (job->done == NULL) {
		replica_state_forget(job->nvram);
		return 0;
	}
	result = replica_state_prepare(job->store, job->images.state, job->nvram, xml,
				       job->test.name[0] != '\0', error);
	if (result < 0) {
		snprintf(job->error, sizeof(job->error), "%.*s", (int)sizeof(job->error) - 1,
			 error);
	}
	return result;
}

int definition_job_run(void *arg)
{
	struct definition_job *job = arg;
	cleanup_free char *theirs = NULL;
	cleanup_free char *xml = NULL;
	size_t len;
	int result = definition_file_read(job->store, &theirs, &len);

	if (result == -ENOENT && job->done == NULL) {
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
	result = prepare_state(job, xml);
	if (result < 0) {
		return result;
	}
	result = definition_file_write(job->path,
				       job->kept.own.xml != NULL ? DEFINITION_FILE_MODE_PRIVATE
								 : DEFINITION_FILE_MODE,
				       xml, &job->written);
	if (result < 0) {
		snprintf(job->error, sizeof(job->error), "%.150s cannot be written: %s", job->path,
			 strerror(-result));
	}
	return result;
}

void definition_job_free(struct definition_job *job)
{
	if (job != NULL) {
		kept_definition_destroy(&job->kept);
		sentence_list_destroy(&job->notes);
		free(job);
	}
}
