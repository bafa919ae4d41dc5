/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a compressor does to one item. */
#include "engine/pipeline.h"

#include <string.h>

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Runs of zero and non-zero blocks. */
static void item_find_segments(struct pipeline_item *item)
{
	uint32_t length = (uint32_t)item->length;

	item->segment_count = 0;
	for (uint32_t start = 0; start < length;) {
		uint32_t step = min_u32(PIPELINE_BLOCK, length - start);
		bool zero = codec_is_zero(item->buffer + start, step);
		struct pipeline_segment *last =
			item->segment_count > 0 ? &item->segments[item->segment_count - 1] : NULL;

		if (last != NULL && last->zero == zero) {
			last->length += step;
		} else {
			item->segments[item->segment_count++] = (struct pipeline_segment){
				.start = start, .length = step, .zero = zero};
		}
		start += step;
	}
}

/* Plain payloads stay where they are until a compressed one makes the swap necessary. */
static void item_move_plain(struct pipeline_item *item, uint8_t *spare)
{
	for (uint32_t i = 0; i < item->segment_count; i++) {
		struct pipeline_segment *segment = &item->segments[i];

		if (!segment->zero && segment->codec == CODEC_KIND_PLAIN) {
			memcpy(spare + segment->start, item->buffer + segment->start,
			       segment->length);
		}
	}
}

bool pipeline_compress_item(struct pipeline_item *item, struct codec_state *codec, uint8_t *spare,
			    uint64_t link_bytes_per_s)
{
	bool compressed = false;

	item_find_segments(item);
	for (uint32_t i = 0; i < item->segment_count; i++) {
		struct pipeline_segment *segment = &item->segments[i];
		const uint8_t *data = item->buffer + segment->start;
		size_t len = segment->length;

		if (segment->zero) {
			continue;
		}
		segment->checksum =
			codec_checksum(data, segment->length, item->offset + segment->start);
		/* a payload never outgrows its segment, so it keeps its place */
		segment->codec =
			codec_compress(codec, data, segment->length, spare + segment->start,
				       segment->length, link_bytes_per_s, &len);
		segment->payload_start = segment->start;
		segment->payload_length =
			segment->codec == CODEC_KIND_PLAIN ? segment->length : (uint32_t)len;
		compressed = compressed || segment->codec != CODEC_KIND_PLAIN;
	}
	if (compressed) {
		item_move_plain(item, spare);
	}
	return compressed;
}
