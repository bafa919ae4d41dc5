/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libFuzzer calls in a target, and what it gives to one's mutator. */
#ifndef VMR_TESTS_FUZZ_FUZZ_H
#define VMR_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Change data in place, up to max_size bytes; returns the new size. All chance is from seed. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_size, unsigned int seed);
/* libFuzzer's own mutations of bytes. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#endif
