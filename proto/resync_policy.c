/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/resync_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool time_parse(const char *text, uint16_t *ret_minute)
{
	unsigned int hours, minutes;

	for (size_t i = 0; i < 5; i++) {
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9') {
			return false;
		}
	}
	hours = (unsigned int)(text[0] - '0') * 10 + (unsigned int)(text[1] - '0');
	minutes = (unsigned int)(text[3] - '0') * 10 + (unsigned int)(text[4] - '0');
	if (hours > 23 || minutes > 59) {
		return false;
	}
	*ret_minute = (uint16_t)(hours * 60 + minutes);
	return true;
}

int resync_policy_parse(const char *text, struct resync_policy *ret_policy)
{
	struct resync_policy policy = {.kind = RESYNC_AUTOMATIC};

	if (strcmp(text, "manual") == 0) {
		policy.kind = RESYNC_MANUAL;
	} else if (strcmp(text, "auto") != 0 && strcmp(text, "automatic") != 0) {
		policy.kind = RESYNC_WINDOW;
		if (strlen(text) != strlen("HH:MM-HH:MM") || text[5] != '-' ||
		    !time_parse(text, &policy.begin) || !time_parse(text + 6, &policy.end) ||
		    policy.begin == policy.end) {
			return -EINVAL;
		}
	}
	*ret_policy = policy;
	return 0;
}

char *resync_policy_format(const struct resync_policy *policy, char buf[RESYNC_POLICY_LEN])
{
	if (policy->kind == RESYNC_WINDOW) {
		snprintf(buf, RESYNC_POLICY_LEN, "%02u:%02u-%02u:%02u", policy->begin / 60 % 24u,
			 policy->begin % 60u, policy->end / 60 % 24u, policy->end % 60u);
	} else {
		snprintf(buf, RESYNC_POLICY_LEN, "%s",
			 policy->kind == RESYNC_MANUAL ? "manual" : "automatic");
	}
	return buf;
}

bool resync_policy_is_open(const struct resync_policy *policy, unsigned int minute)
{
	if (policy->kind != RESYNC_WINDOW) {
		return policy->kind == RESYNC_AUTOMATIC;
	}
	return policy->begin < policy->end ? minute >= policy->begin && minute < policy->end
					   : minute >= policy->begin || minute < policy->end;
}

unsigned int resync_policy_minute(int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = {0};

	localtime_r(&seconds, &tm);
	return (unsigned int)(tm.tm_hour * 60 + tm.tm_min);
}
