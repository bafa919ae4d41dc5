/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/source_connection.h"
#include "engine/source_error.h"
#include "engine/source_private.h"
#include "engine/source_replica.h"
#include "engine/source_rpc.h"

/* A long transfer is a series of cuts: an open job costs scratch space and keeps the VM from
 * migrating. */
#define JOB_MAX_AGE_DEFAULT_MS (15 * 60 * 1000)

static char **copy_list(const char *const *list)
{
	size_t count = 0;
	char **copy;

	while (list[count] != NULL) {
		count++;
	}
	copy = calloc(count + 1, sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < count; i++) {
		copy[i] = strdup(list[i]);
	}
	return copy;
}

static struct source *source_new(struct source_connection *connection,
				 const struct source_options *options)
{
	struct source *source = calloc(1, sizeof(*source));

	if (source == NULL) {
		return NULL;
	}
	source->connection = source_connection_ref(connection);
	source->lender = options->lender;
	source->vm = strdup(options->vm);
	source->scratch_directory = strdup(options->scratch_directory);
	source->socket_directory =
		strdup(options->lender != NULL ? options->lender->socket_directory
					       : options->socket_directory);
	source->scratch_reserve_bytes = options->scratch_reserve_bytes;
	source->scratch_cap_bytes = options->scratch_cap_bytes;
	source->job_max_age_ms =
		options->job_max_age_ms > 0 ? options->job_max_age_ms : JOB_MAX_AGE_DEFAULT_MS;
	if (options->exclude_disks != NULL) {
		source->exclude = copy_list(options->exclude_disks);
	}
	if (source->vm == NULL || source->scratch_directory == NULL ||
	    source->socket_directory == NULL ||
	    (options->exclude_disks != NULL && source->exclude == NULL)) {
		source_close(source);
		return NULL;
	}
	return source;
}

void source_close(struct source *source)
{
	if (source == NULL) {
		return;
	}
	for (size_t i = 0; source->exclude != NULL && source->exclude[i] != NULL; i++) {
		free(source->exclude[i]);
	}
	source_domain_destroy(&source->domain);
	source_connection_unref(source->connection);
	free(source->exclude);
	free(source->vm);
	free(source->scratch_directory);
	free(source->socket_directory);
	free(source->live_xml);
	free(source->config_xml);
	free(source->lent_state);
	free(source);
}

/* Take over what was just read; rpc's strings change hands. */
static void take_state(struct source *source, struct source_rpc_domain *rpc,
		       struct source_domain *domain)
{
	source_domain_destroy(&source->domain);
	source->domain = *domain;
	free(source->live_xml);
	free(source->config_xml);
	source->live_xml = rpc->live_xml;
	source->config_xml = rpc->config_xml;
	source->active = rpc->active;
	source->paused = rpc->paused;
}

static int read_state(struct source *source, bool first, char error[SOURCE_ERROR_LEN])
{
	struct source_rpc_domain rpc;
	struct source_domain domain;
	int result = source_rpc_domain(source->connection, source->vm, &rpc, error);

	if (result != 0) {
		return result;
	}
	result = source_domain_parse(rpc.live_xml, (const char *const *)source->exclude, &domain,
				     error);
	if (result == 0 && !first && !source_domain_same_disks(&source->domain, &domain)) {
		source_domain_destroy(&domain);
		result = source_fail(-EREMCHG, error,
				     "the disks of %s have changed (added, removed, resized or "
				     "another image)",
				     source->vm);
	}
	if (result != 0) {
		free(rpc.live_xml);
		free(rpc.config_xml);
		return result;
	}
	take_state(source, &rpc, &domain);
	return 0;
}

int source_refresh(struct source *source, char error[SOURCE_ERROR_LEN])
{
	return read_state(source, false, error);
}

int source_open(struct source_connection *connection, const struct source_options *options,
		struct source **ret_source, char error[SOURCE_ERROR_LEN])
{
	struct source *source = source_new(connection, options);
	int result;

	if (source == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source->lender != NULL ? source_replica_open(source, error)
					: read_state(source, true, error);
	if (result != 0) {
		source_close(source);
		return result;
	}
	*ret_source = source;
	return 0;
}

size_t source_disk_count(const struct source *source)
{
	return source->domain.count;
}

const struct source_disk *source_disk_at(const struct source *source, size_t index)
{
	return index < source->domain.count ? &source->domain.disks[index] : NULL;
}

bool source_is_active(const struct source *source)
{
	return source->active;
}

const char *source_domain_xml(const struct source *source)
{
	return source->config_xml;
}

int source_check_disks(const struct source *source, char error[SOURCE_ERROR_LEN])
{
	bool found = false;

	for (size_t i = 0; i < source->domain.count; i++) {
		const struct source_disk *disk = &source->domain.disks[i];

		if (!disk->excluded && disk->problem != NULL) {
			return source_fail(-EOPNOTSUPP, error, "%s", disk->problem);
		}
		found = found || source_disk_is_replicated(disk);
	}
	if (!found) {
		return source_fail(-EINVAL, error, "%s has no disk to replicate", source->vm);
	}
	return 0;
}

int source_check_at_rest(struct source *source, char error[SOURCE_ERROR_LEN])
{
	enum source_job_kind kind;
	char *backup_xml;
	int result = source_rpc_job_kind(source->connection, source->vm, &kind, &backup_xml, error);

	if (result != 0) {
		return result;
	}
	free(backup_xml);
	if (kind == SOURCE_JOB_MIGRATION) {
		return source_fail(-EAGAIN, error,
				   "%s is being migrated or saved; its changes are looked at again "
				   "afterwards",
				   source->vm);
	}
	return 0;
}

size_t source_xml_disks(const struct source *source, uint64_t mask,
			struct source_xml_disk *ret_disks)
{
	size_t count = 0;

	for (size_t i = 0; i < source->domain.count; i++) {
		if (source_disk_is_replicated(&source->domain.disks[i]) && (mask >> i & 1) != 0) {
			ret_disks[count++] =
				(struct source_xml_disk){.name = source->domain.disks[i].name};
		}
	}
	return count;
}
