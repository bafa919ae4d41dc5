/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_define.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_call.h"
#include "engine/source_domain.h"
#include "engine/source_error.h"
#include "engine/source_rpc.h"

#define DEFINITION_MAX (1024u * 1024u)
#define MARK_URI       "https://vmreplica/handover"
#define MARK_KEY       "vmreplica"

static int read_definition(const char *path, char **ret_xml, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *xml = NULL;
	struct stat status;
	FILE *file = fopen(path, "re");
	size_t got;

	if (file == NULL) {
		return source_fail(-errno, error, "the VM's definition %s cannot be read: %s", path,
				   strerror(errno));
	}
	if (fstat(fileno(file), &status) != 0 || status.st_size <= 0 ||
	    status.st_size > (off_t)DEFINITION_MAX) {
		fclose(file);
		return source_fail(-EFBIG, error, "the VM's definition %s is empty or too long",
				   path);
	}
	xml = calloc(1, (size_t)status.st_size + 1);
	got = xml != NULL ? fread(xml, 1, (size_t)status.st_size, file) : 0;
	fclose(file);
	if (got == 0) {
		return source_fail(-EIO, error, "the VM's definition %s cannot be read", path);
	}
	*ret_xml = steal_ptr(xml);
	return 0;
}

static int define_domain(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainPtr defined = virDomainDefineXML(conn, call->text[0]);
	int result = 0;

	(void)domain;
	if (defined == NULL) {
		return source_call_translate(call, conn, "defining the VM");
	}
	if (strcmp(virDomainGetName(defined), call->text[1]) != 0) {
		virDomainUndefine(defined);
		result = source_fail(-EINVAL, call->error, "the definition is not of %s",
				     call->text[1]);
	} else if (virDomainSetMetadata(defined, VIR_DOMAIN_METADATA_ELEMENT, "<handover/>",
					MARK_KEY, MARK_URI, VIR_DOMAIN_AFFECT_CONFIG) < 0) {
		result = source_call_translate(call, conn, "marking the VM's definition");
	}
	virDomainFree(defined);
	return result;
}

int source_define(struct source_connection *connection, const char *vm, const char *path,
		  char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call = NULL;
	cleanup_free char *xml = NULL;
	struct source_rpc_domain known;
	int result = source_rpc_domain(connection, vm, &known, error);

	if (result == 0) {
		free(known.live_xml);
		free(known.config_xml);
		return known.active ? source_fail(-EBUSY, error, "%s runs", vm) : 0;
	}
	if (result != -ENOENT) {
		return result;
	}
	result = read_definition(path, &xml, error);
	if (result < 0) {
		return result;
	}
	call = source_call_new(connection, NULL, define_domain, xml, vm);
	return call != NULL ? source_call_run(call, SOURCE_CALL_CHANGE_MS, error)
			    : source_fail(-ENOMEM, error, "out of memory");
}

static int undefine_domain(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	char *mark = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, MARK_URI,
					  VIR_DOMAIN_AFFECT_CONFIG);

	if (mark == NULL) {
		return 0; /* somebody else's definition */
	}
	free(mark);
	if (virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA |
						   VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) < 0) {
		return source_call_translate(call, conn, "undefining the VM");
	}
	return 0;
}

int source_undefine(struct source_connection *connection, const char *vm,
		    char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, undefine_domain, NULL, NULL);
	int result = call != NULL ? source_call_run(call, SOURCE_CALL_CHANGE_MS, error)
				  : source_fail(-ENOMEM, error, "out of memory");

	return result == -ENOENT ? 0 : result;
}

bool source_define_is_marked(const char *xml)
{
	return strstr(xml, MARK_URI) != NULL;
}

/* ---- the images ---- */

void source_defined_disks_free(struct source_defined_disk *disks, size_t count)
{
	for (size_t i = 0; disks != NULL && i < count; i++) {
		free(disks[i].path);
	}
	free(disks);
}

static int take_disks(const struct source_domain *domain, struct source_defined_disk **ret_disks,
		      size_t *ret_count, char error[SOURCE_ERROR_LEN])
{
	struct source_defined_disk *disks = calloc(domain->count + 1, sizeof(*disks));
	size_t count = 0;

	for (size_t i = 0; disks != NULL && i < domain->count; i++) {
		const struct source_disk *disk = &domain->disks[i];

		if (!source_disk_is_replicated(disk)) {
			continue;
		}
		memcpy(disks[count].name, disk->name, sizeof(disk->name));
		disks[count].size_bytes = disk->size_bytes;
		disks[count].path = disk->path != NULL ? strdup(disk->path) : NULL;
		if (disks[count++].path == NULL) {
			source_defined_disks_free(disks, count);
			return source_fail(-ENOMEM, error, "out of memory");
		}
	}
	if (disks == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	*ret_disks = disks;
	*ret_count = count;
	return 0;
}

int source_defined_disks(const char *path, const char *const *exclude,
			 struct source_defined_disk **ret_disks, size_t *ret_count,
			 char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *xml = NULL;
	struct source_domain domain = {0};
	int result = read_definition(path, &xml, error);

	if (result == 0) {
		result = source_domain_parse(xml, exclude, &domain, error);
	}
	if (result == 0) {
		result = take_disks(&domain, ret_disks, ret_count, error);
		source_domain_destroy(&domain);
	}
	return result;
}
