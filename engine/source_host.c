/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_host.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "proto/network_map.h"
#include "engine/source_call.h"
#include "engine/source_error.h"

#define SYS_CLASS_NET "/sys/class/net"

static const char *or_null(const char *word)
{
	return word[0] != '\0' ? word : NULL;
}

/* "kvm/x86_64/pc-q35-7.2" as query_text put it. */
static bool split_query(char *text, char *parts[3])
{
	for (size_t i = 0; i < 3; i++) {
		parts[i] = strsep(&text, "/");
		if (parts[i] == NULL) {
			return false;
		}
	}
	return true;
}

/* Not every libvirt can compare for every kind of VM: then nothing is known. */
static const char *compare_cpu(virConnectPtr conn, char *parts[3], const char *cpu)
{
	switch (cpu != NULL ? virConnectCompareHypervisorCPU(conn, NULL, or_null(parts[1]),
							     or_null(parts[2]), or_null(parts[0]),
							     cpu, 0)
			    : VIR_CPU_COMPARE_ERROR) {
	case VIR_CPU_COMPARE_INCOMPATIBLE:
		return "incompatible";
	case VIR_CPU_COMPARE_IDENTICAL:
	case VIR_CPU_COMPARE_SUPERSET:
		return "compatible";
	default:
		return "unknown";
	}
}

static void print_networks(FILE *out, virConnectPtr conn)
{
	virNetworkPtr *networks = NULL;
	int count = virConnectListAllNetworks(conn, &networks, 0);

	for (int i = 0; i < count; i++) {
		const char *name = virNetworkGetName(networks[i]);

		if (network_name_is_valid(name)) {
			fprintf(out, "<network name='%s' active='%s'/>\n", name,
				virNetworkIsActive(networks[i]) == 1 ? "yes" : "no");
		}
		virNetworkFree(networks[i]);
	}
	free(networks);
}

static void print_bridges(FILE *out)
{
	DIR *directory = opendir(SYS_CLASS_NET);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (network_name_is_valid(entry->d_name)) {
			fprintf(out, "<bridge name='%s'/>\n", entry->d_name);
		}
	}
	if (directory != NULL) {
		closedir(directory);
	}
}

static int describe(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	cleanup_free char *capabilities = virConnectGetCapabilities(conn);
	cleanup_free char *query = strdup(call->text[0]);
	cleanup_free char *domain_capabilities = NULL;
	char *parts[3], *text = NULL;
	size_t len;
	FILE *out;

	(void)domain;
	if (capabilities == NULL) {
		return source_call_translate(call, conn, "asking for the host's capabilities");
	}
	if (query == NULL || !split_query(query, parts)) {
		return source_fail(-ENOMEM, call->error, "out of memory");
	}
	/* An unknown machine type is an error here; the list of machines says so better. */
	domain_capabilities = virConnectGetDomainCapabilities(
		conn, NULL, or_null(parts[1]), or_null(parts[2]), or_null(parts[0]), 0);
	out = open_memstream(&text, &len);
	if (out == NULL) {
		return source_fail(-ENOMEM, call->error, "out of memory");
	}
	fprintf(out, "<host cpu='%s'>\n%s%s", compare_cpu(conn, parts, call->text[1]), capabilities,
		domain_capabilities != NULL ? domain_capabilities : "");
	print_networks(out, conn);
	print_bridges(out);
	fprintf(out, "</host>\n");
	if (fclose(out) != 0) {
		free(text);
		return source_fail(-ENOMEM, call->error, "out of memory");
	}
	call->reply[0] = text;
	return 0;
}

int source_host_describe(struct source_connection *connection, const struct domain_fit_query *query,
			 char **ret_host, char error[SOURCE_ERROR_LEN])
{
	char text[3 * DOMAIN_FIT_WORD_LEN];
	cleanup_source_call struct source_call *call = NULL;
	int result;

	snprintf(text, sizeof(text), "%s/%s/%s", query->type, query->arch, query->machine);
	call = source_call_new(connection, NULL, describe, text, query->cpu);
	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result == 0) {
		*ret_host = steal_ptr(call->reply[0]);
	}
	return result;
}

/* ---- memory ---- */

static int measure(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virNodeMemoryStats stats[16] = {0};
	int count = 0;
	uint64_t kib = 0;
	char text[32];

	(void)domain;
	if (virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &count, 0) < 0 ||
	    count < 0 || count > (int)(sizeof(stats) / sizeof(stats[0])) ||
	    virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &count, 0) < 0) {
		return source_call_translate(call, conn, "asking for the host's free memory");
	}
	for (int i = 0; i < count; i++) {
		if (strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_FREE) == 0 ||
		    strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_BUFFERS) == 0 ||
		    strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_CACHED) == 0) {
			kib += stats[i].value;
		}
	}
	snprintf(text, sizeof(text), "%" PRIu64, kib);
	call->reply[0] = strdup(text);
	return call->reply[0] == NULL ? source_fail(-ENOMEM, call->error, "out of memory") : 0;
}

int source_host_memory(struct source_connection *connection, uint64_t *ret_kib,
		       char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, NULL, measure, NULL, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result == 0) {
		*ret_kib = strtoull(call->reply[0], NULL, 10);
	}
	return result;
}
