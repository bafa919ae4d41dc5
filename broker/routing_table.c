/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/routing_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ROUTING_BUCKETS_MIN 64u

/* ---- keys ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The 16 bytes of a UUID's text; false when it is none. */
static bool key_parse(const char *text, uint8_t ret_key[ROUTING_KEY_LEN])
{
	size_t at = 0;

	for (size_t i = 0; i < ROUTING_KEY_LEN; i++) {
		int high, low;

		if (i == 4 || i == 6 || i == 8 || i == 10) {
			if (text[at++] != '-') {
				return false;
			}
		}
		high = hex_value(text[at]);
		low = high < 0 ? -1 : hex_value(text[at + 1]);
		if (low < 0) {
			return false;
		}
		ret_key[i] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	return text[at] == '\0';
}

static size_t key_bucket(const struct routing_table *table, const uint8_t key[ROUTING_KEY_LEN])
{
	uint64_t high, low;

	memcpy(&high, key, 8);
	memcpy(&low, key + 8, 8);
	high = (high ^ table->seed) * 0x9e3779b97f4a7c15ull;
	high ^= high >> 32;
	high = (high ^ low) * 0xd6e8feb86659fd93ull;
	return (size_t)(high ^ high >> 32) & (table->bucket_count - 1);
}

/* ---- the table ---- */

struct routing_table *routing_table_new(void)
{
	struct routing_table *table = calloc(1, sizeof(*table));

	if (table == NULL) {
		return NULL;
	}
	table->bucket_count = ROUTING_BUCKETS_MIN;
	table->buckets = calloc(table->bucket_count, sizeof(struct entry *));
	if (table->buckets == NULL) {
		free(table);
		return NULL;
	}
	/* Relationships are chosen by peers: without a seed they could choose colliding ones. */
	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) != sizeof(table->seed)) {
		table->seed = (uint64_t)(uintptr_t)table;
	}
	return table;
}

void claim_free(struct claim *claim)
{
	free(claim->vm);
	free(claim->peer);
	free(claim->resource);
	free(claim);
}

void routing_node_free(struct routing_node *node)
{
	for (size_t i = 0; i < node->storage_count; i++) {
		free(node->storages[i].path);
		free(node->storages[i].id);
		free(node->storages[i].error);
	}
	free(node->storages);
	free(node->name);
	free(node->host);
	free(node->san);
	free(node->site);
	free(node);
}

static void entry_free(struct entry *entry)
{
	while (entry->claims != NULL) {
		struct claim *claim = entry->claims;

		entry->claims = claim->next;
		claim_free(claim);
	}
	free(entry->vm);
	free(entry->peer);
	free(entry->resource);
	free(entry);
}

void routing_table_free(struct routing_table *table)
{
	if (table == NULL) {
		return;
	}
	for (size_t i = 0; i < table->bucket_count; i++) {
		while (table->buckets[i] != NULL) {
			struct entry *entry = table->buckets[i];

			table->buckets[i] = entry->next;
			entry_free(entry);
		}
	}
	while (table->nodes != NULL) {
		struct routing_node *node = table->nodes;

		table->nodes = node->next;
		routing_node_free(node);
	}
	placement_unref(table->placement);
	free(table->buckets);
	free(table);
}

static struct entry *table_find(const struct routing_table *table,
				const uint8_t key[ROUTING_KEY_LEN])
{
	struct entry *entry = table->buckets[key_bucket(table, key)];

	while (entry != NULL && memcmp(entry->key, key, ROUTING_KEY_LEN) != 0) {
		entry = entry->next;
	}
	return entry;
}

/* Double the buckets; when there is no memory the chains just grow longer. */
static void table_grow(struct routing_table *table)
{
	struct entry **old = table->buckets;
	size_t old_count = table->bucket_count;
	struct entry **buckets = calloc(old_count * 2, sizeof(struct entry *));

	if (buckets == NULL) {
		return;
	}
	table->buckets = buckets;
	table->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		while (old[i] != NULL) {
			struct entry *entry = old[i];
			size_t bucket = key_bucket(table, entry->key);

			old[i] = entry->next;
			entry->next = buckets[bucket];
			buckets[bucket] = entry;
		}
	}
	free(old);
}

struct entry *table_entry_get(struct routing_table *table, const char *relationship)
{
	uint8_t key[ROUTING_KEY_LEN];
	struct entry *entry;
	size_t bucket;

	if (!key_parse(relationship, key)) {
		return NULL;
	}
	entry = table_find(table, key);
	if (entry != NULL) {
		return entry;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		return NULL;
	}
	if (table->entry_count >= table->bucket_count) {
		table_grow(table);
	}
	memcpy(entry->key, key, sizeof(key));
	memcpy(entry->relationship, relationship, RELATIONSHIP_LEN + 1);
	bucket = key_bucket(table, key);
	entry->next = table->buckets[bucket];
	table->buckets[bucket] = entry;
	table->entry_count++;
	return entry;
}

/* ---- judging ---- */

/* Of two claims: the one of the higher generation, else the one that is not being let go. */
static int claim_compare(const struct claim *a, const struct claim *b)
{
	if (a->generation != b->generation) {
		return a->generation > b->generation ? 1 : -1;
	}
	return (int)b->moving - (int)a->moving;
}

/* The claim that counts. *ret_contested when another node has one just as good. */
static const struct claim *entry_best_claim(const struct entry *entry, bool *ret_contested)
{
	const struct claim *best = NULL;
	bool contested = false;

	for (const struct claim *claim = entry->claims; claim != NULL; claim = claim->next) {
		int order = best == NULL ? 1 : claim_compare(claim, best);

		if (order > 0) {
			best = claim;
		}
		contested = order == 0 || (order < 0 && contested);
	}
	*ret_contested = contested;
	return best;
}

static void evidence_add_placement(const struct routing_table *table, const struct entry *entry,
				   struct route_evidence *evidence)
{
	const struct placement_resource *resource;
	const struct routing_node *node;

	if (table->placement == NULL || !entry->configured) {
		return;
	}
	evidence->placement_known = true;
	evidence->placement_ms = table->placement->read_ms;
	resource = placement_find(table->placement, entry->resource);
	if (resource == NULL) {
		evidence->placement = PLACEMENT_STOPPED;
		return;
	}
	evidence->placement = resource->state;
	evidence->placement_why = resource->why;
	evidence->placed_on = resource->node;
	node = resource->node == NULL ? NULL : routing_table_find_node(table, resource->node);
	if (node != NULL) {
		evidence->placed_engine_known = true;
		evidence->placed_engine_complete = node->complete;
		evidence->placed_engine_ms = node->announced_ms;
	}
}

static const char *first_text(const char *a, const char *b)
{
	if (a != NULL && *a != '\0') {
		return a;
	}
	return b != NULL ? b : "";
}

static void entry_refresh(const struct routing_table *table, struct entry *entry)
{
	struct route_evidence evidence = {.placement = PLACEMENT_UNKNOWN};
	const struct claim *claim = entry_best_claim(entry, &evidence.claim_contested);
	const struct routing_node *owner = NULL;
	struct route *route = &entry->route;
	struct route_verdict verdict;

	evidence_add_placement(table, entry, &evidence);
	if (claim != NULL) {
		evidence.claimed_by = claim->node->name;
		evidence.claim_moving = claim->moving;
		evidence.claim_ms = claim->at_ms;
	}
	route_judge(&evidence, &verdict);
	if (verdict.owner != NULL) {
		owner = routing_table_find_node(table, verdict.owner);
	}
	*route = (struct route){
		.relationship = entry->relationship,
		.vm = first_text(entry->vm, claim == NULL ? NULL : claim->vm),
		.resource = first_text(entry->resource, claim == NULL ? NULL : claim->resource),
		.peer = first_text(entry->peer, claim == NULL ? NULL : claim->peer),
		.role = claim != NULL && claim->role != VMREPLICA__ROLE__ROLE_UNKNOWN ? claim->role
										      : entry->role,
		.state = claim != NULL ? claim->state : VMREPLICA__STATE__STATE_DISABLED,
		.configured = entry->configured,
		.moving = verdict.moving,
		.why = first_text(verdict.why, ""),
		.node = first_text(verdict.owner, ""),
		.host = first_text(owner == NULL ? NULL : owner->host, ""),
		.name = first_text(owner == NULL ? NULL : owner->san, ""),
		.port = owner == NULL ? 0 : owner->port,
		.size_bytes = entry->size_bytes,
		.source = verdict.source,
		.since_ms = verdict.since_ms,
	};
}

void table_refresh(struct routing_table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct entry **slot = &table->buckets[i];

		while (*slot != NULL) {
			struct entry *entry = *slot;

			if (!entry->configured && entry->claims == NULL) {
				*slot = entry->next;
				table->entry_count--;
				entry_free(entry);
				continue;
			}
			entry_refresh(table, entry);
			slot = &entry->next;
		}
	}
}

/* ---- lookups ---- */

const struct route *routing_table_find(const struct routing_table *table, const char *relationship)
{
	uint8_t key[ROUTING_KEY_LEN];
	struct entry *entry;

	if (!key_parse(relationship, key)) {
		return NULL;
	}
	entry = table_find(table, key);
	return entry == NULL ? NULL : &entry->route;
}

void routing_table_note_size(struct routing_table *table, const char *relationship,
			     uint64_t size_bytes)
{
	uint8_t key[ROUTING_KEY_LEN];
	struct entry *entry = key_parse(relationship, key) ? table_find(table, key) : NULL;

	if (entry != NULL && entry->size_bytes == 0) {
		entry->size_bytes = entry->route.size_bytes = size_bytes;
	}
}

size_t routing_table_count(const struct routing_table *table)
{
	return table->entry_count;
}

void routing_table_for_each(const struct routing_table *table,
			    void (*cb)(void *arg, const struct route *route), void *arg)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		for (const struct entry *entry = table->buckets[i]; entry != NULL;
		     entry = entry->next) {
			cb(arg, &entry->route);
		}
	}
}

struct vm_search {
	const char *vm;
	const struct route *found;
};

static void vm_search_cb(void *arg, const struct route *route)
{
	struct vm_search *search = arg;

	if (strcmp(route->vm, search->vm) == 0 &&
	    (search->found == NULL || route->role == VMREPLICA__ROLE__ROLE_PRIMARY)) {
		search->found = route;
	}
}

const struct route *routing_table_find_vm(const struct routing_table *table, const char *vm)
{
	struct vm_search search = {.vm = vm};

	routing_table_for_each(table, vm_search_cb, &search);
	return search.found;
}

const struct routing_node *routing_table_nodes(const struct routing_table *table)
{
	return table->nodes;
}

const struct routing_node *routing_table_find_node(const struct routing_table *table,
						   const char *name)
{
	const struct routing_node *node = table->nodes;

	while (node != NULL && strcmp(node->name, name) != 0) {
		node = node->next;
	}
	return node;
}

struct replica_count {
	const char *node;
	uint32_t count;
};

static void replica_count_cb(void *arg, const struct route *route)
{
	struct replica_count *count = arg;

	if (route->role == VMREPLICA__ROLE__ROLE_REPLICA && strcmp(route->node, count->node) == 0) {
		count->count++;
	}
}

uint32_t routing_table_replicas_on(const struct routing_table *table, const char *node)
{
	struct replica_count count = {.node = node};

	routing_table_for_each(table, replica_count_cb, &count);
	return count.count;
}
