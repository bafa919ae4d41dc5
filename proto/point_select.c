/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/point_select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int refuse(char error[POINT_SELECT_ERROR_LEN], const char *text)
{
	snprintf(error, POINT_SELECT_ERROR_LEN,
		 "\"%.60s\" is none of: latest, latest-app, seq:NUMBER, or a time such as "
		 "2026-11-22T10:31:00Z",
		 text);
	return -EINVAL;
}

static bool seq_parse(const char *text, uint64_t *ret_seq)
{
	char *end;

	if (text[0] < '0' || text[0] > '9') {
		return false;
	}
	errno = 0;
	*ret_seq = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *ret_seq > 0 && *ret_seq <= INT64_MAX;
}

/* "Z" or "+hh:mm" to seconds. */
static bool offset_parse(const char *text, int *ret_offset_s)
{
	unsigned int hours, minutes;
	int used = 0;

	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
		*ret_offset_s = 0;
		return true;
	}
	if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 ||
	    sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 || used != 5 ||
	    hours > 23 || minutes > 59) {
		return false;
	}
	*ret_offset_s = (int)(hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
	return true;
}

static bool time_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t fraction_ms = 999; /* a whole second means all of it */
	int offset_s = 0;

	if (rest != NULL && rest[0] == '.') {
		int scale = 100;

		fraction_ms = 0;
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10) {
			fraction_ms += (*rest - '0') * scale;
		}
	}
	if (rest == NULL || !offset_parse(rest, &offset_s)) {
		return false;
	}
	*ret_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + fraction_ms;
	return true;
}

int point_wish_parse(const char *text, struct point_wish *ret_wish,
		     char error[POINT_SELECT_ERROR_LEN])
{
	struct point_wish wish = {.kind = POINT_WISH_LATEST};

	if (strcmp(text, "latest-app") == 0) {
		wish.kind = POINT_WISH_LATEST_APP;
	} else if (strncmp(text, "seq:", 4) == 0) {
		wish.kind = POINT_WISH_SEQ;
		if (!seq_parse(text + 4, &wish.seq)) {
			return refuse(error, text);
		}
	} else if (strcmp(text, "latest") != 0) {
		wish.kind = POINT_WISH_TIME;
		if (!time_parse(text, &wish.time_ms)) {
			return refuse(error, text);
		}
	}
	*ret_wish = wish;
	return 0;
}

bool point_wish_fits(const struct point_wish *wish, const Vmreplica__Point *point)
{
	if (!point->point && strcmp(point->verdict, "ok") != 0) {
		return false;
	}
	switch (wish->kind) {
	case POINT_WISH_LATEST_APP:
		return strcmp(point->consistency, "application") == 0;
	case POINT_WISH_SEQ:
		return point->seq == wish->seq;
	case POINT_WISH_TIME:
		return point->time_ms != 0 && point->time_ms <= wish->time_ms;
	default:
		return true;
	}
}
