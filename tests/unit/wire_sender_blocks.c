/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sender's blocks of disks: chunks, and digests for a resynchronization or verification. */
#include <stdlib.h>

#include "wire_sender.h"

#define CHUNK_BYTES (1024u * 1024u)

static void chunk_send(struct sender *sender, Vmreplica__Wire__Chunk *chunk, const void *payload,
		       uint32_t payload_len)
{
	uint8_t packed[256];
	size_t len = vmreplica__wire__chunk__get_packed_size(chunk);

	if (len > sizeof(packed)) {
		abort();
	}
	vmreplica__wire__chunk__pack(chunk, packed);
	sha256_update(sender->hash, packed, len);
	sha256_update(sender->hash, payload, payload_len);
	sender->chunks++;
	sender_send(sender, FRAME_CHUNK, &chunk->base, payload, payload_len);
}

void sender_zero(struct sender *sender, unsigned int disk, uint64_t offset, uint64_t length)
{
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;

	chunk.disk = disk;
	chunk.offset = offset;
	chunk.length = length;
	chunk.kind = VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO;
	chunk_send(sender, &chunk, NULL, 0);
}

void sender_chunk(struct sender *sender, const struct model *model, unsigned int disk,
		  uint64_t offset, uint64_t length)
{
	static uint8_t out[CHUNK_BYTES];
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;
	const uint8_t *data = model->disks[disk].data + offset;
	size_t len = length;

	if (codec_is_zero(data, length)) {
		sender_zero(sender, disk, offset, length);
		return;
	}
	chunk.disk = disk;
	chunk.offset = offset;
	chunk.length = length;
	chunk.kind = VMREPLICA__WIRE__CHUNK_KIND__CHUNK_DATA;
	chunk.codec = (Vmreplica__Wire__Codec)codec_compress(
		sender->codec, data, length, out, sizeof(out), rig_random(2) == 0 ? 0 : 1000000,
		&len);
	chunk.checksum = codec_checksum(data, length, offset) ^ (sender->spoil_checksum ? 1 : 0);
	sender->data_bytes += length;
	if (chunk.codec == VMREPLICA__WIRE__CODEC__CODEC_PLAIN) {
		chunk_send(sender, &chunk, data, (uint32_t)length);
	} else {
		chunk_send(sender, &chunk, out, (uint32_t)len);
	}
}

void sender_range(struct sender *sender, const struct model *model, unsigned int disk,
		  uint64_t from, uint64_t to, bool dirty_only)
{
	const struct model_disk *d = &model->disks[disk];
	uint64_t offset = from;

	to = to < d->size ? to : d->size;
	while (offset < to) {
		uint64_t end = offset;

		if (dirty_only && !d->dirty[offset / MODEL_CLUSTER]) {
			offset = (offset / MODEL_CLUSTER + 1) * MODEL_CLUSTER;
			continue;
		}
		while (end < to && end - offset < CHUNK_BYTES &&
		       (!dirty_only || d->dirty[end / MODEL_CLUSTER])) {
			end = (end / MODEL_CLUSTER + 1) * MODEL_CLUSTER;
		}
		end = end < to ? end : to;
		sender_chunk(sender, model, disk, offset, end - offset);
		offset = end;
	}
}

void sender_dirty(struct sender *sender, const struct model *model)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(sender, model, i, 0, model->disks[i].size, true);
	}
}

static void model_digests(const struct model *model, unsigned int disk, uint64_t offset,
			  uint32_t count, uint8_t *ret_digests)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = offset + (uint64_t)i * MODEL_CLUSTER;
		uint64_t left = model->disks[disk].size - at;

		codec_digest(model->disks[disk].data + at,
			     left < MODEL_CLUSTER ? left : MODEL_CLUSTER,
			     ret_digests + (size_t)i * 16);
	}
}

const char *sender_verify(struct sender *sender, const struct model *model, unsigned int disk,
			  uint64_t offset, uint32_t count, uint8_t *ret_map)
{
	Vmreplica__Wire__Verify verify = VMREPLICA__WIRE__VERIFY__INIT;
	static uint8_t digests[4096 * 16];
	struct frame frame;

	model_digests(model, disk, offset, count, digests);
	verify.seq = sender->committed.seq;
	verify.cut_id = sender->committed.cut_id;
	verify.disk = (char *)(uintptr_t)model->disks[disk].name;
	verify.offset = offset;
	verify.block_bytes = MODEL_CLUSTER;
	verify.count = count;
	sender_send(sender, FRAME_VERIFY, &verify.base, digests, count * 16);
	return channel_receive(&sender->channel, &sender->arena, &frame, ret_map, (count + 7) / 8,
			       SENDER_ANSWER_MS) == 0 &&
			       frame.type == FRAME_VERIFIED
		       ? ((const Vmreplica__Wire__Verified *)frame.message)->code
		       : NULL;
}

bool sender_digest(struct sender *sender, const struct model *model, unsigned int disk,
		   uint64_t offset, uint32_t count, uint8_t *ret_map)
{
	Vmreplica__Wire__Digest digest = VMREPLICA__WIRE__DIGEST__INIT;
	static uint8_t digests[4096 * 16];
	struct frame frame;

	model_digests(model, disk, offset, count, digests);
	digest.disk = disk;
	digest.offset = offset;
	digest.block_bytes = MODEL_CLUSTER;
	digest.count = count;
	sender_send(sender, FRAME_DIGEST, &digest.base, digests, count * 16);
	return channel_receive(&sender->channel, &sender->arena, &frame, ret_map, (count + 7) / 8,
			       SENDER_ANSWER_MS) == 0 &&
	       frame.type == FRAME_DIGEST_REPLY && frame.payload_len == (count + 7) / 8;
}

uint64_t sender_resync_range(struct sender *sender, const struct model *model, unsigned int disk,
			     uint64_t from, uint64_t to)
{
	uint64_t size = model->disks[disk].size, sent = 0;

	to = to < size ? to : size;
	while (from < to) {
		uint64_t blocks = (to - from + MODEL_CLUSTER - 1) / MODEL_CLUSTER;
		uint32_t count = blocks > 64 ? 64 : (uint32_t)blocks;
		uint8_t map[8] = {0};

		if (!sender_digest(sender, model, disk, from, count, map)) {
			return UINT64_MAX;
		}
		for (uint32_t i = 0; i < count; i++, from += MODEL_CLUSTER) {
			uint64_t length = size - from < MODEL_CLUSTER ? size - from : MODEL_CLUSTER;

			if ((map[i / 8] >> (i % 8) & 1) != 0) {
				sender_chunk(sender, model, disk, from, length);
				sent += length;
			}
		}
	}
	return sent;
}
