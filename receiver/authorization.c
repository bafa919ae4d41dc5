/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/authorization.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/trust.h"
#include "proto/limits.h"
#include "proto/validate.h"

#define DENIAL_QUIET_MS 60000

struct authorization_entry {
	char pattern[SITE_NAME_MAX + 1];
	char *group; /* owned; "" = none */
};

struct authorization {
	pthread_mutex_t lock;
	struct authorization_entry *entries; /* owned */
	size_t count;
	bool received;	  /* the engine has sent its entries */
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

static void entries_free(struct authorization_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(entries[i].group);
	}
	free(entries);
}

void authorization_free(struct authorization *authorization)
{
	if (authorization != NULL) {
		entries_free(authorization->entries, authorization->count);
		pthread_mutex_destroy(&authorization->lock);
		free(authorization);
	}
}

/* The entries that are sound, and how many. NULL when out of memory. */
static struct authorization_entry *entries_copy(const Vmreplica__Ipc__AuthorizationSet *set,
						size_t *ret_count)
{
	struct authorization_entry *entries = calloc(set->n_entries + 1, sizeof(*entries));
	size_t count = 0;

	for (size_t i = 0; entries != NULL && i < set->n_entries; i++) {
		const char *pattern = set->entries[i]->pattern;

		if (strlen(pattern) > SITE_NAME_MAX || !validate_site_pattern(pattern)) {
			log_warning("authorization entry \"%.64s\" is not a site's name: ignored",
				    pattern);
			continue;
		}
		entries[count].group = strdup(set->entries[i]->group);
		if (entries[count].group == NULL) {
			entries_free(entries, count);
			return NULL;
		}
		snprintf(entries[count].pattern, sizeof(entries[count].pattern), "%s", pattern);
		count++;
	}
	*ret_count = count;
	return entries;
}

int authorization_set(struct authorization *authorization,
		      const Vmreplica__Ipc__AuthorizationSet *set)
{
	size_t count = 0;
	struct authorization_entry *entries = entries_copy(set, &count);

	pthread_mutex_lock(&authorization->lock);
	entries_free(authorization->entries, authorization->count);
	authorization->entries = entries;
	authorization->count = count;
	authorization->received = true;
	pthread_mutex_unlock(&authorization->lock);
	return entries == NULL ? -ENOMEM : 0;
}

static struct trust_entry trust_at(const void *entries, size_t i)
{
	const struct authorization_entry *entry = (const struct authorization_entry *)entries + i;

	return (struct trust_entry){.pattern = entry->pattern, .group = entry->group};
}

/* The lock is held. */
static struct trust_table trust_of(const struct authorization *authorization)
{
	return (struct trust_table){
		.entries = authorization->entries, .count = authorization->count, .at = trust_at};
}

bool authorization_admits(struct authorization *authorization, const char *const *names)
{
	struct trust_table trust;
	bool admitted;

	pthread_mutex_lock(&authorization->lock);
	trust = trust_of(authorization);
	admitted = trust_match(&trust, names) < trust.count;
	pthread_mutex_unlock(&authorization->lock);
	return admitted;
}

bool authorization_allows(struct authorization *authorization, const char *const *names,
			  const char *site)
{
	struct trust_table trust;
	bool allowed;

	pthread_mutex_lock(&authorization->lock);
	trust = trust_of(authorization);
	allowed = trust_allows(&trust, names, site);
	pthread_mutex_unlock(&authorization->lock);
	return allowed;
}

bool authorization_knows_site(struct authorization *authorization, const char *site)
{
	char node[SITE_NAME_MAX + sizeof("node.")];
	const char *const names[] = {site, node, NULL};

	struct trust_table trust;
	bool known;

	snprintf(node, sizeof(node), "node.%s", site);
	pthread_mutex_lock(&authorization->lock);
	trust = trust_of(authorization);
	known = !authorization->received || trust_match(&trust, names) < trust.count;
	pthread_mutex_unlock(&authorization->lock);
	return known;
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
