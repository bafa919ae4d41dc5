/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "tests/unit/unit.h"

static void test_pool_bounds(void)
{
	struct buffer_pool *pool = buffer_pool_new(2, 5000);
	uint8_t *a, *b;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	a = buffer_pool_take(pool, 0);
	b = buffer_pool_take(pool, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT_EQUAL((uintptr_t)a % 4096, 0);
	CU_ASSERT_TRUE(a + 5000 <= b || b + 5000 <= a);
	memset(a, 1, 5000);
	memset(b, 2, 5000);
	CU_ASSERT_EQUAL(a[4999], 1);
	CU_ASSERT_PTR_NULL(buffer_pool_take(pool, 0));
	buffer_pool_give(pool, a);
	/* The warm one comes back first. */
	CU_ASSERT_PTR_EQUAL(buffer_pool_take(pool, 0), a);
	buffer_pool_give(pool, a);
	buffer_pool_give(pool, b);
	buffer_pool_give(pool, NULL);
	buffer_pool_free(pool);
}

static void test_pool_refuses(void)
{
	CU_ASSERT_PTR_NULL(buffer_pool_new(0, 4096));
	CU_ASSERT_PTR_NULL(buffer_pool_new(1, 0));
	CU_ASSERT_PTR_NULL(buffer_pool_new(SIZE_MAX / 4096, 8192));
	CU_ASSERT_PTR_NULL(buffer_pool_new(1, SIZE_MAX));
}

static void test_pool_timeout(void)
{
	struct buffer_pool *pool = buffer_pool_new(1, 4096);
	void *held = buffer_pool_take(pool, 0);
	int64_t begin = clock_monotonic_ms();

	CU_ASSERT_PTR_NULL(buffer_pool_take(pool, 50));
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin >= 49);
	buffer_pool_give(pool, held);
	buffer_pool_free(pool);
}

struct waiter {
	struct buffer_pool *pool;
	void *got;
};

static void *waiter_main(void *arg)
{
	struct waiter *waiter = arg;

	waiter->got = buffer_pool_take(waiter->pool, 10000);
	return NULL;
}

static void test_pool_wakes_waiter(void)
{
	struct waiter waiter = {.pool = buffer_pool_new(1, 4096)};
	void *held = buffer_pool_take(waiter.pool, 0);
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, waiter_main, &waiter), 0);
	clock_sleep_ms(20);
	buffer_pool_give(waiter.pool, held);
	pthread_join(thread, NULL);
	CU_ASSERT_PTR_EQUAL(waiter.got, held);
	buffer_pool_give(waiter.pool, waiter.got);
	buffer_pool_free(waiter.pool);
}

static void test_bytes_grow_and_shrink(void)
{
	struct byte_buffer buf = {0};

	for (unsigned int i = 0; i < 5000; i++) {
		uint8_t byte = (uint8_t)i;

		CU_ASSERT_EQUAL_FATAL(byte_buffer_append(&buf, &byte, 1), 0);
	}
	CU_ASSERT_EQUAL(buf.len, 5000);
	byte_buffer_consume(&buf, 4990);
	CU_ASSERT_EQUAL(buf.len, 10);
	for (unsigned int i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(buf.data[i], (uint8_t)(4990 + i));
	}
	byte_buffer_consume(&buf, 10);
	CU_ASSERT_EQUAL(buf.len, 0);
	byte_buffer_destroy(&buf);
	CU_ASSERT_PTR_NULL(buf.data);
	CU_ASSERT_EQUAL(buf.capacity, 0);
}

static void test_bytes_limit(void)
{
	struct byte_buffer buf = {.limit = 300};
	uint8_t bytes[301] = {0};

	CU_ASSERT_EQUAL(byte_buffer_append(&buf, bytes, 301), -EMSGSIZE);
	CU_ASSERT_EQUAL(byte_buffer_append(&buf, bytes, 299), 0);
	CU_ASSERT_EQUAL(byte_buffer_append(&buf, bytes, 2), -EMSGSIZE);
	CU_ASSERT_EQUAL(buf.len, 299);
	CU_ASSERT_EQUAL(byte_buffer_append(&buf, bytes, 1), 0);
	CU_ASSERT_TRUE(buf.capacity <= 300);
	CU_ASSERT_EQUAL(byte_buffer_reserve(&buf, SIZE_MAX), -EMSGSIZE);
	CU_ASSERT_EQUAL(buf.len, 300);
	byte_buffer_destroy(&buf);
}

static const struct unit_test tests[] = {
	{"a pool hands out each buffer once", test_pool_bounds},
	{"impossible pools are refused", test_pool_refuses},
	{"an empty pool times out", test_pool_timeout},
	{"a buffer given back wakes who waits", test_pool_wakes_waiter},
	{"bytes grow and are consumed", test_bytes_grow_and_shrink},
	{"bytes stop at the limit", test_bytes_limit},
};

UNIT_MAIN("buffer", tests)
