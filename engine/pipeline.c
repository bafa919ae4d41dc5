/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum slot_state {
	SLOT_FREE,
	SLOT_FILLED, /* waits for a compressor */
	SLOT_BUSY,   /* a compressor has it */
	SLOT_READY,  /* may be sent */
};

struct slot {
	enum slot_state state;
	struct pipeline_item item;
};

struct pipeline {
	struct buffer_pool *pool; /* borrowed */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* any change of a slot */
	struct slot slots[PIPELINE_ITEMS];
	uint64_t pushed, taken; /* counts; slot = count % PIPELINE_ITEMS */
	uint64_t next_fill;	/* where a compressor looks first */
	unsigned int buffers;	/* taken and not yet back */
	bool stopped;
	int event_fd;
	_Atomic uint64_t link_bytes_per_s;
	unsigned int thread_count;
	pthread_t threads[PIPELINE_COMPRESSORS];
};

static void pipeline_signal(struct pipeline *pipeline)
{
	uint64_t one = 1;
	ssize_t written = write(pipeline->event_fd, &one, sizeof(one));

	(void)written; /* the counter being full still reads as ready */
}

/* Called with the lock held: the oldest filled slot, or NULL. */
static struct slot *pipeline_find_filled(struct pipeline *pipeline)
{
	for (; pipeline->next_fill < pipeline->pushed; pipeline->next_fill++) {
		struct slot *slot = &pipeline->slots[pipeline->next_fill % PIPELINE_ITEMS];

		if (slot->state == SLOT_FILLED) {
			pipeline->next_fill++;
			return slot;
		}
	}
	return NULL;
}

static void compressor_work(struct pipeline *pipeline, struct codec_state *codec, uint8_t **spare)
{
	pthread_mutex_lock(&pipeline->lock);
	while (!pipeline->stopped) {
		struct slot *slot = pipeline_find_filled(pipeline);

		if (slot == NULL) {
			pthread_cond_wait(&pipeline->changed, &pipeline->lock);
			continue;
		}
		slot->state = SLOT_BUSY;
		pthread_mutex_unlock(&pipeline->lock);
		if (pipeline_compress_item(&slot->item, codec, *spare,
					   atomic_load(&pipeline->link_bytes_per_s))) {
			uint8_t *used = slot->item.buffer;

			slot->item.buffer = *spare;
			*spare = used;
		}
		pthread_mutex_lock(&pipeline->lock);
		slot->state = SLOT_READY;
		pipeline_signal(pipeline);
	}
	pthread_mutex_unlock(&pipeline->lock);
}

static bool pipeline_is_stopped(struct pipeline *pipeline)
{
	bool stopped;

	pthread_mutex_lock(&pipeline->lock);
	stopped = pipeline->stopped;
	pthread_mutex_unlock(&pipeline->lock);
	return stopped;
}

/* Another cycle's buffers come back one by one, so this ends soon. */
static uint8_t *compressor_take_spare(struct pipeline *pipeline)
{
	uint8_t *spare = NULL;

	while (spare == NULL && !pipeline_is_stopped(pipeline)) {
		spare = buffer_pool_take(pipeline->pool, 100);
	}
	return spare;
}

static void *compressor_main(void *arg)
{
	struct pipeline *pipeline = arg;
	struct codec_state *codec = codec_state_new();
	uint8_t *spare = codec != NULL ? compressor_take_spare(pipeline) : NULL;

	if (codec != NULL && spare != NULL) {
		compressor_work(pipeline, codec, &spare);
	} else {
		pipeline_stop(pipeline);
	}
	buffer_pool_give(pipeline->pool, spare);
	codec_state_free(codec);
	return NULL;
}

struct pipeline *pipeline_new(struct buffer_pool *pool)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	pthread_condattr_t attr;

	if (pipeline == NULL) {
		return NULL;
	}
	pipeline->pool = pool;
	pipeline->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&pipeline->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pipeline->changed, &attr);
	pthread_condattr_destroy(&attr);
	while (pipeline->event_fd >= 0 && pipeline->thread_count < PIPELINE_COMPRESSORS &&
	       pthread_create(&pipeline->threads[pipeline->thread_count], NULL, compressor_main,
			      pipeline) == 0) {
		pipeline->thread_count++;
	}
	if (pipeline->thread_count == 0) {
		pipeline_free(pipeline);
		return NULL;
	}
	return pipeline;
}

void pipeline_free(struct pipeline *pipeline)
{
	if (pipeline == NULL) {
		return;
	}
	pipeline_stop(pipeline);
	for (unsigned int i = 0; i < pipeline->thread_count; i++) {
		pthread_join(pipeline->threads[i], NULL);
	}
	for (unsigned int i = 0; i < PIPELINE_ITEMS; i++) {
		buffer_pool_give(pipeline->pool, pipeline->slots[i].item.buffer);
	}
	if (pipeline->event_fd >= 0) {
		close(pipeline->event_fd);
	}
	pthread_cond_destroy(&pipeline->changed);
	pthread_mutex_destroy(&pipeline->lock);
	free(pipeline);
}

static void deadline_after(int timeout_ms, struct timespec *ret_deadline)
{
	clock_gettime(CLOCK_MONOTONIC, ret_deadline);
	ret_deadline->tv_sec += timeout_ms / 1000;
	ret_deadline->tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ret_deadline->tv_nsec >= 1000000000) {
		ret_deadline->tv_nsec -= 1000000000;
		ret_deadline->tv_sec++;
	}
}

uint8_t *pipeline_buffer_take(struct pipeline *pipeline, int timeout_ms)
{
	struct timespec deadline;
	uint8_t *buffer = NULL;
	int result = 0;

	deadline_after(timeout_ms, &deadline);
	pthread_mutex_lock(&pipeline->lock);
	while (!pipeline->stopped && pipeline->buffers == PIPELINE_BUFFERS && result == 0) {
		result = -pthread_cond_timedwait(&pipeline->changed, &pipeline->lock, &deadline);
	}
	if (!pipeline->stopped && pipeline->buffers < PIPELINE_BUFFERS) {
		buffer = buffer_pool_take(pipeline->pool, 0);
		pipeline->buffers += buffer != NULL ? 1 : 0;
	}
	pthread_mutex_unlock(&pipeline->lock);
	return buffer;
}

void pipeline_buffer_give(struct pipeline *pipeline, uint8_t *buffer)
{
	if (buffer == NULL) {
		return;
	}
	buffer_pool_give(pipeline->pool, buffer);
	pthread_mutex_lock(&pipeline->lock);
	pipeline->buffers--;
	pthread_cond_broadcast(&pipeline->changed);
	pthread_mutex_unlock(&pipeline->lock);
}

int pipeline_push(struct pipeline *pipeline, const struct pipeline_item *item, int timeout_ms)
{
	struct timespec deadline;
	int result = 0;

	deadline_after(timeout_ms, &deadline);
	pthread_mutex_lock(&pipeline->lock);
	while (!pipeline->stopped && pipeline->pushed - pipeline->taken == PIPELINE_ITEMS &&
	       result == 0) {
		result = -pthread_cond_timedwait(&pipeline->changed, &pipeline->lock, &deadline);
	}
	if (pipeline->stopped) {
		result = -ECANCELED;
	} else if (pipeline->pushed - pipeline->taken < PIPELINE_ITEMS) {
		struct slot *slot = &pipeline->slots[pipeline->pushed % PIPELINE_ITEMS];

		slot->item = *item;
		slot->state = item->kind == PIPELINE_DATA ? SLOT_FILLED : SLOT_READY;
		pipeline->pushed++;
		if (slot->state == SLOT_READY) {
			pipeline_signal(pipeline);
		}
		pthread_cond_broadcast(&pipeline->changed);
		result = 0;
	}
	pthread_mutex_unlock(&pipeline->lock);
	return result;
}

int pipeline_take(struct pipeline *pipeline, struct pipeline_item **ret_item)
{
	struct slot *slot;
	int result = -EAGAIN;

	pthread_mutex_lock(&pipeline->lock);
	slot = &pipeline->slots[pipeline->taken % PIPELINE_ITEMS];
	if (pipeline->stopped) {
		result = -ECANCELED;
	} else if (pipeline->taken < pipeline->pushed && slot->state == SLOT_READY) {
		*ret_item = &slot->item;
		result = 0;
	}
	pthread_mutex_unlock(&pipeline->lock);
	return result;
}

void pipeline_release(struct pipeline *pipeline)
{
	struct slot *slot;

	pthread_mutex_lock(&pipeline->lock);
	slot = &pipeline->slots[pipeline->taken % PIPELINE_ITEMS];
	if (slot->item.buffer != NULL) {
		buffer_pool_give(pipeline->pool, slot->item.buffer);
		slot->item.buffer = NULL;
		pipeline->buffers--;
	}
	slot->state = SLOT_FREE;
	pipeline->taken++;
	pthread_cond_broadcast(&pipeline->changed);
	pthread_mutex_unlock(&pipeline->lock);
}

int pipeline_fd(const struct pipeline *pipeline)
{
	return pipeline->event_fd;
}

void pipeline_fd_drain(struct pipeline *pipeline)
{
	uint64_t count;
	ssize_t got = read(pipeline->event_fd, &count, sizeof(count));

	(void)got; /* -EAGAIN: it was empty */
}

void pipeline_stop(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->stopped = true;
	pthread_cond_broadcast(&pipeline->changed);
	pipeline_signal(pipeline);
	pthread_mutex_unlock(&pipeline->lock);
}

void pipeline_set_link_rate(struct pipeline *pipeline, uint64_t bytes_per_s)
{
	atomic_store(&pipeline->link_bytes_per_s, bytes_per_s);
}
