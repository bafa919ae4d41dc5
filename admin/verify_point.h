/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify --point: a recovery point's own integrity. */
#ifndef VMR_ADMIN_VERIFY_POINT_H
#define VMR_ADMIN_VERIFY_POINT_H

#include <stdint.h>

#include "admin/command.h"

/* Find the point of vm that --point TEXT means, and check it where its store is. Returns the exit
 * status, or becomes the program that checks. */
int verify_point(const struct common_options *common, const char *vm, const char *text);
/* Become the receiver's check of a store; point_seq 0: of all of it. Returns on failure only. */
int store_check_exec(const char *directory, uint64_t point_seq, bool json);

#endif
