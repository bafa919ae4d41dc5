/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arithmetic on numbers that came from outside: the overflow is the return value. */
#ifndef VMR_COMMON_CHECKED_H
#define VMR_COMMON_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* *ret_sum = a + b; true when it fits. *ret_sum is untouched otherwise. */
static inline bool checked_add_u64(uint64_t a, uint64_t b, uint64_t *ret_sum)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum)) {
		return false;
	}
	*ret_sum = sum;
	return true;
}

/* *ret_product = a * b; true when it fits. *ret_product is untouched otherwise. */
static inline bool checked_mul_u64(uint64_t a, uint64_t b, uint64_t *ret_product)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product)) {
		return false;
	}
	*ret_product = product;
	return true;
}

/* True when [offset, offset + length) lies within [0, size) and is not empty. */
static inline bool range_is_inside(uint64_t offset, uint64_t length, uint64_t size)
{
	return length > 0 && length <= size && offset <= size - length;
}

#endif
