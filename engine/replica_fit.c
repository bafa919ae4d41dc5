/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_fit.h"

#include <stdlib.h>

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
		compare(request, xml, fit);
	}
}
