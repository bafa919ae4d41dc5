/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/authorization.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/rate.h"
#include "common/sha256.h"
#include "common/trust.h"
#include "proto/validate.h"

/* Letters, digits, '.', '_' and '-': what can stand in a setting's value without quoting. */
static bool group_is_valid(const char *group)
{
	size_t len = strlen(group);

	return len <= AUTHORIZATION_GROUP_MAX &&
	       strspn(group, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "0123456789._-") == len;
}

static bool storage_is_valid(const char *storage)
{
	for (const char *c = storage; *c != '\0'; c++) {
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c)) {
			return false;
		}
	}
	return strlen(storage) <= PATH_LEN_MAX && validate_absolute_path(storage);
}

static void copy_lower(char *to, const char *from)
{
	while (*from != '\0') {
		*to++ = (char)tolower((unsigned char)*from++);
	}
	*to = '\0';
}

int authorization_entry_init(struct authorization_entry *ret_entry, const char *pattern,
			     const char *storage, const char *group, uint32_t max_vms,
			     char error[AUTHORIZATION_ERROR_LEN])
{
	if (strlen(pattern) > SITE_NAME_MAX || !validate_site_pattern(pattern)) {
		snprintf(error, AUTHORIZATION_ERROR_LEN,
			 "\"%.64s\" is not a site: give a full DNS name such as a.example, or "
			 "*.example",
			 pattern);
		return -EINVAL;
	}
	if (!storage_is_valid(storage)) {
		snprintf(error, AUTHORIZATION_ERROR_LEN,
			 "\"%.128s\" cannot be a storage directory: give an absolute path without "
			 "spaces",
			 storage);
		return -EINVAL;
	}
	if (group == NULL || strcmp(group, "-") == 0) {
		group = "";
	}
	if (!group_is_valid(group)) {
		snprintf(error, AUTHORIZATION_ERROR_LEN,
			 "\"%.64s\" is not a group: use letters, digits, '.', '_' and '-', at most "
			 "%u",
			 group, AUTHORIZATION_GROUP_MAX);
		return -EINVAL;
	}
	memset(ret_entry, 0, sizeof(*ret_entry));
	copy_lower(ret_entry->pattern, pattern);
	memcpy(ret_entry->storage, storage, strlen(storage) + 1);
	memcpy(ret_entry->group, group, strlen(group) + 1);
	ret_entry->max_vms = max_vms;
	return 0;
}

bool authorization_entry_equals(const struct authorization_entry *a,
				const struct authorization_entry *b)
{
	return strcmp(a->pattern, b->pattern) == 0 && strcmp(a->storage, b->storage) == 0 &&
	       strcmp(a->group, b->group) == 0 && a->max_vms == b->max_vms &&
	       a->max_size_bytes == b->max_size_bytes;
}

int authorization_setting_name(const char *pattern, char buf[AUTHORIZATION_NAME_LEN])
{
	uint8_t digest[SHA256_LEN];
	char lower[SITE_NAME_MAX + 1];
	int rc;

	snprintf(lower, sizeof(lower), "%s", pattern);
	copy_lower(lower, lower);
	rc = sha256_of(lower, strlen(lower), digest);
	if (rc < 0) {
		return rc;
	}
	snprintf(buf, AUTHORIZATION_NAME_LEN,
		 AUTHORIZATION_PREFIX "%02x%02x%02x%02x%02x%02x%02x%02x", digest[0], digest[1],
		 digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]);
	return 0;
}

char *authorization_encode(const struct authorization_entry *entry,
			   char buf[AUTHORIZATION_VALUE_LEN])
{
	int used = snprintf(buf, AUTHORIZATION_VALUE_LEN,
			    "pattern=%s storage=%s group=%s max-vms=%" PRIu32, entry->pattern,
			    entry->storage, entry->group[0] == '\0' ? "-" : entry->group,
			    entry->max_vms);

	/* Left out where there is none: an older node would not know the word. */
	if (entry->max_size_bytes != 0) {
		snprintf(buf + used, AUTHORIZATION_VALUE_LEN - (size_t)used, " max-size=%" PRIu64,
			 entry->max_size_bytes);
	}
	return buf;
}

static int parse_max_vms(const char *text, uint32_t *ret_max)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 9) {
		return -EINVAL;
	}
	value = strtoul(text, &end, 10);
	if (*end != '\0') {
		return -EINVAL;
	}
	*ret_max = (uint32_t)value;
	return 0;
}

/* The value's words by key; pointers into the text that was split. */
struct words {
	const char *pattern, *storage, *group, *max_vms, *max_size;
};

static int words_take(struct words *words, char *word)
{
	char *equals = strchr(word, '=');
	const char **slot = NULL;

	if (equals == NULL) {
		return -EINVAL;
	}
	*equals = '\0';
	if (strcmp(word, "pattern") == 0) {
		slot = &words->pattern;
	} else if (strcmp(word, "storage") == 0) {
		slot = &words->storage;
	} else if (strcmp(word, "group") == 0) {
		slot = &words->group;
	} else if (strcmp(word, "max-vms") == 0) {
		slot = &words->max_vms;
	} else if (strcmp(word, "max-size") == 0) {
		slot = &words->max_size;
	}
	if (slot == NULL || *slot != NULL) {
		return -EINVAL;
	}
	*slot = equals + 1;
	return 0;
}

int authorization_decode(const char *value, struct authorization_entry *ret_entry,
			 char error[AUTHORIZATION_ERROR_LEN])
{
	cleanup_free char *copy = NULL;
	struct words words = {NULL};
	uint64_t max_size_bytes = 0;
	uint32_t max_vms = 0;
	char *rest = NULL;
	int rc;

	if (strlen(value) >= AUTHORIZATION_VALUE_LEN) {
		snprintf(error, AUTHORIZATION_ERROR_LEN, "the authorization entry is too long");
		return -EINVAL;
	}
	copy = strdup(value);
	for (char *word = copy == NULL ? NULL : strtok_r(copy, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		if (words_take(&words, word) < 0) {
			snprintf(error, AUTHORIZATION_ERROR_LEN,
				 "\"%.64s\" in an authorization entry is not known", word);
			return -EINVAL;
		}
	}
	if (words.pattern == NULL || words.storage == NULL) {
		snprintf(error, AUTHORIZATION_ERROR_LEN,
			 "an authorization entry needs pattern= and storage=");
		return -EINVAL;
	}
	if (words.max_vms != NULL && parse_max_vms(words.max_vms, &max_vms) < 0) {
		snprintf(error, AUTHORIZATION_ERROR_LEN, "max-vms=%.32s is not a number",
			 words.max_vms);
		return -EINVAL;
	}
	if (words.max_size != NULL && rate_parse(words.max_size, &max_size_bytes) < 0) {
		snprintf(error, AUTHORIZATION_ERROR_LEN,
			 "max-size=%.32s is not a size: give bytes, such as 500G", words.max_size);
		return -EINVAL;
	}
	rc = authorization_entry_init(ret_entry, words.pattern, words.storage, words.group, max_vms,
				      error);
	if (rc == 0) {
		ret_entry->max_size_bytes = max_size_bytes;
	}
	return rc;
}

/* ---- the table ---- */

static int entry_compare(const void *a, const void *b)
{
	const struct authorization_entry *left = a, *right = b;

	return strcmp(left->pattern, right->pattern);
}

static bool setting_is_entry(const char *name)
{
	return strncmp(name, AUTHORIZATION_PREFIX, strlen(AUTHORIZATION_PREFIX)) == 0;
}

int authorization_table_load(const Vmreplica__Ipc__CibSettings *settings,
			     struct authorization_table *ret_table, size_t *ret_broken)
{
	size_t n_settings = settings == NULL ? 0 : settings->n_settings;
	struct authorization_table table = {NULL, 0};
	char error[AUTHORIZATION_ERROR_LEN];
	size_t broken = 0, room = 0;

	for (size_t i = 0; i < n_settings; i++) {
		room += setting_is_entry(settings->settings[i]->name);
	}
	if (room > AUTHORIZATION_ENTRIES_MAX) {
		broken += room - AUTHORIZATION_ENTRIES_MAX;
		room = AUTHORIZATION_ENTRIES_MAX;
	}
	table.entries = calloc(room + 1, sizeof(*table.entries));
	if (table.entries == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_settings && table.count < room; i++) {
		if (!setting_is_entry(settings->settings[i]->name)) {
			continue;
		}
		if (authorization_decode(settings->settings[i]->value, &table.entries[table.count],
					 error) < 0) {
			broken++;
			continue;
		}
		table.count++;
	}
	qsort(table.entries, table.count, sizeof(*table.entries), entry_compare);
	*ret_table = table;
	if (ret_broken != NULL) {
		*ret_broken = broken;
	}
	return 0;
}

void authorization_table_destroy(struct authorization_table *table)
{
	free(table->entries);
	table->entries = NULL;
	table->count = 0;
}

static struct trust_entry trust_at(const void *entries, size_t i)
{
	const struct authorization_entry *entry = (const struct authorization_entry *)entries + i;

	return (struct trust_entry){.pattern = entry->pattern, .group = entry->group};
}

static struct trust_table trust_of(const struct authorization_table *table)
{
	return (struct trust_table){
		.entries = table->entries, .count = table->count, .at = trust_at};
}

const struct authorization_entry *authorization_match(const struct authorization_table *table,
						      const char *const *names)
{
	const struct trust_table trust = trust_of(table);
	size_t i = trust_match(&trust, names);

	return i < table->count ? &table->entries[i] : NULL;
}

const struct authorization_entry *authorization_match_name(const struct authorization_table *table,
							   const char *name)
{
	const char *names[] = {name, NULL};

	return authorization_match(table, names);
}

const struct authorization_entry *authorization_find(const struct authorization_table *table,
						     const char *pattern)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strcasecmp(table->entries[i].pattern, pattern) == 0) {
			return &table->entries[i];
		}
	}
	return NULL;
}

const struct authorization_entry *authorization_site_entry(const struct authorization_table *table,
							   const char *site)
{
	const struct trust_table trust = trust_of(table);
	size_t i = trust_match_site(&trust, site);

	return i < table->count ? &table->entries[i] : NULL;
}

bool authorization_allows(const struct authorization_table *table, const char *const *names,
			  const char *site)
{
	const struct trust_table trust = trust_of(table);

	return trust_allows(&trust, names, site);
}
