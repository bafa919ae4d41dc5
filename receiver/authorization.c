/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/authorization.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/limits.h"
#include "proto/validate.h"

#define DENIAL_QUIET_MS 60000

struct authorization {
	pthread_mutex_t lock;
	char (*patterns)[SITE_NAME_MAX + 1]; /* owned */
	size_t count;
	char denied[256]; /* who was reported last, and when (monotonic) */
	int64_t denied_ms;
};

struct authorization *authorization_new(void)
{
	struct authorization *authorization = calloc(1, sizeof(*authorization));

	if (authorization != NULL && pthread_mutex_init(&authorization->lock, NULL) != 0) {
		free(authorization);
		authorization = NULL;
	}
	return authorization;
}

void authorization_free(struct authorization *authorization)
{
	if (authorization != NULL) {
		free(authorization->patterns);
		pthread_mutex_destroy(&authorization->lock);
		free(authorization);
	}
}

int authorization_set(struct authorization *authorization,
		      const Vmreplica__Ipc__AuthorizationSet *set)
{
	char(*patterns)[SITE_NAME_MAX + 1] = calloc(set->n_entries + 1, sizeof(*patterns));
	size_t count = 0;

	for (size_t i = 0; patterns != NULL && i < set->n_entries; i++) {
		const char *pattern = set->entries[i]->pattern;

		if (strlen(pattern) > SITE_NAME_MAX || !validate_site_pattern(pattern)) {
			log_warning("authorization entry \"%.64s\" is not a site's name: ignored",
				    pattern);
			continue;
		}
		snprintf(patterns[count++], sizeof(*patterns), "%s", pattern);
	}
	pthread_mutex_lock(&authorization->lock);
	free(authorization->patterns);
	authorization->patterns = patterns;
	authorization->count = count;
	pthread_mutex_unlock(&authorization->lock);
	return patterns == NULL ? -ENOMEM : 0;
}

bool authorization_pattern_covers(const char *pattern, const char *site)
{
	size_t site_len = strlen(site), domain_len;

	if (strncmp(pattern, "*.", 2) != 0) {
		return strcasecmp(pattern, site) == 0;
	}
	domain_len = strlen(pattern) - 1; /* with its dot */
	return site_len > domain_len && site[0] != '.' &&
	       strcasecmp(site + site_len - domain_len, pattern + 1) == 0;
}

bool authorization_allows(struct authorization *authorization, const char *site)
{
	bool allowed = false;

	pthread_mutex_lock(&authorization->lock);
	for (size_t i = 0; i < authorization->count && !allowed; i++) {
		allowed = authorization_pattern_covers(authorization->patterns[i], site);
	}
	pthread_mutex_unlock(&authorization->lock);
	return allowed;
}

bool authorization_denial_is_news(struct authorization *authorization, const char *who)
{
	int64_t now_ms = clock_monotonic_ms();
	bool news;

	pthread_mutex_lock(&authorization->lock);
	news = strncmp(authorization->denied, who, sizeof(authorization->denied) - 1) != 0 ||
	       now_ms - authorization->denied_ms > DENIAL_QUIET_MS;
	if (news) {
		snprintf(authorization->denied, sizeof(authorization->denied), "%s", who);
		authorization->denied_ms = now_ms;
	}
	pthread_mutex_unlock(&authorization->lock);
	return news;
}
