/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/buffer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"

struct buffer_pool {
	pthread_mutex_t lock;
	pthread_cond_t given;
	uint8_t *memory; /* one mapping: count * stride bytes, touched when first used */
	size_t count, stride;
	size_t free_count;
	void *free_list[]; /* a stack: the warm buffer goes out first, the cold ones stay unmapped
			    */
};

static int buffer_pool_prepare(struct buffer_pool *pool)
{
	pthread_condattr_t attr;

	pool->memory = mmap(NULL, pool->count * pool->stride, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->memory == MAP_FAILED) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < pool->count; i++) {
		pool->free_list[i] = pool->memory + (pool->count - 1 - i) * pool->stride;
	}
	pool->free_count = pool->count;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->given, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

struct buffer_pool *buffer_pool_new(size_t count, size_t size_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	cleanup_free struct buffer_pool *pool = NULL;
	size_t stride, total;

	if (count == 0 || size_bytes == 0 ||
	    __builtin_add_overflow(size_bytes, page - 1, &stride)) {
		return NULL;
	}
	stride -= stride % page;
	if (__builtin_mul_overflow(stride, count, &total)) {
		return NULL;
	}
	pool = calloc(1, sizeof(*pool) + count * sizeof(pool->free_list[0]));
	if (pool == NULL) {
		return NULL;
	}
	pool->count = count;
	pool->stride = stride;
	if (buffer_pool_prepare(pool) < 0) {
		return NULL;
	}
	return steal_ptr(pool);
}

void buffer_pool_free(struct buffer_pool *pool)
{
	if (pool == NULL) {
		return;
	}
	assert(pool->free_count == pool->count);
	munmap(pool->memory, pool->count * pool->stride);
	pthread_cond_destroy(&pool->given);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static struct timespec buffer_deadline(int64_t timeout_ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout_ms / 1000;
	at.tv_nsec += (timeout_ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

void *buffer_pool_take(struct buffer_pool *pool, int64_t timeout_ms)
{
	void *buffer = NULL;
	struct timespec deadline = buffer_deadline(timeout_ms > 0 ? timeout_ms : 0);
	int error = timeout_ms > 0 ? 0 : ETIMEDOUT;

	pthread_mutex_lock(&pool->lock);
	while (pool->free_count == 0 && error != ETIMEDOUT) {
		error = pthread_cond_timedwait(&pool->given, &pool->lock, &deadline);
	}
	if (pool->free_count > 0) {
		buffer = pool->free_list[--pool->free_count];
	}
	pthread_mutex_unlock(&pool->lock);
	return buffer;
}

void buffer_pool_give(struct buffer_pool *pool, void *buffer)
{
	if (buffer == NULL) {
		return;
	}
	pthread_mutex_lock(&pool->lock);
	assert(pool->free_count < pool->count);
	assert(((size_t)((uint8_t *)buffer - pool->memory)) % pool->stride == 0);
	pool->free_list[pool->free_count++] = buffer;
	pthread_cond_signal(&pool->given);
	pthread_mutex_unlock(&pool->lock);
}

int byte_buffer_reserve(struct byte_buffer *buf, size_t extra)
{
	size_t need, capacity = buf->capacity > 0 ? buf->capacity : 256;
	uint8_t *data;

	if (__builtin_add_overflow(buf->len, extra, &need) ||
	    (buf->limit > 0 && need > buf->limit)) {
		return -EMSGSIZE;
	}
	if (need <= buf->capacity) {
		return 0;
	}
	while (capacity < need) {
		if (capacity > SIZE_MAX / 2) {
			return -ENOMEM;
		}
		capacity *= 2;
	}
	if (buf->limit > 0 && capacity > buf->limit) {
		capacity = buf->limit;
	}
	data = realloc(buf->data, capacity);
	if (data == NULL) {
		return -ENOMEM;
	}
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

int byte_buffer_append(struct byte_buffer *buf, const void *data, size_t len)
{
	int r = byte_buffer_reserve(buf, len);

	if (r == 0 && len > 0) {
		memcpy(buf->data + buf->len, data, len);
		buf->len += len;
	}
	return r;
}

void byte_buffer_consume(struct byte_buffer *buf, size_t len)
{
	assert(len <= buf->len);
	buf->len -= len;
	if (buf->len > 0 && len > 0) {
		memmove(buf->data, buf->data + len, buf->len);
	}
}

void byte_buffer_destroy(struct byte_buffer *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->len = 0;
	buf->capacity = 0;
}
