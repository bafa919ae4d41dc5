/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a needed resynchronization may begin by itself, as --resync and the parameter resync say it.
 * Pure: the caller knows the local time. */
#ifndef VMR_PROTO_RESYNC_POLICY_H
#define VMR_PROTO_RESYNC_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESYNC_POLICY_LEN 16

enum resync_kind { RESYNC_AUTOMATIC, RESYNC_MANUAL, RESYNC_WINDOW };

struct resync_policy {
	enum resync_kind kind;
	uint16_t begin, end; /* WINDOW: minutes of the local day; end before begin: over midnight */
};

/* "auto", "automatic", "manual" or "HH:MM-HH:MM" (not of no length). 0 or -EINVAL. */
int resync_policy_parse(const char *text, struct resync_policy *ret_policy);
/* As it is parsed. Returns buf. */
char *resync_policy_format(const struct resync_policy *policy, char buf[RESYNC_POLICY_LEN]);
/* May one that is needed begin, or go on, at this minute of the local day? Begin is inside, end is
 * not. */
bool resync_policy_is_open(const struct resync_policy *policy, unsigned int minute);
/* The minute of the local day at this wall clock (by TZ and /etc/localtime). */
unsigned int resync_policy_minute(int64_t wall_ms);

#endif
