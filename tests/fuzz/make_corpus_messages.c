/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages are filled by their descriptors: each field with what its name says, so that validation
 * finds nothing wrong with it. */
#include "make_corpus.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/admin.pb-c.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"

#define NAME_LEN 64

static ProtobufCMessage *message_make(const ProtobufCMessageDescriptor *descriptor, size_t body);

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL) {
		perror("make_corpus");
		exit(1);
	}
	return memory;
}

static const char *text_for(const ProtobufCMessageDescriptor *message, const char *field)
{
	static const char *const texts[][2] = {
		{"relationship", "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90"},
		{"lineage", "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90"},
		{"cut_id", "0123456789abcdef"},
		{"last_cut_id", "0123456789abcdef"},
		{"site", "a.example"},
		{"peer_site", "a.example"},
		{"host", "10.0.0.1"},
		{"storage", "/srv/replica"},
		{"directory", "/srv/media"},
		{"config", "/etc/libvirt/qemu/web1.xml"},
		{"consistency", "crash"},
		{"disk", "vda"},
		{"disks", "vda"},
		{"exclude_disks", "vdb"},
		{"maps", "net:prod=dr"},
		{"peer_address", "10.0.0.1:8650"},
		{"pattern", "*.example"},
		{"group", "g1"},
		{"resync", "18:30-06:00"},
		{"network", "lab"},
		{"raw", "/dev/vg/web1"},
		{"header", "/srv/web1.vmreplica.qcow2"},
		{"names", "frequency"},
		{"values", "30"},
		{"id", "0123abcd"},
		{"state", "running"},
	};

	if (strcmp(field, "name") == 0 && strstr(message->short_name, "Disk") != NULL) {
		return "vda";
	}
	if (strcmp(field, "to") == 0) {
		return strcmp(message->short_name, "FailoverRequest") == 0 ? "seq:7"
		       : strcmp(message->short_name, "Request") == 0	   ? ""
									   : "b.example:8650";
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(texts[i][0], field) == 0) {
			return texts[i][1];
		}
	}
	return "web1";
}

static ProtobufCBinaryData bytes_for(const char *field)
{
	static const char xml[] = "<domain type='kvm'><name>web1</name></domain>";
	ProtobufCBinaryData bytes = {0, NULL};

	if (strcmp(field, "order") == 0 || strcmp(field, "ordered") == 0) {
		ProtobufCMessage *message = message_make(
			strcmp(field, "order") == 0 ? &vmreplica__wire__order__descriptor
						    : &vmreplica__wire__ordered__descriptor,
			0);

		bytes.data = allocate(protobuf_c_message_get_packed_size(message));
		bytes.len = protobuf_c_message_pack(message, bytes.data);
		protobuf_c_message_free_unpacked(message, NULL);
	} else if (strstr(field, "xml") != NULL) {
		bytes.len = sizeof(xml) - 1;
		bytes.data = allocate(sizeof(xml));
		memcpy(bytes.data, xml, sizeof(xml));
	} else {
		bytes.len = LOG_HASH_LEN;
		bytes.data = allocate(LOG_HASH_LEN);
	}
	return bytes;
}

static uint64_t number_for(const char *field)
{
	static const struct {
		const char *field;
		uint64_t number;
	} numbers[] = {{"frequency_s", 30},    {"size_bytes", 1 << 30},
		       {"block_bytes", 65536}, {"length", 4096},
		       {"port", 8651},	       {"disk", 0},
		       {"checksum", 0},	       {"codec", 0}};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(numbers[i].field, field) == 0) {
			return numbers[i].number;
		}
	}
	return 1;
}

static void value_fill(const ProtobufCMessageDescriptor *message,
		       const ProtobufCFieldDescriptor *field, void *value)
{
	uint64_t number = number_for(field->name);
	uint32_t narrow = (uint32_t)number;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)value = strdup(text_for(message, field->name));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)value = bytes_for(field->name);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)value = message_make(field->descriptor, 0);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		memcpy(value, &number, sizeof(number));
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)value = 1;
		break;
	default:
		memcpy(value, &narrow, sizeof(narrow));
		break;
	}
}

/* Every field, the repeated ones with one element; of a oneof the member of number body. */
static ProtobufCMessage *message_make(const ProtobufCMessageDescriptor *descriptor, size_t body)
{
	ProtobufCMessage *message = allocate(descriptor->sizeof_message);

	protobuf_c_message_init(descriptor, message);
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		char *member = (char *)message + field->offset;
		void *quantifier = (char *)message + field->quantifier_offset;

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			void *element = allocate(sizeof(ProtobufCBinaryData));

			value_fill(descriptor, field, element);
			*(void **)(void *)member = element;
			*(size_t *)quantifier = 1;
		} else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) {
			value_fill(descriptor, field, member);
		} else if (field->id == body) {
			value_fill(descriptor, field, member);
			*(uint32_t *)quantifier = field->id;
		}
	}
	return message;
}

static void message_put(int fd, const ProtobufCMessageDescriptor *descriptor, size_t body)
{
	ProtobufCMessage *message = message_make(descriptor, body);
	uint8_t *packed = allocate(protobuf_c_message_get_packed_size(message) + 1);

	corpus_file_put(fd, packed, protobuf_c_message_pack(message, packed));
	free(packed);
	protobuf_c_message_free_unpacked(message, NULL);
	close(fd);
}

static void name_lower(const char *from, char to[NAME_LEN])
{
	snprintf(to, NAME_LEN, "%s", from);
	for (; *to != '\0'; to++) {
		*to = *to == '_' ? '-' : (char)tolower((unsigned char)*to);
	}
}

/* In units of 16 bytes, as the target takes it. */
static uint8_t payload_of(enum frame_type type)
{
	switch (type) {
	case FRAME_DIGEST:
	case FRAME_VERIFY:
	case FRAME_EXTENTS:
	case FRAME_VM_STATE:
		return 1;
	default:
		return 0;
	}
}

static void admin_make(const char *kind, const ProtobufCMessageDescriptor *descriptor, char flag)
{
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		char name[NAME_LEN + 16];
		int fd;

		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
			snprintf(name, sizeof(name), "%s-%s", kind, field->name);
			fd = corpus_file_new("admin", name);
			corpus_file_put(fd, &flag, 1);
			message_put(fd, descriptor, field->id);
		}
	}
}

void corpus_messages_make(void)
{
	for (unsigned int type = 0; type < 256; type++) {
		const ProtobufCMessageDescriptor *descriptor =
			frame_descriptor((enum frame_type)type);
		uint8_t head[3] = {(uint8_t)type, 0, payload_of((enum frame_type)type)};
		char name[NAME_LEN];
		int fd;

		if (descriptor == NULL || type == FRAME_ADMIN_REQUEST ||
		    type == FRAME_ADMIN_RESPONSE) {
			continue;
		}
		name_lower(frame_type_to_string((enum frame_type)type), name);
		fd = corpus_file_new("message", name);
		corpus_file_put(fd, head, sizeof(head));
		message_put(fd, descriptor, 0);
	}
	admin_make("request", frame_descriptor(FRAME_ADMIN_REQUEST), 0);
	admin_make("response", frame_descriptor(FRAME_ADMIN_RESPONSE), 1);
}
