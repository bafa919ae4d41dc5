/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of a check: a growing list of texts that belong to it. One thread at a time. */
#ifndef VMR_ENGINE_CHECK_LIST_H
#define VMR_ENGINE_CHECK_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/admin.pb-c.h"

enum check_verdict {
	CHECK_OK,
	CHECK_WARNING,
	CHECK_FAIL,
};

/* Zero-initialize; node is borrowed for the list's life. */
struct check_list {
	const char *node;
	Vmreplica__Admin__CheckLine **lines; /* owned, with their texts */
	size_t count;
	bool incomplete; /* out of memory: a line is missing */
};

/* Add a line. advice says what to do; NULL or "" for none (always with CHECK_OK). Formats text. */
void check_list_add(struct check_list *list, enum check_verdict verdict, const char *item,
		    const char *advice, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Append copies of another node's lines. */
void check_list_append(struct check_list *list, const Vmreplica__Admin__CheckResponse *response);
void check_list_destroy(struct check_list *list);

#endif
