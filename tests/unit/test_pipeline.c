/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pipeline.h"
#include "unit.h"

#define POOL_BUFFERS (PIPELINE_BUFFERS + PIPELINE_COMPRESSORS)
#define ITEMS	     300u

static void fill_random(uint8_t *data, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		data[i] = (uint8_t)(seed >> 24);
	}
}

/* The uncompressed bytes of an item, from its segments. */
static void unpack_item(const struct pipeline_item *item, uint8_t *out)
{
	struct codec_state *codec = codec_state_new();
	uint32_t next = 0;

	for (uint32_t i = 0; i < item->segment_count; i++) {
		const struct pipeline_segment *segment = &item->segments[i];
		const uint8_t *payload = item->buffer + segment->payload_start;

		CU_ASSERT_EQUAL(segment->start, next);
		next += segment->length;
		if (segment->zero) {
			memset(out + segment->start, 0, segment->length);
			continue;
		}
		if (segment->codec == CODEC_KIND_PLAIN) {
			CU_ASSERT_EQUAL(segment->payload_length, segment->length);
			memcpy(out + segment->start, payload, segment->length);
		} else {
			CU_ASSERT(segment->payload_length <= segment->length);
			CU_ASSERT_EQUAL(codec_decompress(codec, segment->codec, payload,
							 segment->payload_length,
							 out + segment->start, segment->length),
					0);
		}
		CU_ASSERT_EQUAL(codec_checksum(out + segment->start, segment->length,
					       item->offset + segment->start),
				segment->checksum);
	}
	CU_ASSERT_EQUAL(next, item->length);
	codec_state_free(codec);
}

/* Blocks: Z zeros, R random, T text. */
static void check_pattern(const char *pattern, size_t tail, uint32_t segments)
{
	uint8_t *data = calloc(1, PIPELINE_CHUNK), *spare = malloc(PIPELINE_CHUNK);
	uint8_t *before = malloc(PIPELINE_CHUNK), *out = malloc(PIPELINE_CHUNK);
	struct codec_state *codec = codec_state_new();
	struct pipeline_item item = {
		.kind = PIPELINE_DATA, .offset = 7 * PIPELINE_CHUNK, .buffer = data};

	item.length = strlen(pattern) * PIPELINE_BLOCK - tail;
	for (size_t i = 0; pattern[i] != '\0'; i++) {
		if (pattern[i] == 'R') {
			fill_random(data + i * PIPELINE_BLOCK, PIPELINE_BLOCK, (uint32_t)i + 1);
		} else if (pattern[i] == 'T') {
			memset(data + i * PIPELINE_BLOCK, 'x', PIPELINE_BLOCK);
		}
	}
	memcpy(before, data, item.length);
	if (pipeline_compress_item(&item, codec, spare, 0)) {
		item.buffer = spare;
	}
	CU_ASSERT_EQUAL(item.segment_count, segments);
	unpack_item(&item, out);
	CU_ASSERT_EQUAL(memcmp(before, out, item.length), 0);
	codec_state_free(codec);
	free(data);
	free(spare);
	free(before);
	free(out);
}

static void test_compress(void)
{
	check_pattern("Z", 0, 1);
	check_pattern("R", 0, 1);
	check_pattern("T", 0, 1);
	check_pattern("T", PIPELINE_BLOCK - 1, 1); /* a single byte */
	check_pattern("RZT", 0, 3);		   /* a plain one must move along with the swap */
	check_pattern("ZRRZZTZ", 17, 5);
	check_pattern("ZRZRZRZRZRZRZRZR", 0, 16);
	check_pattern("TTTTTTTTTTTTTTTT", 512, 1);
}

struct reader {
	struct pipeline *pipeline;
	int result;
};

/* Data items of a known content between others, in a known order. */
static void *reader_main(void *arg)
{
	struct reader *reader = arg;

	for (uint32_t i = 0; i < ITEMS && reader->result == 0; i++) {
		struct pipeline_item item = {.kind = i % 7 == 3 ? PIPELINE_ZERO : PIPELINE_DATA,
					     .offset = (uint64_t)i * PIPELINE_CHUNK,
					     .length = PIPELINE_BLOCK * (1 + i % 16)};

		if (item.kind == PIPELINE_DATA) {
			item.buffer = pipeline_buffer_take(reader->pipeline, 10000);
			if (item.buffer == NULL) {
				reader->result = -ETIMEDOUT;
				break;
			}
			fill_random(item.buffer, item.length, i);
			memset(item.buffer, (int)i, item.length / 2);
		}
		reader->result = pipeline_push(reader->pipeline, &item, 10000);
	}
	return NULL;
}

static void check_content(const struct pipeline_item *item, uint32_t index)
{
	static uint8_t expected[PIPELINE_CHUNK], got[PIPELINE_CHUNK];

	if (item->kind == PIPELINE_DATA) {
		fill_random(expected, item->length, index);
		memset(expected, (int)index, item->length / 2);
		unpack_item(item, got);
		CU_ASSERT_EQUAL(memcmp(expected, got, item->length), 0);
	}
}

static void test_order(void)
{
	struct buffer_pool *pool = buffer_pool_new(POOL_BUFFERS, PIPELINE_CHUNK);
	struct pipeline *pipeline = pipeline_new(pool);
	struct reader reader = {.pipeline = pipeline};
	pthread_t thread;
	uint32_t taken = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pipeline);
	pthread_create(&thread, NULL, reader_main, &reader);
	while (taken < ITEMS) {
		struct pollfd fd = {.fd = pipeline_fd(pipeline), .events = POLLIN};
		struct pipeline_item *item;
		int result = pipeline_take(pipeline, &item);

		if (result == -EAGAIN) {
			CU_ASSERT_EQUAL_FATAL(poll(&fd, 1, 10000), 1);
			pipeline_fd_drain(pipeline);
			continue;
		}
		CU_ASSERT_EQUAL_FATAL(result, 0);
		CU_ASSERT_EQUAL(item->offset, (uint64_t)taken * PIPELINE_CHUNK);
		check_content(item, taken);
		pipeline_release(pipeline);
		taken++;
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(reader.result, 0);
	pipeline_free(pipeline);
	buffer_pool_free(pool); /* asserts that every buffer is back */
}

/* A sender that takes nothing: the reader gets no more than its share and is let go by stop. */
static void test_share_and_stop(void)
{
	struct buffer_pool *pool = buffer_pool_new(2 * POOL_BUFFERS, PIPELINE_CHUNK);
	struct pipeline *pipeline = pipeline_new(pool);
	struct pipeline_item item = {.kind = PIPELINE_DATA, .length = PIPELINE_BLOCK},
			     zero = {.kind = PIPELINE_ZERO, .length = 1};

	for (unsigned int i = 0; i < PIPELINE_BUFFERS; i++) {
		item.buffer = pipeline_buffer_take(pipeline, 1000);
		CU_ASSERT_PTR_NOT_NULL_FATAL(item.buffer);
		memset(item.buffer, 1, PIPELINE_BLOCK);
		CU_ASSERT_EQUAL(pipeline_push(pipeline, &item, 1000), 0);
	}
	CU_ASSERT_PTR_NULL(pipeline_buffer_take(pipeline, 20));
	for (unsigned int i = PIPELINE_BUFFERS; i < PIPELINE_ITEMS; i++) {
		CU_ASSERT_EQUAL(pipeline_push(pipeline, &zero, 1000), 0);
	}
	CU_ASSERT_EQUAL(pipeline_push(pipeline, &zero, 20), -ETIMEDOUT);
	pipeline_stop(pipeline);
	CU_ASSERT_EQUAL(pipeline_push(pipeline, &zero, 20), -ECANCELED);
	CU_ASSERT_PTR_NULL(pipeline_buffer_take(pipeline, 1000));
	pipeline_free(pipeline);
	buffer_pool_free(pool);
}

static const struct unit_test tests[] = {
	{"compressing an item", test_compress},
	{"order and content", test_order},
	{"share and stop", test_share_and_stop},
};
UNIT_MAIN("pipeline", tests)
