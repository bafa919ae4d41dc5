/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/admission.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#define BUCKETS	      256u
#define PEER_NAME_LEN 256u
#define FORGET_MS     10000 /* a peer without connections keeps its rate for so long */

/* An address with pending connections. */
struct admission_source {
	struct admission_source *next;		  /* in its bucket */
	struct admission_source *all, **all_from; /* among all */
	uint64_t key[2];
	struct admission_ticket *oldest, *newest;
	unsigned count;
};

struct admission_peer {
	struct admission_peer *next;
	char name[PEER_NAME_LEN];
	unsigned count, working;
	sem_t shares;
	double tokens;
	int64_t charged_ms, seen_ms; /* seen: recognized or charged last */
};

struct admission {
	struct admission_limits limits;
	uint64_t seed, order;
	struct admission_source *buckets[BUCKETS], *sources;
	struct admission_peer *peers;
	unsigned pending, known;
};

static void peer_free(struct admission_peer *peer)
{
	sem_destroy(&peer->shares);
	free(peer);
}

struct admission *admission_new(const struct admission_limits *limits)
{
	struct admission *admission = calloc(1, sizeof(*admission));

	if (admission == NULL) {
		return NULL;
	}
	admission->limits = *limits;
	/* Addresses are chosen by strangers: without a seed they could choose colliding ones. */
	if (getrandom(&admission->seed, sizeof(admission->seed), GRND_NONBLOCK) !=
	    sizeof(admission->seed)) {
		admission->seed = (uint64_t)(uintptr_t)admission;
	}
	return admission;
}

void admission_free(struct admission *admission)
{
	if (admission == NULL) {
		return;
	}
	while (admission->peers != NULL) {
		struct admission_peer *peer = admission->peers;

		admission->peers = peer->next;
		peer_free(peer);
	}
	free(admission);
}

/* ---- pending ---- */

static void key_of(const struct in6_addr *address, uint64_t key[2])
{
	memcpy(key, address, 16);
	if (!IN6_IS_ADDR_V4MAPPED(address)) {
		key[1] = 0; /* whoever has one address of a /64 has all of them */
	}
}

static struct admission_source **bucket_of(struct admission *admission, const uint64_t key[2])
{
	uint64_t value = (key[0] ^ admission->seed) * 0x9e3779b97f4a7c15u;

	value = ((value ^ value >> 32) ^ key[1]) * 0xd6e8feb86659fd93u;
	return &admission->buckets[(value ^ value >> 32) % BUCKETS];
}

static struct admission_source *source_get(struct admission *admission,
					   const struct in6_addr *address)
{
	struct admission_source **bucket, *source;
	uint64_t key[2];

	key_of(address, key);
	bucket = bucket_of(admission, key);
	for (source = *bucket; source != NULL; source = source->next) {
		if (source->key[0] == key[0] && source->key[1] == key[1]) {
			return source;
		}
	}
	source = calloc(1, sizeof(*source));
	if (source == NULL) {
		return NULL;
	}
	memcpy(source->key, key, sizeof(key));
	source->next = *bucket;
	*bucket = source;
	source->all = admission->sources;
	source->all_from = &admission->sources;
	if (source->all != NULL) {
		source->all->all_from = &source->all;
	}
	admission->sources = source;
	return source;
}

static void source_free(struct admission *admission, struct admission_source *source)
{
	struct admission_source **slot = bucket_of(admission, source->key);

	while (*slot != source) {
		slot = &(*slot)->next;
	}
	*slot = source->next;
	*source->all_from = source->all;
	if (source->all != NULL) {
		source->all->all_from = source->all_from;
	}
	free(source);
}

static void pending_leave(struct admission *admission, struct admission_ticket *ticket)
{
	struct admission_source *source = ticket->source;

	if (ticket->prev != NULL) {
		ticket->prev->next = ticket->next;
	} else {
		source->oldest = ticket->next;
	}
	if (ticket->next != NULL) {
		ticket->next->prev = ticket->prev;
	} else {
		source->newest = ticket->prev;
	}
	ticket->next = ticket->prev = NULL;
	ticket->source = NULL;
	admission->pending--;
	if (--source->count == 0) {
		source_free(admission, source);
	}
}

/* The oldest one of the address that has the most; of several such, the oldest of all. */
static struct admission_ticket *victim_choose(const struct admission *admission)
{
	const struct admission_source *most = NULL;

	for (const struct admission_source *source = admission->sources; source != NULL;
	     source = source->all) {
		if (source->count > 0 && (most == NULL || source->count > most->count ||
					  (source->count == most->count &&
					   source->oldest->order < most->oldest->order))) {
			most = source;
		}
	}
	return most == NULL ? NULL : most->oldest;
}

int admission_enter(struct admission *admission, const struct in6_addr *address,
		    struct admission_ticket *ticket, struct admission_ticket **ret_victim)
{
	struct admission_source *source = source_get(admission, address);

	*ret_victim = NULL;
	if (source == NULL) {
		return -ENOMEM;
	}
	if (source->count >= admission->limits.pending_per_address) {
		*ret_victim = source->oldest;
	} else if (admission->pending >= admission->limits.pending_max) {
		*ret_victim = victim_choose(admission);
	}
	ticket->source = source;
	ticket->order = admission->order++;
	ticket->prev = source->newest;
	ticket->next = NULL;
	if (source->newest != NULL) {
		source->newest->next = ticket;
	} else {
		source->oldest = ticket;
	}
	source->newest = ticket;
	source->count++;
	admission->pending++;
	return 0;
}

/* ---- known ---- */

/* The site's name is the shortest: a node's has it for its end. */
static const char *peer_name(const char *const *names)
{
	const char *shortest = "";

	for (; names != NULL && *names != NULL; names++) {
		if (shortest[0] == '\0' || strlen(*names) < strlen(shortest)) {
			shortest = *names;
		}
	}
	return shortest;
}

static void peers_forget(struct admission *admission, int64_t now_ms)
{
	struct admission_peer **slot = &admission->peers;

	while (*slot != NULL) {
		struct admission_peer *peer = *slot;

		if (peer->count == 0 && now_ms - peer->seen_ms >= FORGET_MS) {
			*slot = peer->next;
			peer_free(peer);
		} else {
			slot = &peer->next;
		}
	}
}

static struct admission_peer *peer_get(struct admission *admission, const char *name,
				       int64_t now_ms)
{
	struct admission_peer *peer;

	peers_forget(admission, now_ms);
	for (peer = admission->peers; peer != NULL; peer = peer->next) {
		if (strcasecmp(peer->name, name) == 0) {
			return peer;
		}
	}
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL) {
		return NULL;
	}
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	sem_init(&peer->shares, 0, admission->limits.shares_per_peer);
	peer->tokens = admission->limits.burst;
	peer->charged_ms = peer->seen_ms = now_ms;
	peer->next = admission->peers;
	admission->peers = peer;
	return peer;
}

int admission_recognize(struct admission *admission, struct admission_ticket *ticket,
			const char *const *names, int64_t now_ms)
{
	struct admission_peer *peer = peer_get(admission, peer_name(names), now_ms);

	if (peer == NULL) {
		return -ENOMEM;
	}
	if (peer->count >= admission->limits.known_per_peer ||
	    admission->known >= admission->limits.known_max) {
		return -EBUSY;
	}
	pending_leave(admission, ticket);
	ticket->peer = peer;
	peer->count++;
	peer->seen_ms = now_ms;
	admission->known++;
	return 0;
}

void admission_leave(struct admission *admission, struct admission_ticket *ticket)
{
	if (ticket->source != NULL) {
		pending_leave(admission, ticket);
	}
	if (ticket->peer != NULL) {
		admission_rest(ticket);
		ticket->peer->count--;
		ticket->peer = NULL;
		admission->known--;
	}
}

int64_t admission_charge(struct admission *admission, struct admission_ticket *ticket,
			 int64_t now_ms)
{
	double rate = admission->limits.rate_per_s, burst = admission->limits.burst;
	struct admission_peer *peer = ticket->peer;

	if (rate <= 0 || peer == NULL) {
		return 0;
	}
	peer->seen_ms = now_ms;
	peer->tokens += rate * (double)(now_ms - peer->charged_ms) / 1000.0;
	peer->tokens = peer->tokens > burst ? burst : peer->tokens;
	peer->charged_ms = now_ms;
	peer->tokens -= 1.0;
	return peer->tokens >= 0 ? 0 : 1 + (int64_t)(-peer->tokens * 1000.0 / rate);
}

bool admission_work(struct admission *admission, struct admission_ticket *ticket)
{
	struct admission_peer *peer = ticket->peer;

	if (peer == NULL || ticket->working) {
		return true;
	}
	if (admission->limits.working_per_peer != 0 &&
	    peer->working >= admission->limits.working_per_peer) {
		return false;
	}
	ticket->working = true;
	peer->working++;
	return true;
}

void admission_rest(struct admission_ticket *ticket)
{
	if (ticket->working) {
		ticket->working = false;
		ticket->peer->working--;
	}
}

bool admission_share_take(struct admission_ticket *ticket, int timeout_ms)
{
	struct timespec until;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	do {
		rc = sem_clockwait(&ticket->peer->shares, CLOCK_MONOTONIC, &until);
	} while (rc < 0 && errno == EINTR);
	return rc == 0;
}

void admission_share_give(struct admission_ticket *ticket)
{
	sem_post(&ticket->peer->shares);
}

unsigned admission_pending(const struct admission *admission)
{
	return admission->pending;
}

unsigned admission_known(const struct admission *admission)
{
	return admission->known;
}
