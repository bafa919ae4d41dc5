/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutate_message.h"

#include <stdlib.h>
#include <string.h>

#define ELEMENTS_MAX 512u /* of a repeated field that grows */

static void message_change(struct mutate *mutate, ProtobufCMessage *message);

static void *allocate(size_t size)
{
	void *memory = calloc(1, size > 0 ? size : 1);

	if (memory == NULL) {
		abort();
	}
	return memory;
}

static ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *message = allocate(descriptor->sizeof_message);

	protobuf_c_message_init(descriptor, message);
	return message;
}

/* ---- single values; element points at where the field has one ---- */

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	default:
		return sizeof(uint32_t);
	}
}

static void element_destroy(const ProtobufCFieldDescriptor *field, void *element)
{
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		char *text = *(char **)element;

		if (text != field->default_value && text != protobuf_c_empty_string) {
			free(text);
		}
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		free(((ProtobufCBinaryData *)element)->data);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
		   *(ProtobufCMessage **)element != NULL) {
		protobuf_c_message_free_unpacked(*(ProtobufCMessage **)element, NULL);
	}
	memset(element, 0, element_size(field));
}

static uint32_t enum_value(struct mutate *mutate, const ProtobufCEnumDescriptor *descriptor,
			   uint32_t old)
{
	return mutate_once_in(mutate, 4)
		       ? (uint32_t)mutate_number(mutate, old)
		       : (uint32_t)descriptor->values[mutate_below(mutate, descriptor->n_values)]
				 .value;
}

static void element_change_number(struct mutate *mutate, const ProtobufCFieldDescriptor *field,
				  void *element)
{
	uint64_t wide;
	uint32_t narrow;

	if (field->type == PROTOBUF_C_TYPE_BOOL) {
		*(protobuf_c_boolean *)element = !*(protobuf_c_boolean *)element;
	} else if (element_size(field) == sizeof(wide)) {
		memcpy(&wide, element, sizeof(wide));
		wide = mutate_number(mutate, wide);
		memcpy(element, &wide, sizeof(wide));
	} else {
		memcpy(&narrow, element, sizeof(narrow));
		narrow = field->type == PROTOBUF_C_TYPE_ENUM
				 ? enum_value(mutate, field->descriptor, narrow)
				 : (uint32_t)mutate_number(mutate, narrow);
		memcpy(element, &narrow, sizeof(narrow));
	}
}

/* One that is zeroed becomes a new one. */
static void element_change(struct mutate *mutate, const ProtobufCFieldDescriptor *field,
			   void *element)
{
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		char **text = element;
		char *other = mutate_text(mutate, *text != NULL ? *text : "");

		element_destroy(field, element);
		*text = other;
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		ProtobufCBinaryData *bytes = element;
		size_t len;
		uint8_t *other = mutate_bytes(bytes->data, bytes->len, 64, &len);

		element_destroy(field, element);
		*bytes = (ProtobufCBinaryData){.len = len, .data = other};
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		ProtobufCMessage **message = element;

		if (*message == NULL) {
			*message = message_new(field->descriptor);
		}
		message_change(mutate, *message);
	} else {
		element_change_number(mutate, field, element);
	}
}

static void element_copy(const ProtobufCFieldDescriptor *field, const void *from, void *to)
{
	memcpy(to, from, element_size(field));
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		*(char **)to = strdup(*(char *const *)from);
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		const ProtobufCBinaryData *bytes = from;

		((ProtobufCBinaryData *)to)->data = allocate(bytes->len);
		memcpy(((ProtobufCBinaryData *)to)->data, bytes->len > 0 ? (void *)bytes->data : "",
		       bytes->len);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *message = *(ProtobufCMessage *const *)from;
		uint8_t *packed = allocate(protobuf_c_message_get_packed_size(message));
		size_t len = protobuf_c_message_pack(message, packed);

		*(ProtobufCMessage **)to =
			protobuf_c_message_unpack(message->descriptor, NULL, len, packed);
		free(packed);
		if (*(ProtobufCMessage **)to == NULL) {
			*(ProtobufCMessage **)to = message_new(message->descriptor);
		}
	}
}

/* ---- repeated fields ---- */

/* Put a zeroed element before the one at index; returns it. */
static void *elements_insert(void **array, size_t *count, size_t size, size_t index)
{
	char *grown = allocate((*count + 1) * size);

	if (*count > 0) {
		memcpy(grown, *array, index * size);
		memcpy(grown + (index + 1) * size, (char *)*array + index * size,
		       (*count - index) * size);
	}
	free(*array);
	*array = grown;
	(*count)++;
	return grown + index * size;
}

static void elements_remove(const ProtobufCFieldDescriptor *field, char *array, size_t *count,
			    size_t index)
{
	size_t size = element_size(field);

	element_destroy(field, array + index * size);
	(*count)--;
	memmove(array + index * size, array + (index + 1) * size, (*count - index) * size);
}

static void repeated_change(struct mutate *mutate, const ProtobufCFieldDescriptor *field,
			    ProtobufCMessage *message)
{
	size_t *count = (size_t *)(void *)((char *)message + field->quantifier_offset);
	void **array = (void **)(void *)((char *)message + field->offset);
	size_t size = element_size(field), index = mutate_below(mutate, *count);
	size_t kind = mutate_below(mutate, 5);

	if (*count == 0 || (kind == 0 && *count < ELEMENTS_MAX)) {
		element_change(mutate, field, elements_insert(array, count, size, index));
	} else if (kind == 1) {
		elements_remove(field, *array, count, index);
	} else if (kind == 2 && *count < ELEMENTS_MAX) {
		size_t times = mutate_once_in(mutate, 8) ? 64 : 1;

		for (size_t i = 0; i < times; i++) {
			void *copy = elements_insert(array, count, size, index);

			element_copy(field, (char *)copy + size, copy);
		}
	} else {
		element_change(mutate, field, (char *)*array + index * size);
	}
}

/* ---- messages ---- */

static bool field_is_oneof(const ProtobufCFieldDescriptor *field)
{
	return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* Mostly the member that is there changes; sometimes another one takes its place. */
static void oneof_change(struct mutate *mutate, const ProtobufCFieldDescriptor *field,
			 ProtobufCMessage *message)
{
	uint32_t *which = (uint32_t *)(void *)((char *)message + field->quantifier_offset);
	const ProtobufCFieldDescriptor *old =
		*which == 0 ? NULL
			    : protobuf_c_message_descriptor_get_field(message->descriptor, *which);

	if (old != NULL && (old == field || !mutate_once_in(mutate, 8))) {
		element_change(mutate, old, (char *)message + old->offset);
		return;
	}
	if (old != NULL) {
		element_destroy(old, (char *)message + old->offset);
	}
	*which = field->id;
	memset((char *)message + field->offset, 0, element_size(field));
	element_change(mutate, field, (char *)message + field->offset);
}

static void field_change(struct mutate *mutate, const ProtobufCFieldDescriptor *field,
			 ProtobufCMessage *message)
{
	void *element = (char *)message + field->offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		repeated_change(mutate, field, message);
	} else if (field_is_oneof(field)) {
		oneof_change(mutate, field, message);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
		   *(ProtobufCMessage **)element != NULL && mutate_once_in(mutate, 8)) {
		element_destroy(field, element);
	} else {
		element_change(mutate, field, element);
	}
}

static void message_change(struct mutate *mutate, ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;

	if (descriptor->n_fields > 0) {
		field_change(mutate,
			     &descriptor->fields[mutate_below(mutate, descriptor->n_fields)],
			     message);
	}
}

size_t mutate_message(struct mutate *mutate, const ProtobufCMessageDescriptor *descriptor,
		      uint8_t *data, size_t size, size_t max_size)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, size, data);
	size_t len;

	if (message == NULL) {
		message = message_new(descriptor);
	}
	for (size_t i = 1 + mutate_below(mutate, 3); i > 0; i--) {
		message_change(mutate, message);
	}
	len = protobuf_c_message_get_packed_size(message);
	if (len <= max_size) {
		size = protobuf_c_message_pack(message, data);
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return size;
}
