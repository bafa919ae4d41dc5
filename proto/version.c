/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/version.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/limits.h"

struct version_range version_ours(void)
{
	return (struct version_range){.min = PROTOCOL_VERSION_MIN, .max = PROTOCOL_VERSION_MAX};
}

uint32_t version_choose(struct version_range ours, struct version_range theirs)
{
	uint32_t min = ours.min > theirs.min ? ours.min : theirs.min;
	uint32_t max = ours.max < theirs.max ? ours.max : theirs.max;

	return min <= max ? max : 0;
}

char *version_explain(struct version_range ours, struct version_range theirs, char *buf,
		      size_t size)
{
	snprintf(buf, size,
		 "it speaks protocol versions %" PRIu32 " to %" PRIu32 ", this side %" PRIu32
		 " to %" PRIu32 ": update the older side",
		 theirs.min, theirs.max, ours.min, ours.max);
	return buf;
}
