/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By the fields' names, so that a field that comes to a message and that validation forgets is
 * found: each text is short UTF-8 without control characters, and what its name says it is.
 */
#include "message_promise.h"

#include <assert.h>
#include <string.h>

#include "common/checked.h"
#include "common/dns_name.h"
#include "proto/limits.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"
#include "proto/wire.pb-c.h"

static bool text_is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			return false;
		}
	}
	return true;
}

static bool is_relationship(const char *text)
{
	return validate_uuid(text);
}

static bool is_cut_id(const char *text)
{
	return validate_cut_id(text);
}

static bool is_lineage(const char *text)
{
	return strlen(text) <= RELATIONSHIP_LEN && strchr(text, ' ') == NULL && text[0] != '\0';
}

static bool is_vm(const char *text)
{
	return strlen(text) <= VM_NAME_MAX && strpbrk(text, "/ ") == NULL && text[0] != '.' &&
	       text[0] != '\0';
}

static bool is_dns(const char *text)
{
	return strlen(text) <= SITE_NAME_MAX && strpbrk(text, "/ *") == NULL &&
	       strstr(text, "..") == NULL && text[0] != '.' && text[0] != '-' && text[0] != '\0';
}

static bool is_disk(const char *text)
{
	return strlen(text) <= DISK_NAME_MAX && strpbrk(text, "/. -") == NULL && text[0] != '\0';
}

static bool is_resource(const char *text)
{
	return strlen(text) <= RESOURCE_ID_MAX && strpbrk(text, "/ \"'<>&:") == NULL &&
	       text[0] != '\0';
}

static bool is_path(const char *text)
{
	return text[0] == '/' && strstr(text, "/../") == NULL && strstr(text, "//") == NULL &&
	       strlen(text) <= PATH_LEN_MAX;
}

static bool is_word(const char *text)
{
	return text[0] != '\0' && strlen(text) <= 64 && strpbrk(text, " /.\"") == NULL;
}

/* What a text of that name is, in a message of that name ("" = any). */
static const struct {
	const char *message, *field;
	bool (*holds)(const char *text);
	bool may_be_empty;
} promises[] = {
	{"", "relationship", is_relationship, false},
	{"", "lineage", is_lineage, false},
	{"", "vm", is_vm, false},
	{"Enrolled", "node", is_dns, true},
	{"QueryAnswer", "node", is_dns, true},
	{"QueryAnswer", "site", is_dns, true},
	{"QueryAnswer", "cut_id", is_cut_id, true},
	{"", "last_cut_id", is_cut_id, true},
	{"", "cut_id", is_cut_id, false},
	{"", "site", is_dns, false},
	{"", "node", is_dns, false},
	{"Disk", "name", is_disk, false},
	{"Verify", "disk", is_disk, false},
	{"Verified", "disk", is_disk, false},
	{"Verified", "code", is_word, true},
	{"", "code", is_word, false},
	{"", "resource", is_resource, true},
	{"", "storage", is_path, true},
};

typedef void (*text_fn)(const ProtobufCMessageDescriptor *descriptor, const char *field,
			const char *text);

static void text_check(const ProtobufCMessageDescriptor *descriptor, const char *field,
		       const char *text)
{
	assert(validate_text(text, PATH_LEN_MAX) && text_is_plain(text));
	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
		if (strcmp(promises[i].field, field) == 0 &&
		    (promises[i].message[0] == '\0' ||
		     strcmp(promises[i].message, descriptor->short_name) == 0)) {
			assert((promises[i].may_be_empty && text[0] == '\0') ||
			       promises[i].holds(text));
			return;
		}
	}
}

typedef void (*text_fn)(const ProtobufCMessageDescriptor *descriptor, const char *field,
			const char *text);

/* The pointers of a field, with their number. */
static void *const *elements_of(const ProtobufCMessage *message,
				const ProtobufCFieldDescriptor *field, size_t *ret_count)
{
	const void *member = (const char *)message + field->offset;
	const void *quantifier = (const char *)message + field->quantifier_offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		*ret_count = *(const size_t *)quantifier;
		return *(void *const *const *)member;
	}
	*ret_count = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
		     *(const uint32_t *)quantifier == field->id;
	return member;
}

ProtobufCMessage *const *message_submessages(const ProtobufCMessage *message,
					     const ProtobufCFieldDescriptor *field,
					     size_t *ret_count)
{
	ProtobufCMessage *const *messages;

	*ret_count = 0;
	if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
		return NULL;
	}
	messages = (ProtobufCMessage *const *)(const void *)elements_of(message, field, ret_count);
	if (*ret_count == 1 && messages[0] == NULL) {
		*ret_count = 0;
	}
	return messages;
}

/* Call fn with each text of the message and of those in it. */
static void texts_walk(const ProtobufCMessage *message, text_fn fn)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;

	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		size_t count;
		ProtobufCMessage *const *messages = message_submessages(message, field, &count);

		for (size_t k = 0; k < count; k++) {
			texts_walk(messages[k], fn);
		}
		if (field->type == PROTOBUF_C_TYPE_STRING) {
			void *const *texts = elements_of(message, field, &count);

			for (size_t k = 0; k < count; k++) {
				fn(descriptor, field->name, texts[k]);
			}
		}
	}
}

static bool texts_plain;

static void text_look(const ProtobufCMessageDescriptor *descriptor, const char *field,
		      const char *text)
{
	(void)descriptor;
	(void)field;
	texts_plain = texts_plain && text_is_plain(text);
}

bool message_texts_are_plain(const ProtobufCMessage *message)
{
	texts_plain = true;
	texts_walk(message, text_look);
	return texts_plain;
}

/* ---- numbers ---- */

static void chunk_check(const struct frame *frame)
{
	const Vmreplica__Wire__Chunk *m = (const void *)frame->message;

	assert(m->disk < DISKS_MAX && range_is_inside(m->offset, m->length, DISK_SIZE_MAX));
	assert(m->kind == VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO
		       ? frame->payload_len == 0
		       : m->length <= CHUNK_MAX && frame->payload_len <= m->length);
}

static void digest_check(uint64_t offset, uint32_t block, uint32_t count)
{
	assert(block >= DIGEST_BLOCK_MIN && block <= DIGEST_BLOCK_MAX);
	assert(count > 0 && count <= DIGEST_COUNT_MAX && offset < DISK_SIZE_MAX);
}

static void disks_check(Vmreplica__Wire__Disk *const *disks, size_t count)
{
	assert(count > 0 && count <= DISKS_MAX);
	for (size_t i = 0; i < count; i++) {
		assert(disks[i]->size_bytes > 0 && disks[i]->size_bytes <= DISK_SIZE_MAX);
		for (size_t k = 0; k < i; k++) {
			assert(strcmp(disks[i]->name, disks[k]->name) != 0);
		}
	}
}

static void numbers_check(const struct frame *frame)
{
	const void *message = frame->message;

	if (frame->type == FRAME_CHUNK) {
		chunk_check(frame);
	} else if (frame->type == FRAME_DIGEST) {
		const Vmreplica__Wire__Digest *m = message;

		digest_check(m->offset, m->block_bytes, m->count);
		assert(frame->payload_len == 16u * m->count);
	} else if (frame->type == FRAME_VERIFY) {
		const Vmreplica__Wire__Verify *m = message;

		digest_check(m->offset, m->block_bytes, m->count);
		assert(frame->payload_len == 16u * m->count);
	} else if (frame->type == FRAME_EXTENTS) {
		const Vmreplica__Wire__Extents *m = message;

		assert(m->disk < DISKS_MAX && frame->payload_len == 16u * m->count);
	} else if (frame->type == FRAME_HELLO) {
		const Vmreplica__Wire__Hello *m = message;

		disks_check(m->disks, m->n_disks);
		assert(m->version != NULL && m->epoch != NULL);
	} else if (frame->type == FRAME_CYCLE_BEGIN) {
		const Vmreplica__Wire__CycleBegin *m = message;

		disks_check(m->disks, m->n_disks);
		assert(m->mode != VMREPLICA__WIRE__MODE__MODE_DELTA || m->base_cut != NULL);
	} else if (frame->type == FRAME_ENROLL) {
		const Vmreplica__Wire__Enroll *m = message;

		disks_check(m->disks, m->n_disks);
	}
}

void message_promise_check(const struct frame *frame)
{
	texts_walk(frame->message, text_check);
	numbers_check(frame);
}
