/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_xml.h"

#include <libxml/parser.h>
#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_libxml.h"

static void attribute(xmlTextWriterPtr writer, const char *name, const char *value)
{
	xmlTextWriterWriteAttribute(writer, (const xmlChar *)name, (const xmlChar *)value);
}

static void element(xmlTextWriterPtr writer, const char *name, const char *text)
{
	xmlTextWriterWriteElement(writer, (const xmlChar *)name, (const xmlChar *)text);
}

static void start(xmlTextWriterPtr writer, const char *name)
{
	xmlTextWriterStartElement(writer, (const xmlChar *)name);
}

/* Close what is open and hand the text over as a malloc'ed string. Writing into memory fails only
 * without memory, and then the document does not end: its last write is the one that is checked. */
static char *finish(xmlTextWriterPtr writer, xmlBufferPtr buffer)
{
	int ended = xmlTextWriterEndDocument(writer);
	char *text = NULL;

	xmlFreeTextWriter(writer);
	if (ended >= 0) {
		text = strdup((const char *)xmlBufferContent(buffer));
	}
	xmlBufferFree(buffer);
	return text;
}

/* Open a document with a root element. false when out of memory. */
static bool begin(const char *root, xmlTextWriterPtr *ret_writer, xmlBufferPtr *ret_buffer)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = buffer != NULL ? xmlNewTextWriterMemory(buffer, 0) : NULL;

	if (writer == NULL) {
		if (buffer != NULL) {
			xmlBufferFree(buffer);
		}
		return false;
	}
	start(writer, root);
	*ret_writer = writer;
	*ret_buffer = buffer;
	return true;
}

static void write_backup_disk(xmlTextWriterPtr writer, const struct source_xml_disk *disk,
			      bool incremental)
{
	start(writer, "disk");
	attribute(writer, "name", disk->name);
	attribute(writer, "backup", "yes");
	attribute(writer, "type", "file");
	attribute(writer, "exportname", disk->name);
	if (incremental && disk->full) {
		attribute(writer, "backupmode", "full");
	} else if (incremental) {
		attribute(writer, "exportbitmap", SOURCE_EXPORT_BITMAP);
	}
	start(writer, "driver");
	attribute(writer, "type", "qcow2");
	xmlTextWriterEndElement(writer);
	start(writer, "scratch");
	attribute(writer, "file", disk->scratch);
	xmlTextWriterEndElement(writer);
	xmlTextWriterEndElement(writer);
}

char *source_xml_backup(const char *socket_path, const char *incremental,
			const struct source_xml_disk *disks, size_t count)
{
	xmlTextWriterPtr writer;
	xmlBufferPtr buffer;

	if (!begin("domainbackup", &writer, &buffer)) {
		return NULL;
	}
	attribute(writer, "mode", "pull");
	if (incremental != NULL) {
		element(writer, "incremental", incremental);
	}
	start(writer, "server");
	attribute(writer, "transport", "unix");
	attribute(writer, "socket", socket_path);
	xmlTextWriterEndElement(writer);
	start(writer, "disks");
	for (size_t i = 0; i < count; i++) {
		write_backup_disk(writer, &disks[i], incremental != NULL);
	}
	return finish(writer, buffer);
}

/* Disks that are not listed take no part. A redefined checkpoint names its bitmaps, a new one makes
 * them. */
static void write_checkpoint_disks(xmlTextWriterPtr writer, const char *bitmap,
				   const struct source_xml_disk *disks, size_t count)
{
	start(writer, "disks");
	for (size_t i = 0; i < count; i++) {
		start(writer, "disk");
		attribute(writer, "name", disks[i].name);
		attribute(writer, "checkpoint", "bitmap");
		if (bitmap != NULL) {
			attribute(writer, "bitmap", bitmap);
		}
		xmlTextWriterEndElement(writer);
	}
	xmlTextWriterEndElement(writer);
}

char *source_xml_checkpoint(const char *name, const struct source_xml_disk *disks, size_t count)
{
	xmlTextWriterPtr writer;
	xmlBufferPtr buffer;

	if (!begin("domaincheckpoint", &writer, &buffer)) {
		return NULL;
	}
	element(writer, "name", name);
	write_checkpoint_disks(writer, NULL, disks, count);
	return finish(writer, buffer);
}

char *source_xml_redefine(const char *name, const char *parent, int64_t creation_time_s,
			  const struct source_xml_disk *disks, size_t count, const char *domain_xml)
{
	xmlTextWriterPtr writer;
	xmlBufferPtr buffer;
	char time_text[24];

	if (!begin("domaincheckpoint", &writer, &buffer)) {
		return NULL;
	}
	snprintf(time_text, sizeof(time_text), "%lld", (long long)creation_time_s);
	element(writer, "name", name);
	if (parent != NULL) {
		start(writer, "parent");
		element(writer, "name", parent);
		xmlTextWriterEndElement(writer);
	}
	element(writer, "creationTime", time_text);
	write_checkpoint_disks(writer, name, disks, count);
	xmlTextWriterWriteRaw(writer, (const xmlChar *)domain_xml);
	return finish(writer, buffer);
}

char *source_xml_backup_socket(const char *xml)
{
	cleanup_xml_doc xmlDocPtr document = source_libxml_parse(xml);
	const xmlNode *root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	const xmlNode *server = source_libxml_child(root, "server");

	return source_libxml_attribute(server, "socket");
}

char *source_xml_backup_describe(const char *xml)
{
	cleanup_xml_doc xmlDocPtr document = source_libxml_parse(xml);
	const xmlNode *root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	const xmlNode *server = source_libxml_child(root, "server");
	cleanup_free char *mode = source_libxml_attribute(root, "mode");
	cleanup_free char *socket_path = source_libxml_attribute(server, "socket");
	cleanup_free char *host = source_libxml_attribute(server, "name");
	cleanup_free char *port = source_libxml_attribute(server, "port");
	char *text = NULL;
	int length;

	if (socket_path != NULL) {
		length = asprintf(&text, "pull mode, NBD on %s", socket_path);
	} else if (host != NULL) {
		length = asprintf(&text, "pull mode, NBD on %s:%s", host,
				  port != NULL ? port : "10809");
	} else {
		length = asprintf(&text, "%s mode", mode != NULL ? mode : "push");
	}
	return length >= 0 ? text : NULL;
}
