/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buffer_pool: the shared pool that active cycles take their big buffers from, so that the memory
 * of all streams together has one ceiling. byte_buffer: a growing byte string for messages (never
 * for chunk data).
 */
#ifndef VMR_COMMON_BUFFER_H
#define VMR_COMMON_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer_pool;

/* A pool of count buffers of size bytes, page aligned, mapped when first used. Returns NULL when
 * out of memory. */
struct buffer_pool *buffer_pool_new(size_t count, size_t size_bytes);
void buffer_pool_free(struct buffer_pool *pool); /* all buffers must be back */

/* Take a buffer; blocks until one is free or timeout_ms is over (then NULL). 0 = do not wait. Any
 * thread. */
void *buffer_pool_take(struct buffer_pool *pool, int64_t timeout_ms);
void buffer_pool_give(struct buffer_pool *pool, void *buffer); /* NULL is allowed */

/* Growing byte string. Zero-initialize; release with byte_buffer_destroy. */
struct byte_buffer {
	uint8_t *data;	 /* owned */
	size_t len;	 /* bytes in use */
	size_t capacity; /* bytes allocated */
	size_t limit;	 /* never grow beyond; 0 = no limit */
};

/* Make room for extra more bytes. 0, -ENOMEM, or -EMSGSIZE when limit would be passed. */
int byte_buffer_reserve(struct byte_buffer *buf, size_t extra);
/* Append len bytes. Errors as byte_buffer_reserve. */
int byte_buffer_append(struct byte_buffer *buf, const void *data, size_t len);
/* Drop the first len bytes (len <= buf->len). */
void byte_buffer_consume(struct byte_buffer *buf, size_t len);
void byte_buffer_destroy(struct byte_buffer *buf);

#endif
