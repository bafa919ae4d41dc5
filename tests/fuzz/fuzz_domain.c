/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer's domain XML, of any bytes. What comes out is a definition again, the same when made from
 * itself, names no path but ours (the prose that the guest's owner wrote aside), and can be
 * compared with a host.
 */
#include <assert.h>
#include <errno.h>
#include <libxml/parser.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/domain_fit.h"
#include "engine/replica_domain.h"
#include "fuzz.h"
#include "mutate_xml.h"
#include "proto/limits.h"
#include "proto/validate_fields.h"

static const struct replica_domain_disk disks[] = {{"vda", "/ours/vda"}, {"vdb", "/ours/vdb"}};

static bool path_is_ours(const char *text)
{
	return strchr(text, '/') == NULL || strncmp(text, "/ours/", 6) == 0 ||
	       strcmp(text, "/dev/urandom") == 0;
}

static bool is_prose(const xmlNode *node)
{
	return strcmp((const char *)node->name, "title") == 0 ||
	       strcmp((const char *)node->name, "description") == 0 ||
	       strcmp((const char *)node->name, "cmdline") == 0;
}

static void check_paths(const xmlNode *node)
{
	for (; node != NULL; node = node->next) {
		if (node->type == XML_TEXT_NODE) {
			assert(is_prose(node->parent) || path_is_ours((const char *)node->content));
			continue;
		}
		for (const xmlAttr *attr = node->properties; attr != NULL; attr = attr->next) {
			assert(strcmp((const char *)attr->name, "timezone") == 0 ||
			       attr->children == NULL ||
			       path_is_ours((const char *)attr->children->content));
		}
		check_paths(node->children);
	}
}

static void check_names(const char *xml, const char *name)
{
	const char *found = strstr(xml, "<name>");

	assert(found != NULL && strncmp(found + 6, name, strlen(name)) == 0);
	assert(strstr(found + 1, "<name>") == NULL);
}

static void check_sentences(const struct sentence_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		assert(validate_text(list->items[i], REASON_MAX) && list->items[i][0] != '\0');
	}
}

static void check_fit(const char *xml)
{
	static const char host[] =
		"<host cpu='compatible'><capabilities><host><topology><cells num='1'>"
		"<cell id='0'><memory unit='KiB'>1048576</memory><cpus num='2'/></cell>"
		"</cells></topology></host><guest><os_type>hvm</os_type><arch name='x86_64'>"
		"<machine canonical='pc-q35-7.2'>q35</machine><domain type='kvm'/></arch></guest>"
		"</capabilities><domainCapabilities><vcpu max='4'/></domainCapabilities>"
		"<network name='dr' active='yes'/><bridge name='br0'/></host>";
	struct domain_fit_query query;
	struct domain_fit fit = {0};
	int r = domain_fit_check(xml, host, "b1", &fit);

	assert(r == 0 || r == -EBADMSG);
	check_sentences(&fit.refusals);
	check_sentences(&fit.warnings);
	domain_fit_destroy(&fit);
	if (domain_fit_query(xml, &query) == 0) {
		domain_fit_query_destroy(&query);
	}
}

static void check_result(const char *xml, const struct replica_domain_options *options)
{
	struct sentence_list notes = {0};
	char error[DOMAIN_ERROR_LEN];
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, 0);
	char *again = NULL;

	assert(document != NULL);
	check_paths(xmlDocGetRootElement(document));
	xmlFreeDoc(document);
	check_names(xml, options->test != NULL ? options->test->name : options->name);
	check_fit(xml);
	/* Escaping makes it longer, perhaps beyond what is read. */
	if (options->test == NULL && strlen(xml) <= DOMAIN_XML_MAX) {
		assert(replica_domain_make(xml, strlen(xml), options, &again, &notes, error) == 0);
		assert(strcmp(xml, again) == 0);
		free(again);
	}
	sentence_list_destroy(&notes);
}

static void make(const uint8_t *data, size_t size, const struct replica_domain_options *options)
{
	struct sentence_list notes = {0};
	char error[DOMAIN_ERROR_LEN] = "";
	char *xml = NULL;

	if (replica_domain_make((const char *)data, size, options, &xml, &notes, error) == 0) {
		check_result(xml, options);
		free(xml);
	} else {
		assert(xml == NULL && error[0] != '\0');
	}
	check_sentences(&notes);
	sentence_list_destroy(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct replica_domain_test test = {
		.name = "web1-test", .uuid = "11111111-2222-4333-8444-555555555555"};
	struct replica_domain_options options = {.name = "web1",
						 .disks = disks,
						 .disk_count = 2,
						 .boot_directory = "/ours/boot",
						 .nvram = "/ours/nvram"};

	make(data, size, &options);
	options.test = &test;
	make(data, size, &options);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_xml(&mutate, data, size, max_size);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_xml_cross(&mutate, data1, size1, data2, size2, out, max_size);
}
