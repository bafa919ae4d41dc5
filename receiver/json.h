/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scoped cleanup for jansson's values. */
#ifndef VMR_RECEIVER_JSON_H
#define VMR_RECEIVER_JSON_H

#include <jansson.h>

static inline void json_decref_fn(json_t **json)
{
	json_decref(*json);
}
#define cleanup_json __attribute__((cleanup(json_decref_fn)))

#endif
