/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One message of each type of frame: the first byte is the type, the next two are the length of its
 * payload in units of 16 bytes (what stands behind a message is not looked at here). What can be
 * decoded encodes to what decodes to the same; what validation lets through keeps what the code
 * behind it relies on.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/vm_resource.h"
#include "fuzz.h"
#include "message_promise.h"
#include "mutate_message.h"
#include "proto/frame.h"
#include "proto/ipc.pb-c.h"
#include "proto/limits.h"
#include "proto/message_copy.h"
#include "proto/validate.h"

#define HEAD_LEN 3u

static bool encodes_to_the_same(const ProtobufCMessage *message, const ProtobufCMessage *other)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *one = malloc(len + 1), *two = malloc(len + 1);
	bool same;

	assert(one != NULL && two != NULL);
	same = protobuf_c_message_get_packed_size(other) == len &&
	       protobuf_c_message_pack(message, one) == len &&
	       protobuf_c_message_pack(other, two) == len && memcmp(one, two, len) == 0;
	free(one);
	free(two);
	return same;
}

/* Tag 0 is not allowed. protobuf-c takes it all the same when it is written in two bytes, writes it
 * in one, and refuses that. */
static bool has_tag_zero(const ProtobufCMessage *message)
{
	bool found = false;

	for (unsigned int i = 0; i < message->n_unknown_fields; i++) {
		found = found || message->unknown_fields[i].tag == 0;
	}
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		size_t count;
		ProtobufCMessage *const *messages = message_submessages(message, field, &count);

		for (size_t k = 0; k < count; k++) {
			found = found || has_tag_zero(messages[k]);
		}
	}
	return found;
}

/* A number may take more bytes when it is written than it took (32 bits with a sign), and so many
 * small submessages more memory than the budget: then it is refused, as it must be. */
static void check_again(enum frame_type type, const ProtobufCMessage *message)
{
	uint8_t *buf = malloc(frame_size(message));
	struct frame_header header;
	struct arena arena;
	ProtobufCMessage *again, *copy = message_copy(message);
	size_t len;

	if (copy == NULL && has_tag_zero(message)) {
		free(buf);
		return;
	}
	assert(buf != NULL && copy != NULL && encodes_to_the_same(message, copy));
	protobuf_c_message_free_unpacked(copy, NULL);
	len = frame_encode(type, message, 0, buf);
	assert(len == frame_size(message));
	arena_init(&arena, ARENA_LOCAL_MAX);
	if (frame_check_size(type, len - FRAME_HEADER_LEN, 0) == 0) {
		assert(frame_header_decode(buf, &header) == 0 && header.type == type);
		again = frame_decode(type, buf + FRAME_HEADER_LEN, header.message_len, &arena);
		assert(again != NULL && encodes_to_the_same(message, again));
	}
	arena_reset(&arena);
	free(buf);
}

/* The VM's resource is looked at when something is to be done with it. */
static bool is_without_vm(enum frame_type type, const ProtobufCMessage *message)
{
	const Vmreplica__Ipc__CibSwitch *m = (const void *)message;

	return type == FRAME_CIB_SWITCH &&
	       m->follow == VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_KEEP &&
	       m->target == VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_KEEP && m->n_vm_parameters == 0;
}

/* What the CIB's helper looks at before it writes. */
static void check_cib(enum frame_type type, const ProtobufCMessage *message)
{
	char error[VM_RESOURCE_ERROR_LEN] = "";
	int r = 0;

	if (type == FRAME_CIB_CREATE_VM) {
		r = vm_resource_check_create((const void *)message, error);
	} else if (type == FRAME_CIB_UPDATE_VM) {
		r = vm_resource_check_update((const void *)message, error);
	} else if (type == FRAME_CIB_CREATE_DOMAIN) {
		r = domain_resource_check_create((const void *)message, error);
	} else if (type == FRAME_CIB_DELETE_DOMAIN) {
		r = domain_resource_check_delete((const void *)message, error);
	} else if (type == FRAME_CIB_SWITCH) {
		r = domain_resource_check_switch((const void *)message, error);
	} else {
		return;
	}
	assert(r == 0 || error[0] != '\0');
	assert(r < 0 || is_without_vm(type, message) || message_texts_are_plain(message));
}

static void use(struct frame *frame)
{
	char error[VALIDATE_ERROR_LEN] = "";

	check_again(frame->type, frame->message);
	check_cib(frame->type, frame->message);
	if (validate_frame(frame, error) < 0) {
		assert(error[0] != '\0');
		return;
	}
	assert(frame->type < FRAME_ADMIN_REQUEST);
	message_promise_check(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame = {0};
	struct arena arena;

	if (size < HEAD_LEN) {
		return 0;
	}
	frame.type = (enum frame_type)data[0];
	frame.payload_len = 16u * (uint32_t)(data[1] << 8 | data[2]);
	if (frame_check_size(frame.type, size - HEAD_LEN, frame.payload_len) < 0) {
		return 0;
	}
	arena_init(&arena, frame.type < FRAME_ADMIN_REQUEST ? ARENA_MAX : ARENA_LOCAL_MAX);
	frame.message = frame_decode(frame.type, data + HEAD_LEN, size - HEAD_LEN, &arena);
	if (frame.message != NULL) {
		use(&frame);
	}
	arena_reset(&arena);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	const ProtobufCMessageDescriptor *descriptor;
	struct mutate mutate;

	mutate_init(&mutate, seed);
	if (size < HEAD_LEN || max_size <= HEAD_LEN || mutate_once_in(&mutate, 16)) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	if (mutate_once_in(&mutate, 64)) {
		data[0] = (uint8_t)mutate_below(&mutate, FRAME_CIB_STATE + 1);
	}
	descriptor = frame_descriptor((enum frame_type)data[0]);
	if (descriptor == NULL || mutate_once_in(&mutate, 16)) {
		data[1] = (uint8_t)mutate_below(&mutate, 2);
		data[2] = (uint8_t)mutate_number(&mutate, data[2]);
		return size;
	}
	return HEAD_LEN + mutate_message(&mutate, descriptor, data + HEAD_LEN, size - HEAD_LEN,
					 max_size - HEAD_LEN);
}
