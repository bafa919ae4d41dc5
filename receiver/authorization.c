/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/authorization.h"

#include <errno.h>
#include <inttypes.h>
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
#define DENIALS_KEPT	32u /* that are told apart, and so many are reported in a minute */
#define CLAIM_MS	60000
#define CLAIMS_MAX	1024u

struct authorization_entry {
	char pattern[SITE_NAME_MAX + 1];
	char *group;		 /* owned; "" = none */
	uint64_t max_size_bytes; /* 0 = no limit */
};

/* A replica that counts for an entry with a limit: as the engine told, or as a stream claimed. */
struct authorized_size {
	char relationship[RELATIONSHIP_LEN + 1];
	char site[SITE_NAME_MAX + 1];
	uint64_t size_bytes;
	int64_t until_ms; /* of a claim; monotonic */
};

struct denial {
	char who[256];
	int64_t time_ms; /* monotonic; 0 = never */
};

struct authorization {
	pthread_mutex_t lock;
	struct authorization_entry *entries; /* owned */
	size_t count;
	bool received;		       /* the engine has sent its entries */
	struct authorized_size *sizes; /* owned; of the whole cluster */
	size_t size_count;
	struct authorized_size *claims; /* owned */
	size_t claim_count;
	struct denial denials[DENIALS_KEPT]; /* reported last */
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
		free(authorization->sizes);
		free(authorization->claims);
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
		entries[count].max_size_bytes = set->entries[i]->max_size_bytes;
		count++;
	}
	*ret_count = count;
	return entries;
}

static struct authorized_size *sizes_copy(const Vmreplica__Ipc__AuthorizationSet *set)
{
	struct authorized_size *sizes = calloc(set->n_replicas + 1, sizeof(*sizes));

	for (size_t i = 0; sizes != NULL && i < set->n_replicas; i++) {
		const Vmreplica__Ipc__AuthorizedReplica *replica = set->replicas[i];

		snprintf(sizes[i].relationship, sizeof(sizes[i].relationship), "%s",
			 replica->relationship);
		snprintf(sizes[i].site, sizeof(sizes[i].site), "%s", replica->site);
		sizes[i].size_bytes = replica->size_bytes;
	}
	return sizes;
}

int authorization_set(struct authorization *authorization,
		      const Vmreplica__Ipc__AuthorizationSet *set)
{
	size_t count = 0;
	struct authorized_size *sizes = sizes_copy(set);
	struct authorization_entry *entries = sizes == NULL ? NULL : entries_copy(set, &count);

	pthread_mutex_lock(&authorization->lock);
	entries_free(authorization->entries, authorization->count);
	authorization->entries = entries;
	authorization->count = count;
	free(authorization->sizes);
	authorization->sizes = sizes;
	authorization->size_count = sizes == NULL ? 0 : set->n_replicas;
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
	struct trust_table trust;
	bool known;

	pthread_mutex_lock(&authorization->lock);
	trust = trust_of(authorization);
	known = !authorization->received || trust_match_site(&trust, site) < trust.count;
	pthread_mutex_unlock(&authorization->lock);
	return known;
}

/* ---- room ---- */

static const struct authorized_size *size_find(const struct authorized_size *sizes, size_t count,
					       const char *relationship)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(sizes[i].relationship, relationship) == 0) {
			return &sizes[i];
		}
	}
	return NULL;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* Of those that count for the entry, but relationship. The lock is held. */
static uint64_t room_used(const struct authorization *authorization, size_t entry,
			  const char *relationship, int64_t now_ms)
{
	const struct trust_table trust = trust_of(authorization);
	uint64_t used = 0;

	for (size_t i = 0; i < authorization->size_count; i++) {
		const struct authorized_size *size = &authorization->sizes[i];

		if (strcmp(size->relationship, relationship) != 0 &&
		    trust_match_site(&trust, size->site) == entry) {
			used = add(used, size->size_bytes);
		}
	}
	for (size_t i = 0; i < authorization->claim_count; i++) {
		const struct authorized_size *claim = &authorization->claims[i], *told;

		if (now_ms >= claim->until_ms || strcmp(claim->relationship, relationship) == 0 ||
		    trust_match_site(&trust, claim->site) != entry) {
			continue;
		}
		told = size_find(authorization->sizes, authorization->size_count,
				 claim->relationship);
		if (told == NULL || told->size_bytes < claim->size_bytes) {
			used = add(used, claim->size_bytes - (told == NULL ? 0 : told->size_bytes));
		}
	}
	return used;
}

/* A slot for the relationship's claim: its own, an old one, a new one. NULL: no memory, or too
 * many. The lock is held. */
static struct authorized_size *claim_slot(struct authorization *authorization,
					  const char *relationship, int64_t now_ms)
{
	struct authorized_size *claims = authorization->claims, *free_slot = NULL;

	for (size_t i = 0; i < authorization->claim_count; i++) {
		if (strcmp(claims[i].relationship, relationship) == 0) {
			return &claims[i];
		}
		free_slot = now_ms >= claims[i].until_ms ? &claims[i] : free_slot;
	}
	if (free_slot != NULL || authorization->claim_count >= CLAIMS_MAX) {
		return free_slot;
	}
	claims = reallocarray(claims, authorization->claim_count + 1, sizeof(*claims));
	if (claims == NULL) {
		return NULL;
	}
	authorization->claims = claims;
	return &claims[authorization->claim_count++];
}

static int room_claim(struct authorization *authorization, const char *site,
		      const char *relationship, uint64_t size_bytes, char why[REASON_MAX + 1])
{
	const struct trust_table trust = trust_of(authorization);
	int64_t now_ms = clock_monotonic_ms();
	size_t i = trust_match_site(&trust, site);
	const struct authorization_entry *entry;
	struct authorized_size *claim;
	uint64_t used;

	if (i == trust.count || authorization->entries[i].max_size_bytes == 0) {
		return 0;
	}
	entry = &authorization->entries[i];
	used = room_used(authorization, i, relationship, now_ms);
	if (add(used, size_bytes) > entry->max_size_bytes) {
		snprintf(why, REASON_MAX + 1,
			 "the authorization entry %.100s allows %" PRIu64 " MiB of disks in all, "
			 "its other replicas have %" PRIu64 ", this one would have %" PRIu64
			 ": raise its --max-size there (vmreplica authorize add), or remove "
			 "replicas",
			 entry->pattern, entry->max_size_bytes >> 20, used >> 20, size_bytes >> 20);
		return -EACCES;
	}
	claim = claim_slot(authorization, relationship, now_ms);
	if (claim == NULL) {
		return -ENOMEM;
	}
	snprintf(claim->relationship, sizeof(claim->relationship), "%s", relationship);
	snprintf(claim->site, sizeof(claim->site), "%s", site);
	claim->size_bytes = size_bytes;
	claim->until_ms = now_ms + CLAIM_MS;
	return 0;
}

int authorization_claim_room(struct authorization *authorization, const char *site,
			     const char *relationship, uint64_t size_bytes,
			     char why[REASON_MAX + 1])
{
	int rc;

	pthread_mutex_lock(&authorization->lock);
	rc = room_claim(authorization, site, relationship, size_bytes, why);
	pthread_mutex_unlock(&authorization->lock);
	return rc;
}

/* ---- reports ---- */

bool authorization_denial_is_news(struct authorization *authorization, const char *who)
{
	int64_t now_ms = clock_monotonic_ms();
	struct denial *slot = &authorization->denials[0];
	bool news;

	pthread_mutex_lock(&authorization->lock);
	for (size_t i = 0; i < DENIALS_KEPT; i++) {
		struct denial *denial = &authorization->denials[i];

		if (strncmp(denial->who, who, sizeof(denial->who) - 1) == 0) {
			slot = denial;
			break;
		}
		slot = denial->time_ms < slot->time_ms ? denial : slot;
	}
	/* The oldest that is kept is younger than a minute: whoever makes up new denials fills no
	 * log. */
	news = slot->time_ms == 0 || now_ms - slot->time_ms > DENIAL_QUIET_MS;
	if (news) {
		snprintf(slot->who, sizeof(slot->who), "%s", who);
		slot->time_ms = now_ms;
	}
	pthread_mutex_unlock(&authorization->lock);
	return news;
}
