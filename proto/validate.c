/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One function for each message that a peer may send: it returns what is wrong, as a phrase, or
 * NULL. They know the message alone; whether it is the right one at this moment is for who runs the
 * stream.
 */
#include "proto/validate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/checked.h"
#include "common/dns_name.h"
#include "proto/limits.h"
#include "proto/network_map.h"
#include "proto/validate_digest.h"
#include "proto/validate_fields.h"
#include "proto/vm_state.h"
#include "proto/validate_order.h"
#include "proto/wire.pb-c.h"

#define RETRY_MAX_MS (24u * 3600u * 1000u)
#define PORT_MAX     65535u

static const void *message_of(const struct frame *frame)
{
	return frame->message;
}

static const char *check_locate(const struct frame *frame)
{
	const Vmreplica__Wire__Locate *m = message_of(frame);

	return validate_field_version(m->version) ?: validate_field_relationship(m->relationship);
}

static const char *check_peer_name(const char *name)
{
	return dns_name_is_valid(name) ? NULL : "the name to expect is not a DNS name";
}

static const char *check_node(const char *node)
{
	return dns_name_is_valid(node) ? NULL : "the node's name is malformed";
}

static const char *check_redirect(const struct frame *frame)
{
	const Vmreplica__Wire__Redirect *m = message_of(frame);

	if (!validate_host(m->host) || m->port == 0 || m->port > PORT_MAX) {
		return "the owner's address is malformed";
	}
	return check_node(m->node) ?: check_peer_name(m->name);
}

static const char *check_relay(const struct frame *frame)
{
	const Vmreplica__Wire__Relay *m = message_of(frame);

	/* It becomes a label of the server name. */
	if (!dns_name_is_valid(m->token) || strchr(m->token, '.') != NULL) {
		return "the token is malformed";
	}
	if (m->valid_ms == 0 || m->valid_ms > RETRY_MAX_MS) {
		return "the token's validity is out of range";
	}
	return check_node(m->node) ?: check_peer_name(m->name);
}

static const char *check_retry(uint32_t retry_ms)
{
	return retry_ms <= RETRY_MAX_MS ? NULL : "the time to the next try is out of range";
}

static const char *check_moving(const struct frame *frame)
{
	const Vmreplica__Wire__Moving *m = message_of(frame);

	return check_retry(m->retry_ms) ?: validate_field_reason(m->reason);
}

static const char *check_not_found(const struct frame *frame)
{
	const Vmreplica__Wire__NotFound *m = message_of(frame);

	return validate_field_reason(m->reason);
}

static const char *check_code(const char *code)
{
	return validate_code(code) ? NULL : "the code is malformed";
}

static const char *check_denied(const struct frame *frame)
{
	const Vmreplica__Wire__Denied *m = message_of(frame);

	return check_code(m->code) ?: validate_field_reason(m->reason);
}

static const char *check_vm(const char *vm)
{
	return validate_vm_name(vm) ? NULL : "the VM's name is malformed";
}

static const char *check_maps(char *const *maps, size_t count)
{
	struct network_map map = {0};
	char error[NETWORK_MAP_ERROR_LEN];

	for (size_t i = 0; i < count; i++) {
		if (network_map_add(&map, maps[i], error) < 0) {
			return "a map of networks is malformed or one too many";
		}
	}
	return NULL;
}

static const char *check_enroll(const struct frame *frame)
{
	const Vmreplica__Wire__Enroll *m = message_of(frame);

	return validate_field_version(m->version) ?: validate_field_relationship(m->relationship) ?: check_vm(m->vm)
		?: validate_field_site(m->site) ?: validate_field_frequency(m->frequency_s) ?: validate_field_points(m->points)
		?: validate_field_disks(m->disks, m->n_disks)
		?: check_maps(m->maps, m->n_maps) ?: m->domain_xml.len > ENROLL_XML_MAX ? "the domain's XML is too long" : NULL;
}

/* Empty where a dry run has nothing to name yet. */
static const char *check_enrolled(const struct frame *frame)
{
	const Vmreplica__Wire__Enrolled *m = message_of(frame);

	if (m->resource[0] != '\0' && !validate_resource_id(m->resource)) {
		return "the resource's id is malformed";
	}
	if (m->storage[0] != '\0' && !validate_absolute_path(m->storage)) {
		return "the storage is not an absolute path";
	}
	if (m->node[0] != '\0' && check_node(m->node) != NULL) {
		return "the node's name is malformed";
	}
	for (size_t i = 0; i < m->n_warnings; i++) {
		if (i >= WARNINGS_MAX || !validate_text(m->warnings[i], REASON_MAX)) {
			return "a warning is malformed or one too many";
		}
	}
	return validate_field_site(m->site);
}

static const char *check_withdraw(const struct frame *frame)
{
	const Vmreplica__Wire__Withdraw *m = message_of(frame);

	return validate_field_version(m->version) ?: validate_field_relationship(m->relationship) ?: validate_field_site(m->site);
}

/* Messages whose every value is right. */
static const char *check_nothing(const struct frame *frame)
{
	(void)frame;
	return NULL;
}

static const char *check_hello(const struct frame *frame)
{
	const Vmreplica__Wire__Hello *m = message_of(frame);

	return validate_field_version(m->version) ?: validate_field_relationship(m->relationship) ?: validate_field_epoch(m->epoch)
		?: check_vm(m->vm) ?: validate_field_site(m->site) ?: check_node(m->node) ?: validate_order_address(m->peer_address)
		?: validate_field_disks(m->disks, m->n_disks) ?: validate_field_frequency(m->frequency_s);
}

static const char *check_welcome(const struct frame *frame)
{
	const Vmreplica__Wire__Welcome *m = message_of(frame);
	const char *why = validate_field_version(m->version)
				  ?: validate_field_reason(m->reason)
				  ?: validate_field_seq(m->next_seq);

	if (why == NULL && m->committed != NULL) {
		why = validate_field_cut(m->committed);
	}
	if (why == NULL && m->mark != NULL) {
		why = validate_field_mark(m->mark);
	}
	if (why == NULL && m->epoch != NULL) {
		why = validate_field_epoch(m->epoch);
	}
	if (m->extents > EXTENTS_FRAMES_MAX) {
		return "too many extents are announced";
	}
	/* NONE: nothing is expected now. */
	return why
		       ?: m->mode == VMREPLICA__WIRE__MODE__MODE_NONE
			  ? NULL
			  : validate_field_mode(m->mode);
}

static const char *check_moved(const struct frame *frame)
{
	const Vmreplica__Wire__Moved *m = message_of(frame);

	return check_retry(m->retry_ms) ?: validate_field_reason(m->reason);
}

static const char *check_busy(const struct frame *frame)
{
	const Vmreplica__Wire__Busy *m = message_of(frame);

	return check_code(m->code) ?: validate_field_reason(m->reason) ?: check_retry(m->retry_ms);
}

static const char *check_failure(const struct frame *frame)
{
	const Vmreplica__Wire__Failure *m = message_of(frame);

	return check_code(m->code) ?: validate_field_reason(m->reason);
}

static const char *check_cut_id(const char *cut_id)
{
	return validate_cut_id(cut_id) ? NULL : "the cut id is malformed";
}

static const char *check_cycle_base(const Vmreplica__Wire__CycleBegin *m)
{
	if (m->base_cut == NULL) {
		return m->mode == VMREPLICA__WIRE__MODE__MODE_DELTA ? "a delta names no base"
								    : NULL;
	}
	return validate_field_cut(m->base_cut);
}

static const char *check_cycle_begin(const struct frame *frame)
{
	const Vmreplica__Wire__CycleBegin *m = message_of(frame);
	const char *why = validate_field_mode(m->mode) ?: check_cut_id(m->cut_id) ?: check_cycle_base(m)
		?: validate_field_seq(m->seq) ?: validate_field_time(m->cut_time_ms)
		?: validate_field_disks(m->disks, m->n_disks);

	if (why == NULL && m->resumed != NULL) {
		why = validate_field_mark(m->resumed);
	}
	if (why == NULL && strcmp(m->consistency, "crash") != 0 &&
	    strcmp(m->consistency, "application") != 0) {
		why = "the consistency is unknown";
	}
	if (why == NULL && frame->payload_len > 0 && m->domain_xml.len > 0) {
		why = "the domain's XML is there twice";
	}
	return why ?: m->domain_xml.len > DOMAIN_XML_INLINE_MAX ? "the domain's XML is too long" : NULL;
}

static const char *check_vm_state(const struct frame *frame)
{
	const Vmreplica__Wire__VmState *m = message_of(frame);

	return m->length == 0 || m->length > VM_STATE_MAX || frame->payload_len == 0 ||
			       frame->payload_len > m->length ||
			       m->codec > VMREPLICA__WIRE__CODEC__CODEC_ZSTD
		       ? "the VM's state is out of range"
		       : NULL;
}

static const char *check_chunk_data(const Vmreplica__Wire__Chunk *m, uint32_t payload_len)
{
	if (m->length > CHUNK_MAX || payload_len == 0 || payload_len > m->length) {
		return "the chunk's length is out of range";
	}
	if (m->codec > VMREPLICA__WIRE__CODEC__CODEC_ZSTD) {
		return "the chunk's codec is unknown";
	}
	return m->codec == VMREPLICA__WIRE__CODEC__CODEC_PLAIN && payload_len != m->length
		       ? "the plain chunk's lengths differ"
		       : NULL;
}

static const char *check_chunk(const struct frame *frame)
{
	const Vmreplica__Wire__Chunk *m = message_of(frame);

	if (m->disk >= DISKS_MAX || !range_is_inside(m->offset, m->length, DISK_SIZE_MAX)) {
		return "the chunk lies outside every disk";
	}
	switch (m->kind) {
	case VMREPLICA__WIRE__CHUNK_KIND__CHUNK_DATA:
		return check_chunk_data(m, frame->payload_len);
	case VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO:
		return frame->payload_len != 0 || m->checksum != 0 ||
				       m->codec != VMREPLICA__WIRE__CODEC__CODEC_PLAIN
			       ? "a chunk of zeros carries data"
			       : NULL;
	default:
		return "the chunk's kind is unknown";
	}
}

static const char *check_mark_request(const struct frame *frame)
{
	const Vmreplica__Wire__MarkRequest *m = message_of(frame);

	return validate_field_mark(m->mark);
}

static const char *check_marked(const struct frame *frame)
{
	const Vmreplica__Wire__Marked *m = message_of(frame);

	return validate_field_mark(m->mark);
}

static const char *check_cycle_end(const struct frame *frame)
{
	const Vmreplica__Wire__CycleEnd *m = message_of(frame);

	return check_cut_id(m->cut_id)
		       ?: m->stream_hash.len != LOG_HASH_LEN ? "the stream's hash is malformed"
							     : NULL;
}

static const char *check_cycle_abort(const struct frame *frame)
{
	const Vmreplica__Wire__CycleAbort *m = message_of(frame);

	return validate_field_reason(m->reason);
}

static const char *check_committed(const struct frame *frame)
{
	const Vmreplica__Wire__Committed *m = message_of(frame);

	return m->cut != NULL ? validate_field_cut(m->cut) : "the cut is missing";
}

/* A newer peer may know more states than we do: they are shown as unknown, not refused. */
static const char *check_peer_state(const struct frame *frame)
{
	const Vmreplica__Wire__PeerState *m = message_of(frame);

	return validate_field_reason(m->reason)
		       ?: m->frequency_s > FREQUENCY_MAX_S ? "the frequency is out of range"
							   : NULL;
}

static const struct {
	enum frame_type type;
	const char *(*check)(const struct frame *frame);
} frame_checks[] = {
	{FRAME_LOCATE, check_locate},
	{FRAME_REDIRECT, check_redirect},
	{FRAME_RELAY, check_relay},
	{FRAME_MOVING, check_moving},
	{FRAME_NOT_FOUND, check_not_found},
	{FRAME_DENIED, check_denied},
	{FRAME_ENROLL, check_enroll},
	{FRAME_ENROLLED, check_enrolled},
	{FRAME_WITHDRAW, check_withdraw},
	{FRAME_WITHDRAWN, check_nothing},
	{FRAME_QUERY, validate_query},
	{FRAME_QUERY_ANSWER, validate_query_answer},
	{FRAME_ORDER, validate_order},
	{FRAME_ORDERED, validate_ordered},
	{FRAME_HELLO, check_hello},
	{FRAME_WELCOME, check_welcome},
	{FRAME_MOVED, check_moved},
	{FRAME_BUSY, check_busy},
	{FRAME_FAILURE, check_failure},
	{FRAME_CYCLE_BEGIN, check_cycle_begin},
	{FRAME_VM_STATE, check_vm_state},
	{FRAME_CHUNK, check_chunk},
	{FRAME_DIGEST, validate_digest},
	{FRAME_DIGEST_REPLY, validate_digest_reply},
	{FRAME_MARK_REQUEST, check_mark_request},
	{FRAME_MARKED, check_marked},
	{FRAME_CYCLE_END, check_cycle_end},
	{FRAME_CYCLE_ABORT, check_cycle_abort},
	{FRAME_COMMITTED, check_committed},
	{FRAME_PEER_STATE, check_peer_state},
	{FRAME_PING, check_nothing},
	{FRAME_PONG, check_nothing},
	{FRAME_EXTENTS, validate_extents},
	{FRAME_VERIFY, validate_verify},
	{FRAME_VERIFIED, validate_verified},
};

int validate_frame(const struct frame *frame, char error[VALIDATE_ERROR_LEN])
{
	const char *why = "this frame is not for peers";

	for (size_t i = 0; i < sizeof(frame_checks) / sizeof(frame_checks[0]); i++) {
		if (frame_checks[i].type == frame->type) {
			why = frame_checks[i].check(frame);
			break;
		}
	}
	if (why != NULL) {
		snprintf(error, VALIDATE_ERROR_LEN, "%s: %s", frame_type_to_string(frame->type),
			 why);
		return -EBADMSG;
	}
	return 0;
}
