/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scoped cleanup of JSON values. Private to source*.c. */
#ifndef VMR_ENGINE_SOURCE_JSON_H
#define VMR_ENGINE_SOURCE_JSON_H

#include <jansson.h>

static inline void cleanup_json_fn(json_t **json)
{
	json_decref(*json);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_fn)))

#endif
