/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/frame.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "proto/admin.pb-c.h"
#include "proto/ipc.pb-c.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"

struct frame_rule {
	enum frame_type type;
	const char *name;
	const ProtobufCMessageDescriptor *descriptor;
	uint32_t message_max, payload_max;
};

#define WIRE_PAYLOAD(word, message, payload)                                                       \
	{                                                                                          \
		FRAME_##word, #word, &vmreplica__wire__##message##__descriptor, FRAME_MESSAGE_MAX, \
			payload                                                                    \
	}
#define WIRE(word, message) WIRE_PAYLOAD(word, message, 0)
#define LOCAL(word, package, message)                                                              \
	{                                                                                          \
		FRAME_##word, #word, &vmreplica__##package##__##message##__descriptor,             \
			FRAME_ADMIN_MESSAGE_MAX, 0                                                 \
	}
#define IPC(word, message) LOCAL(word, ipc, message)

/* Sorted by type: each frame is looked up. */
static const struct frame_rule frame_rules[] = {
	WIRE(LOCATE, locate),
	WIRE(REDIRECT, redirect),
	WIRE(RELAY, relay),
	WIRE(MOVING, moving),
	WIRE(NOT_FOUND, not_found),
	WIRE(DENIED, denied),
	WIRE(ENROLL, enroll),
	WIRE(ENROLLED, enrolled),
	WIRE(WITHDRAW, withdraw),
	WIRE(WITHDRAWN, withdrawn),
	WIRE(QUERY, query),
	WIRE(QUERY_ANSWER, query_answer),
	WIRE(ORDER, order),
	WIRE(ORDERED, ordered),
	WIRE(HELLO, hello),
	WIRE(WELCOME, welcome),
	WIRE(MOVED, moved),
	WIRE(BUSY, busy),
	WIRE(FAILURE, failure),
	WIRE_PAYLOAD(CYCLE_BEGIN, cycle_begin, DOMAIN_XML_MAX),
	WIRE_PAYLOAD(CHUNK, chunk, FRAME_PAYLOAD_MAX),
	WIRE_PAYLOAD(DIGEST, digest, DIGEST_COUNT_MAX * 16u),
	WIRE_PAYLOAD(DIGEST_REPLY, digest_reply, (DIGEST_COUNT_MAX + 7u) / 8u),
	WIRE(MARK_REQUEST, mark_request),
	WIRE(MARKED, marked),
	WIRE(CYCLE_END, cycle_end),
	WIRE(CYCLE_ABORT, cycle_abort),
	WIRE(COMMITTED, committed),
	WIRE(PEER_STATE, peer_state),
	WIRE(PING, ping),
	WIRE(PONG, pong),
	WIRE_PAYLOAD(EXTENTS, extents, EXTENTS_COUNT_MAX * 16u),
	WIRE_PAYLOAD(VM_STATE, vm_state, FRAME_PAYLOAD_MAX),
	WIRE_PAYLOAD(VERIFY, verify, DIGEST_COUNT_MAX * 16u),
	WIRE_PAYLOAD(VERIFIED, verified, (DIGEST_COUNT_MAX + 7u) / 8u),
	LOCAL(ADMIN_REQUEST, admin, request),
	LOCAL(ADMIN_RESPONSE, admin, response),
	IPC(RECEIVER_CONFIG, receiver_config),
	IPC(AUTHORIZATION_SET, authorization_set),
	IPC(STORE_OPEN, store_open),
	IPC(STORE_CLOSE, store_close),
	IPC(STORE_SUSPEND, store_suspend),
	IPC(SHUTDOWN, shutdown),
	IPC(POINTS_QUERY, points_query),
	IPC(STORE_TAKEOVER, store_takeover),
	IPC(STORE_TAKEOVER_END, store_takeover_end),
	IPC(STORE_ADOPT, store_adopt),
	IPC(STORE_EXTENTS, store_extents),
	IPC(STORE_LEND, store_lend),
	IPC(STORE_LEND_END, store_lend_end),
	IPC(STORE_PULSE, store_pulse),
	IPC(STORE_IMPORT, store_import),
	IPC(RECEIVER_READY, receiver_ready),
	IPC(STORE_OPENED, store_opened),
	IPC(STORE_CLOSED, store_closed),
	IPC(REPLICA_STATUS, replica_status),
	IPC(RECEIVER_EVENT, receiver_event),
	IPC(REPLICA_POINTS, replica_points),
	IPC(STORE_TAKEN, store_taken),
	IPC(STORE_LENT, store_lent),
	IPC(STORE_IMPORTED, store_imported),
	IPC(CIB_WATCH, cib_watch),
	IPC(CIB_CREATE_VM, cib_create_vm),
	IPC(CIB_DELETE_VM, cib_delete_vm),
	IPC(CIB_UPDATE_VM, cib_update_vm),
	IPC(CIB_SET_SETTING, cib_set_setting),
	IPC(CIB_SET_HEALTH, cib_set_health),
	IPC(CIB_CREATE_DOMAIN, cib_create_domain),
	IPC(CIB_DELETE_DOMAIN, cib_delete_domain),
	IPC(CIB_SWITCH, cib_switch),
	IPC(CIB_PLACEMENT, cib_placement),
	IPC(CIB_SETTINGS, cib_settings),
	IPC(CIB_DONE, cib_done),
	IPC(CIB_STATE, cib_state),
};

static const struct frame_rule *frame_rule_find(unsigned int type)
{
	size_t low = 0, high = sizeof(frame_rules) / sizeof(frame_rules[0]);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (frame_rules[middle].type == type) {
			return &frame_rules[middle];
		}
		if (frame_rules[middle].type < type) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return NULL;
}

const char *frame_type_to_string(enum frame_type type)
{
	const struct frame_rule *rule = frame_rule_find(type);

	return rule != NULL ? rule->name : "unknown frame";
}

const ProtobufCMessageDescriptor *frame_descriptor(enum frame_type type)
{
	const struct frame_rule *rule = frame_rule_find(type);

	return rule != NULL ? rule->descriptor : NULL;
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint16_t get_u16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return be16toh(value);
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

int frame_check_size(enum frame_type type, size_t message_len, size_t payload_len)
{
	const struct frame_rule *rule = frame_rule_find(type);

	if (rule == NULL) {
		return -EPROTO;
	}
	return message_len > rule->message_max || payload_len > rule->payload_max ? -EMSGSIZE : 0;
}

int frame_header_decode(const uint8_t raw[FRAME_HEADER_LEN], struct frame_header *ret_header)
{
	uint16_t type = get_u16(raw + 4);
	uint32_t message_len = get_u32(raw + 8), payload_len = get_u32(raw + 12);
	int r;

	if (get_u32(raw) != FRAME_MAGIC || get_u16(raw + 6) != 0) {
		return -EPROTO;
	}
	r = frame_check_size((enum frame_type)type, message_len, payload_len);
	if (r < 0) {
		return r;
	}
	ret_header->type = type;
	ret_header->message_len = message_len;
	ret_header->payload_len = payload_len;
	return 0;
}

void frame_header_encode(const struct frame_header *header, uint8_t raw[FRAME_HEADER_LEN])
{
	put_u32(raw, FRAME_MAGIC);
	put_u32(raw + 4, (uint32_t)header->type << 16); /* flags 0 */
	put_u32(raw + 8, header->message_len);
	put_u32(raw + 12, header->payload_len);
}

size_t frame_size(const ProtobufCMessage *message)
{
	return FRAME_HEADER_LEN + protobuf_c_message_get_packed_size(message);
}

size_t frame_encode(enum frame_type type, const ProtobufCMessage *message, uint32_t payload_len,
		    uint8_t *buf)
{
	size_t len = protobuf_c_message_pack(message, buf + FRAME_HEADER_LEN);
	struct frame_header header = {.type = (uint16_t)type, .payload_len = payload_len};

	assert(message->descriptor == frame_descriptor(type));
	assert(len <= UINT32_MAX);
	header.message_len = (uint32_t)len;
	frame_header_encode(&header, buf);
	return FRAME_HEADER_LEN + len;
}

ProtobufCMessage *frame_decode(enum frame_type type, const uint8_t *message, size_t len,
			       struct arena *arena)
{
	const struct frame_rule *rule = frame_rule_find(type);

	if (rule == NULL || len > rule->message_max) {
		return NULL;
	}
	return protobuf_c_message_unpack(rule->descriptor, &arena->allocator, len, message);
}
