/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may act for a site: the one meaning of authorization entries and trust groups, for the broker
 * (LOCATE) and the receiver (HELLO, each cycle) alike. Pure.
 *
 * A peer is known by all DNS names of its certificate; its entry is the most specific one that any
 * of them matches. Without an entry it may do nothing. With one it may send the
 * replica of a relationship that belongs to its own site (a name of the certificate), and of one
 * that belongs to another site when both sites' entries carry the same trust group. No group is
 * never a common group. Taking a relationship apart (WITHDRAW) stays its own site's.
 */
#ifndef VMR_COMMON_TRUST_H
#define VMR_COMMON_TRUST_H

#include <stdbool.h>
#include <stddef.h>

/* An entry as the rule sees it; both borrowed. pattern: a full DNS name, or "*.domain". group: ""
 * = none. */
struct trust_entry {
	const char *pattern, *group;
};

/* Any table of entries: at(entries, i) gives the i-th of count. */
struct trust_table {
	const void *entries;
	size_t count;
	struct trust_entry (*at)(const void *entries, size_t i);
};

/* True when name is pattern, or lies below its "*.domain" at any depth (the domain itself does
 * not). Without regard to case. */
bool trust_pattern_matches(const char *pattern, const char *name);
/* True when names (NULL-terminated; NULL = none) hold name. Without regard to case. */
bool trust_names_contain(const char *const *names, const char *name);
/* The index of the most specific entry that one of names matches: a full name before any
 * "*.domain", then the longest domain. table->count when none does. */
size_t trust_match(const struct trust_table *table, const char *const *names);
/* The index of the entry that a site's replicas count for: the one that matches its name best, else
 * the first for nodes of it ("a1.a.example" and "*.a.example" are such for a.example).
 * table->count = none. */
size_t trust_match_site(const struct trust_table *table, const char *site);
/* May a peer with these names send the replica of a relationship that belongs to site? */
bool trust_allows(const struct trust_table *table, const char *const *names, const char *site);

#endif
