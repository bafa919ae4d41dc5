/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/trust.h"

#include <string.h>
#include <strings.h>

#include "common/dns_name.h"

bool trust_pattern_matches(const char *pattern, const char *name)
{
	size_t name_len = strlen(name), domain_len;

	if (strncmp(pattern, "*.", 2) != 0) {
		return dns_name_equals(pattern, name);
	}
	domain_len = strlen(pattern) - 1; /* with its dot */
	return name_len > domain_len && name[0] != '.' &&
	       strcasecmp(name + name_len - domain_len, pattern + 1) == 0;
}

bool trust_names_contain(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++) {
		if (dns_name_equals(*names, name)) {
			return true;
		}
	}
	return false;
}

/* How specific a pattern is: a full name beats every wildcard, a longer domain a shorter one. */
static size_t pattern_rank(const char *pattern)
{
	return strncmp(pattern, "*.", 2) == 0 ? strlen(pattern) : DNS_NAME_MAX + 3;
}

size_t trust_match(const struct trust_table *table, const char *const *names)
{
	size_t best = table->count, best_rank = 0;

	for (size_t i = 0; i < table->count; i++) {
		const char *pattern = table->at(table->entries, i).pattern;

		for (const char *const *name = names; name != NULL && *name != NULL; name++) {
			if (pattern_rank(pattern) > best_rank &&
			    trust_pattern_matches(pattern, *name)) {
				best = i;
				best_rank = pattern_rank(pattern);
			}
		}
	}
	return best;
}

/* Does the pattern stand for nodes of this site? */
static bool pattern_is_within(const char *pattern, const char *site)
{
	size_t pattern_len = strlen(pattern), site_len = strlen(site);

	return pattern_len > site_len && pattern[pattern_len - site_len - 1] == '.' &&
	       strcasecmp(pattern + pattern_len - site_len, site) == 0;
}

size_t trust_match_site(const struct trust_table *table, const char *site)
{
	const char *const names[] = {site, NULL};
	size_t found = trust_match(table, names);

	for (size_t i = 0; found == table->count && i < table->count; i++) {
		if (pattern_is_within(table->at(table->entries, i).pattern, site)) {
			found = i;
		}
	}
	return found;
}

static bool group_is_common(const char *a, const char *b)
{
	return a[0] != '\0' && strcmp(a, b) == 0;
}

bool trust_allows(const struct trust_table *table, const char *const *names, const char *site)
{
	const char *const site_names[] = {site, NULL};
	size_t peer = trust_match(table, names), owner;

	if (peer == table->count) {
		return false;
	}
	if (trust_names_contain(names, site)) {
		return true;
	}
	owner = trust_match(table, site_names);
	return owner < table->count && group_is_common(table->at(table->entries, peer).group,
						       table->at(table->entries, owner).group);
}
