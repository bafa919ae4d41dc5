/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of JSON trees. */
#ifndef VMR_TESTS_FUZZ_MUTATE_JSON_H
#define VMR_TESTS_FUZZ_MUTATE_JSON_H

#include "mutate_value.h"

/* Change the size bytes of JSON in place, up to max_size: one to three values become others, come
 * twice, go, or are moved. Returns the new size; what is no JSON is changed by libFuzzer. */
size_t mutate_json(struct mutate *mutate, uint8_t *data, size_t size, size_t max_size);

#endif
