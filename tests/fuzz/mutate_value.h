/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chance, and single values that are worth trying: what all structure-aware mutators share. */
#ifndef VMR_TESTS_FUZZ_MUTATE_VALUE_H
#define VMR_TESTS_FUZZ_MUTATE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same seed gives the same changes. */
struct mutate {
	uint64_t state;
};

void mutate_init(struct mutate *mutate, unsigned int seed);
/* 0 .. limit - 1; 0 for a limit of 0. */
size_t mutate_below(struct mutate *mutate, size_t limit);
/* True once in n times. */
bool mutate_once_in(struct mutate *mutate, size_t n);
/* Another number: an extreme, a limit of ours, or something near old. */
uint64_t mutate_number(struct mutate *mutate, uint64_t old);
/* A text that is dangerous somewhere: a path, a name, an address, a number. Static. */
const char *mutate_word(struct mutate *mutate);
/* Another text in place of old (borrowed): shorter, longer, with a word in it, ... Returned; never
 * NULL. */
char *mutate_text(struct mutate *mutate, const char *old);
/* size bytes of data, changed by libFuzzer and up to room longer. Returned (never NULL) with
 * *ret_size. */
uint8_t *mutate_bytes(const uint8_t *data, size_t size, size_t room, size_t *ret_size);

#endif
