/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_fit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "engine/replica_domain.h"
#include "engine/source_host.h"
#include "proto/limits.h"

/* Where the images will be does not matter here. */
#define ANY_IMAGE "/image"

static int make_definition(const struct replica_fit *request, char **ret_xml,
			   struct domain_fit *fit)
{
	struct replica_domain_disk disks[DISKS_MAX];
	struct replica_domain_options options = {
		.name = request->vm, .disks = disks, .networks = request->networks};
	struct firmware_list firmwares = {.count = 0};
	char error[DOMAIN_ERROR_LEN];
	int result;

	if (request->kept != NULL) {
		request->kept->own.quiet = true; /* what is missing is asked */
		options.own = kept_definition_load(request->kept, &fit->warnings);
	}
	if (firmware_list_load_host(&firmwares) == 0) {
		options.firmwares = &firmwares;
	}
	if (request->config->boot_directory[0] != '\0') {
		options.boot_directory = request->config->boot_directory;
	}
	for (size_t i = 0; i < request->disk_count && i < DISKS_MAX; i++) {
		disks[options.disk_count++] = (struct replica_domain_disk){
			.target = request->disks[i], .path = ANY_IMAGE};
	}
	result = replica_domain_make(request->xml, request->xml_len, &options, ret_xml,
				     &fit->warnings, error);
	firmware_list_destroy(&firmwares);
	if (result < 0) {
		sentence_list_add(&fit->refusals, "%s", error);
	}
	return result;
}

/* Anything but the images is put back from this side's own definition, and libvirt wants it there.
 */
static void look_at_source(const struct replica_fit *request, const xmlNode *disk,
			   struct domain_fit *fit)
{
	const xmlNode *source = xml_child(disk, "source"), *target = xml_child(disk, "target");
	const char *file = source != NULL ? xml_attribute(source, "file") : NULL;
	const char *device = source != NULL ? xml_attribute(source, "dev") : NULL;
	const char *name = target != NULL ? xml_attribute(target, "dev") : NULL;
	const char *path = file != NULL ? file : device;

	if (path != NULL && path[0] == '/' && strcmp(path, ANY_IMAGE) != 0 &&
	    xml_attribute(source, "startupPolicy") == NULL && access(path, F_OK) != 0) {
		sentence_list_add(&fit->refusals,
				  "%s is not on %s (%s), which this side's own definition has for "
				  "%.32s: make it there, or mend %.120s",
				  path, request->config->node, strerror(errno),
				  name != NULL ? name : "a disk", request->kept->path);
	}
}

static void look_at_own_disks(const struct replica_fit *request, const char *xml,
			      struct domain_fit *fit)
{
	cleanup_xml_doc xmlDoc *document = NULL;
	const xmlNode *devices;

	if (request->kept == NULL || request->kept->own.xml == NULL) {
		return;
	}
	document = xml_document_read(xml, strlen(xml));
	devices = document != NULL ? xml_child(xmlDocGetRootElement(document), "devices") : NULL;
	for (const xmlNode *disk = xml_child(devices, "disk"); disk != NULL;
	     disk = xml_next(disk, "disk")) {
		look_at_source(request, disk, fit);
	}
}

static void compare(const struct replica_fit *request, const char *xml, struct domain_fit *fit)
{
	cleanup_free char *host = NULL;
	struct domain_fit_query query = {0};
	char error[SOURCE_ERROR_LEN] = "out of memory";

	if (domain_fit_query(xml, &query) < 0 ||
	    source_host_describe(request->libvirt, &query, &host, error) < 0 ||
	    domain_fit_check(xml, host, request->config->node, fit) < 0) {
		sentence_list_add(&fit->warnings,
				  "whether %s can run the VM is not known, look at libvirt there: "
				  "%s",
				  request->config->node, error);
	}
	domain_fit_query_destroy(&query);
}

void replica_fit_run(const struct replica_fit *request, struct domain_fit *fit)
{
	cleanup_free char *xml = NULL;

	if (make_definition(request, &xml, fit) == 0) {
		look_at_own_disks(request, xml, fit);
		compare(request, xml, fit);
	}
}
