/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica-witness: called by libvirt's hook for each start, arrival and end of a VM, with its
 * definition on standard input. Looks at the VM's wrapped disks while no QEMU has them open, and
 * notes what it saw beside their headers (wrap_witness.h). libvirt waits for it, and would not
 * start a VM whose hook fails: so it says what goes wrong and ends with 0 all the same.
 */
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/config.h"
#include "engine/source_image.h"
#include "engine/source_libxml.h"
#include "engine/wrap_record.h"

#define DEFINITION_MAX (4u * 1024u * 1024u)

static char *read_definition(void)
{
	cleanup_free char *text = malloc(DEFINITION_MAX + 1);
	size_t len = 0;
	ssize_t got;

	if (text == NULL) {
		return NULL;
	}
	while (len < DEFINITION_MAX &&
	       (got = read(STDIN_FILENO, text + len, DEFINITION_MAX - len)) > 0) {
		len += (size_t)got;
	}
	text[len] = '\0';
	return steal_ptr(text);
}

static bool event_of(const char *operation, const char *part, enum wrap_event *ret_event)
{
	static const struct {
		const char *operation, *part;
		enum wrap_event event;
	} events[] = {
		{"prepare", "begin", WRAP_EVENT_START},
		{"migrate", "begin", WRAP_EVENT_ARRIVE},
		{"release", "end", WRAP_EVENT_END},
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (strcmp(events[i].operation, operation) == 0 &&
		    strcmp(events[i].part, part) == 0) {
			*ret_event = events[i].event;
			return true;
		}
	}
	return false;
}

/* The same name as the engine's: what both write must agree. */
static void take_node(char node[NODE_NAME_MAX + 1])
{
	struct config config = {0};
	char error[CONFIG_ERROR_LEN];
	int result = config_load(CONFIG_DEFAULT_PATH, &config, error);

	snprintf(node, NODE_NAME_MAX + 1, "%s", config.node != NULL ? config.node : "");
	if (result == 0 || result == -ENOENT) {
		config_destroy(&config);
	}
}

static bool is_ours(const char *header, const struct source_image *image)
{
	char record[PATH_MAX];

	return image->has_data_file && image->data_file_raw &&
	       wrap_record_path(header, record, sizeof(record)) == 0 && access(record, F_OK) == 0;
}

static void note(const char *vm, const char *header, enum wrap_event event, const char *node)
{
	struct source_image image;
	struct wrap_record record;
	int result;

	if (source_image_examine(header, &image) != 0 || !is_ours(header, &image)) {
		return;
	}
	result = wrap_record_event(header, image.data_file, event, node, &record);
	if (result < 0) {
		fprintf(stderr,
			"vmreplica-witness: %s: the record of %s cannot be written: %s; it will be "
			"resynchronized\n",
			vm, header, strerror(-result));
	} else if (record.state == WRAP_DOUBT) {
		fprintf(stderr, "vmreplica-witness: %s: %s: %s\n", vm, image.data_file, record.why);
	}
}

int main(int argc, char **argv)
{
	cleanup_free char *text = NULL;
	cleanup_xml_doc xmlDocPtr document = NULL;
	const xmlNode *devices;
	char node[NODE_NAME_MAX + 1];
	enum wrap_event event;

	if (argc < 4) {
		fputs("Usage: vmreplica-witness VM OPERATION PART < DEFINITION\n"
		      "Called by libvirt's hook qemu.d/vmreplica; see vmreplica-engine(8).\n",
		      stderr);
		return 2;
	}
	if (!event_of(argv[2], argv[3], &event)) {
		return 0;
	}
	text = read_definition();
	document = text != NULL ? source_libxml_parse(text) : NULL;
	devices = document != NULL ? source_libxml_child(xmlDocGetRootElement(document), "devices")
				   : NULL;
	take_node(node);
	for (const xmlNode *disk = devices != NULL ? devices->children : NULL; disk != NULL;
	     disk = disk->next) {
		cleanup_free char *file =
			strcmp((const char *)disk->name, "disk") == 0
				? source_libxml_attribute(source_libxml_child(disk, "source"),
							  "file")
				: NULL;

		if (file != NULL) {
			note(argv[1], file, event, node);
		}
	}
	return 0;
}
