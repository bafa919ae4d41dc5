/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which recovery point or cycle an admin means with --to. Pure. */
#ifndef VMR_PROTO_POINT_SELECT_H
#define VMR_PROTO_POINT_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.pb-c.h"

#define POINT_SELECT_ERROR_LEN 256

enum point_wish_kind {
	POINT_WISH_LATEST,     /* "latest" */
	POINT_WISH_LATEST_APP, /* "latest-app": the newest application-consistent one */
	POINT_WISH_SEQ,	       /* "seq:1234" */
	POINT_WISH_TIME,       /* RFC 3339: the newest at or before it */
};

struct point_wish {
	enum point_wish_kind kind;
	uint64_t seq;
	int64_t time_ms;
};

/* 0, or -EINVAL with a sentence. A time needs its offset ("Z", "+01:00"). */
int point_wish_parse(const char *text, struct point_wish *ret_wish,
		     char error[POINT_SELECT_ERROR_LEN]);

/* May the wish mean this point or cycle? The newest that fits is meant. A cycle that is not "ok"
 * cannot be reached by logs, but a point itself always can. */
bool point_wish_fits(const struct point_wish *wish, const Vmreplica__Point *point);

#endif
