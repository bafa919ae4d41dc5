/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The form of DNS names, as certificates, configuration and authorization entries have them. Pure.
 */
#ifndef VMR_COMMON_DNS_NAME_H
#define VMR_COMMON_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define DNS_NAME_MAX  253
#define DNS_LABEL_MAX 63

/* True for labels of letters, digits, '-' and '_' (not at a label's edges: '-'), 1..63 bytes each,
 * 253 together, no dot at the end, no wildcard (RFC 1123; '_' because host names in the field have
 * it). NULL is false. */
bool dns_name_is_valid(const char *name);
/* As above, or "*." before a valid name. */
bool dns_name_is_pattern(const char *name);
/* Equal without regard to case. */
bool dns_name_equals(const char *a, const char *b);

#endif
