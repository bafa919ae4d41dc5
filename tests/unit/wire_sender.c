/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire_sender.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "proto/names.h"
#include "proto/vm_state.h"

#define LINEAGE "0f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e22"

static char *text(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

bool sender_connect(struct sender *sender, const struct rig *rig, struct tls_context *tls)
{
	char error[TLS_ERROR_LEN];
	int fd;

	sender_drop(sender);
	fd = tls_dial("127.0.0.1", rig->port, 5000, error);
	if (fd < 0) {
		return false;
	}
	sender->conn = tls_client_new(tls, fd, "b1.b.example", NULL);
	sender->codec = codec_state_new();
	sender->hash = sha256_new();
	channel_init_tls(&sender->channel, sender->conn);
	arena_init(&sender->arena, 1024 * 1024);
	return tls_handshake_full(sender->conn, 10000) == 0;
}

void sender_drop(struct sender *sender)
{
	if (sender->conn == NULL) {
		return;
	}
	channel_destroy(&sender->channel);
	arena_reset(&sender->arena);
	codec_state_free(sender->codec);
	sha256_free(sender->hash);
	tls_conn_free(sender->conn);
	memset(sender, 0, sizeof(*sender));
}

uint64_t sender_features;

static void cut_take(struct sender_cut *to, const Vmreplica__Cut *cut)
{
	memset(to, 0, sizeof(*to));
	if (cut != NULL) {
		to->seq = cut->seq;
		snprintf(to->cut_id, sizeof(to->cut_id), "%s", cut->cut_id);
		if (cut->log_hash.len == sizeof(to->log_hash)) {
			memcpy(to->log_hash, cut->log_hash.data, sizeof(to->log_hash));
		}
	}
}

static void welcome_take(struct sender *sender, const Vmreplica__Wire__Welcome *welcome)
{
	sender->extents = welcome->extents;
	memset(&sender->mark, 0, sizeof(sender->mark));
	sender->mode = welcome->mode;
	sender->next_seq = welcome->next_seq;
	snprintf(sender->welcome_reason, sizeof(sender->welcome_reason), "%s", welcome->reason);
	cut_take(&sender->committed, welcome->committed);
	if (welcome->mark != NULL) {
		sender->mark.mode = welcome->mark->mode;
		sender->mark.seq = welcome->mark->seq;
		snprintf(sender->mark.cut_id, sizeof(sender->mark.cut_id), "%s",
			 welcome->mark->cut_id);
		sender->mark.disk = welcome->mark->disk;
		sender->mark.offset = welcome->mark->offset;
	}
}

static void answer_take(struct sender *sender, const struct frame *frame)
{
	const char *code = "", *reason = "";

	switch (frame->type) {
	case FRAME_FAILURE:
		code = ((Vmreplica__Wire__Failure *)frame->message)->code;
		reason = ((Vmreplica__Wire__Failure *)frame->message)->reason;
		break;
	case FRAME_BUSY:
		code = ((Vmreplica__Wire__Busy *)frame->message)->code;
		reason = ((Vmreplica__Wire__Busy *)frame->message)->reason;
		break;
	case FRAME_DENIED:
		code = ((Vmreplica__Wire__Denied *)frame->message)->code;
		reason = ((Vmreplica__Wire__Denied *)frame->message)->reason;
		break;
	case FRAME_MOVED:
		reason = ((Vmreplica__Wire__Moved *)frame->message)->reason;
		break;
	case FRAME_COMMITTED:
		cut_take(&sender->committed, ((Vmreplica__Wire__Committed *)frame->message)->cut);
		break;
	case FRAME_WELCOME:
		welcome_take(sender, (Vmreplica__Wire__Welcome *)frame->message);
		break;
	default:
		break;
	}
	sender->answer = frame->type;
	snprintf(sender->code, sizeof(sender->code), "%s", code);
	snprintf(sender->reason, sizeof(sender->reason), "%s", reason);
}

enum frame_type sender_answer(struct sender *sender, int timeout_ms)
{
	struct frame frame;
	int rc = channel_receive(&sender->channel, &sender->arena, &frame, NULL, 0, timeout_ms);

	sender->answer = 0;
	if (rc == 0) {
		answer_take(sender, &frame);
	}
	return sender->answer;
}

FILE *sender_record;
bool sender_silent;
const char *sender_relationship;

static void frame_record(enum frame_type type, const ProtobufCMessage *message, const void *payload,
			 uint32_t payload_len)
{
	uint8_t *raw = malloc(frame_size(message));
	size_t len = raw == NULL ? 0 : frame_encode(type, message, payload_len, raw);

	if (len == 0 || fwrite(raw, 1, len, sender_record) != len ||
	    (payload_len > 0 && fwrite(payload, 1, payload_len, sender_record) != payload_len)) {
		abort();
	}
	free(raw);
}

void sender_send(struct sender *sender, enum frame_type type, const ProtobufCMessage *message,
		 const void *payload, uint32_t payload_len)
{
	if (sender_record != NULL) {
		frame_record(type, message, payload, payload_len);
	}
	if (!sender_silent) {
		channel_send(&sender->channel, type, message, payload, payload_len, 20000);
	}
}

static void disks_fill(const struct model *model, Vmreplica__Wire__Disk *disks,
		       Vmreplica__Wire__Disk **list)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		vmreplica__wire__disk__init(&disks[i]);
		disks[i].name = text(model->disks[i].name);
		disks[i].size_bytes = model->disks[i].size;
		list[i] = &disks[i];
	}
}

enum frame_type sender_hello(struct sender *sender, const struct model *model)
{
	Vmreplica__Wire__Hello hello = VMREPLICA__WIRE__HELLO__INIT;
	Vmreplica__Wire__Version version = VMREPLICA__WIRE__VERSION__INIT;
	Vmreplica__Wire__Disk disks[MODEL_DISKS], *list[MODEL_DISKS];
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;

	version.min = sender->version_min == 0 ? 1 : sender->version_min;
	version.max = sender->version_max == 0 ? 1 : sender->version_max;
	version.features = sender_features;
	epoch.number = sender->epoch == 0 ? 1 : sender->epoch;
	epoch.lineage = text(sender->lineage == NULL ? LINEAGE : sender->lineage);
	epoch.site = text(sender->holder == NULL ? RIG_SITE : sender->holder);
	disks_fill(model, disks, list);
	hello.version = &version;
	hello.relationship =
		text(sender_relationship == NULL ? RIG_RELATIONSHIP : sender_relationship);
	hello.epoch = &epoch;
	hello.vm = text("web1");
	hello.site = text(sender->site == NULL ? RIG_SITE : sender->site);
	hello.node = text("a1");
	hello.disks = list;
	hello.n_disks = MODEL_DISKS;
	hello.frequency_s = 5;
	sender_send(sender, FRAME_HELLO, &hello.base, NULL, 0);
	return sender_answer(sender, SENDER_ANSWER_MS);
}

bool sender_enter(struct sender *sender, const struct rig *rig, const struct model *model)
{
	return sender_connect(sender, rig, rig->sender_tls) &&
	       sender_hello(sender, model) == FRAME_WELCOME;
}

static uint64_t read_be(const uint8_t *at)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

static uint64_t extent_take(struct model_disk *disk, uint64_t offset, uint64_t length)
{
	for (uint64_t c = offset / MODEL_CLUSTER; c <= (offset + length - 1) / MODEL_CLUSTER; c++) {
		disk->dirty[c] = 1;
	}
	return length;
}

uint64_t sender_extents(struct sender *sender, struct model *model)
{
	static uint8_t payload[EXTENTS_COUNT_MAX * 16];
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < sender->extents; i++) {
		const Vmreplica__Wire__Extents *message;
		struct frame frame;

		if (channel_receive(&sender->channel, &sender->arena, &frame, payload,
				    sizeof(payload), 5000) < 0 ||
		    frame.type != FRAME_EXTENTS) {
			if (rig_mortal) {
				return UINT64_MAX;
			}
			rig_die("no EXTENTS");
		}
		message = (const Vmreplica__Wire__Extents *)frame.message;
		for (uint32_t k = 0; k < message->count; k++) {
			bytes += extent_take(&model->disks[message->disk],
					     read_be(payload + (size_t)k * 16),
					     read_be(payload + (size_t)k * 16 + 8));
		}
	}
	return bytes;
}

/* What CYCLE_BEGIN points at. */
struct begin_parts {
	Vmreplica__Cut base;
	Vmreplica__Wire__Mark mark;
	Vmreplica__Wire__Disk disks[MODEL_DISKS], *list[MODEL_DISKS];
};

static void mark_fill(Vmreplica__Wire__Mark *to, struct sender_mark *mark)
{
	vmreplica__wire__mark__init(to);
	to->mode = mark->mode;
	to->seq = mark->seq;
	to->cut_id = mark->cut_id;
	to->disk = mark->disk;
	to->offset = mark->offset;
}

void sender_begin_cut(struct sender *sender, const struct model *model, Vmreplica__Wire__Mode mode,
		      bool resumed, const struct sender_cut *cut)
{
	Vmreplica__Wire__CycleBegin begin = VMREPLICA__WIRE__CYCLE_BEGIN__INIT;
	struct begin_parts parts;
	size_t len;
	bool apart;

	sender->cut = *cut;
	sender->cycle_mode = mode;
	sender->chunks = sender->data_bytes = 0;
	sha256_free(sender->hash);
	sender->hash = sha256_new();
	begin.mode = mode;
	begin.seq = cut->seq;
	begin.cut_id = sender->cut.cut_id;
	sender->cut_time_ms += sender->cut_time_ms != 0 ? sender->cut_step_ms : 0;
	begin.cut_time_ms = sender->cut_time_ms != 0 ? sender->cut_time_ms : clock_wall_ms();
	begin.consistency = text(sender->application ? "application" : "crash");
	begin.estimate_bytes = model->disks[0].size;
	if (mode == VMREPLICA__WIRE__MODE__MODE_DELTA) {
		vmreplica__cut__init(&parts.base);
		parts.base.seq = sender->committed.seq;
		parts.base.cut_id = sender->committed.cut_id;
		parts.base.log_hash.data = sender->committed.log_hash;
		parts.base.log_hash.len = sizeof(sender->committed.log_hash);
		begin.base_cut = &parts.base;
	}
	if (resumed) {
		mark_fill(&parts.mark, &sender->mark);
		begin.resumed = &parts.mark;
	}
	disks_fill(model, parts.disks, parts.list);
	begin.disks = parts.list;
	begin.n_disks = MODEL_DISKS;
	len = sender->definition != NULL ? strlen(sender->definition) : 0;
	apart = len > DOMAIN_XML_INLINE_MAX;
	if (!apart) {
		begin.domain_xml.data = (uint8_t *)(uintptr_t)sender->definition;
		begin.domain_xml.len = len;
	}
	sender_send(sender, FRAME_CYCLE_BEGIN, &begin.base, apart ? sender->definition : NULL,
		    apart ? (uint32_t)len : 0);
	sender->definition = NULL;
	if (sender->nvram != NULL) {
		sender_state(sender, sender->nvram);
		sender->nvram = NULL;
	}
}

void sender_state(struct sender *sender, const char *nvram)
{
	Vmreplica__Wire__VmState message = VMREPLICA__WIRE__VM_STATE__INIT;
	struct vm_state state = {.files = {{VM_STATE_NVRAM, (const uint8_t *)nvram, strlen(nvram)}},
				 .count = 1};
	uint8_t *archive = NULL, *room;
	size_t len = 0, packed = 0;

	if (vm_state_encode(&state, &archive, &len) < 0) {
		abort();
	}
	archive[len - 1] ^= sender->spoil_state ? 1 : 0;
	room = malloc(len);
	message.length = (uint32_t)len;
	message.codec = (Vmreplica__Wire__Codec)codec_compress(sender->codec, archive, len, room,
							       len, 1, &packed);
	if (message.codec == VMREPLICA__WIRE__CODEC__CODEC_PLAIN) {
		memcpy(room, archive, len);
		packed = len;
	}
	sender_send(sender, FRAME_VM_STATE, &message.base, room, (uint32_t)packed);
	free(archive);
	free(room);
}

void sender_begin(struct sender *sender, const struct model *model, Vmreplica__Wire__Mode mode,
		  bool resumed)
{
	struct sender_cut cut = {.seq = sender->next_seq++};

	if (name_make_cut_id(cut.cut_id) < 0) {
		abort();
	}
	sender_begin_cut(sender, model, mode, resumed, &cut);
}

bool sender_mark(struct sender *sender, unsigned int disk, uint64_t offset)
{
	Vmreplica__Wire__MarkRequest request = VMREPLICA__WIRE__MARK_REQUEST__INIT;
	Vmreplica__Wire__Mark mark;

	sender->mark = (struct sender_mark){
		.mode = sender->cycle_mode, .seq = sender->cut.seq, .disk = disk, .offset = offset};
	memcpy(sender->mark.cut_id, sender->cut.cut_id, sizeof(sender->mark.cut_id));
	mark_fill(&mark, &sender->mark);
	request.mark = &mark;
	sender_send(sender, FRAME_MARK_REQUEST, &request.base, NULL, 0);
	return sender_answer(sender, SENDER_ANSWER_MS) == FRAME_MARKED;
}

void sender_send_end(struct sender *sender)
{
	Vmreplica__Wire__CycleEnd end = VMREPLICA__WIRE__CYCLE_END__INIT;
	uint8_t hash[SHA256_LEN];

	sha256_final(sender->hash, hash);
	hash[0] ^= sender->spoil_hash ? 1 : 0;
	end.seq = sender->cut.seq;
	end.cut_id = sender->cut.cut_id;
	end.chunks = sender->chunks;
	end.data_bytes = sender->data_bytes;
	end.stream_hash.data = hash;
	end.stream_hash.len = sizeof(hash);
	sender_send(sender, FRAME_CYCLE_END, &end.base, NULL, 0);
}

bool sender_end(struct sender *sender)
{
	sender_send_end(sender);
	return sender_answer(sender, SENDER_ANSWER_MS) == FRAME_COMMITTED &&
	       sender->committed.seq == sender->cut.seq &&
	       strcmp(sender->committed.cut_id, sender->cut.cut_id) == 0;
}

void sender_peer_state(struct sender *sender, Vmreplica__Health health, const char *reason)
{
	Vmreplica__Wire__PeerState state = VMREPLICA__WIRE__PEER_STATE__INIT;

	state.state = VMREPLICA__STATE__STATE_REPLICATING;
	state.health = health;
	state.reason = text(reason);
	state.frequency_s = 5;
	sender_send(sender, FRAME_PEER_STATE, &state.base, NULL, 0);
}
