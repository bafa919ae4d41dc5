/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Authorization entries: who may replicate into this cluster, and where to. Nobody may by default.
 * Pure.
 *
 * An entry is a cluster setting: name "vmreplica-authorize-<first 16 hex digits of SHA-256 of the
 * pattern>", value "pattern=a.example storage=/srv/replica group=- max-vms=0", with "
 * max-size=BYTES" behind it where there is one. pattern is a full DNS name, or "*.domain", which
 * stands for every name below the domain at any depth, but not for the domain itself. Names compare
 * without regard to case.
 */
#ifndef VMR_CLUSTER_AUTHORIZATION_H
#define VMR_CLUSTER_AUTHORIZATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ipc.pb-c.h"
#include "proto/limits.h"

#define AUTHORIZATION_PREFIX	  "vmreplica-authorize-"
#define AUTHORIZATION_NAME_LEN	  40u /* setting name with its terminator */
#define AUTHORIZATION_GROUP_MAX	  64u
#define AUTHORIZATION_VALUE_LEN	  (SITE_NAME_MAX + PATH_LEN_MAX + AUTHORIZATION_GROUP_MAX + 96u)
#define AUTHORIZATION_ENTRIES_MAX 256u
#define AUTHORIZATION_ERROR_LEN	  256u

struct authorization_entry {
	char pattern[SITE_NAME_MAX + 1];
	char storage[PATH_LEN_MAX + 1];		 /* absolute, no white space */
	char group[AUTHORIZATION_GROUP_MAX + 1]; /* trust group; "" = none */
	uint32_t max_vms;			 /* 0 = no limit */
	uint64_t max_size_bytes; /* of the replicas' disks, as their VMs see them; 0 = no limit */
};

struct authorization_table {
	struct authorization_entry *entries; /* owned, ascending by pattern */
	size_t count;
};

/* Check what an admin typed and fill *ret_entry; its max_size_bytes is 0, for the caller to set.
 * group NULL, "" or "-" = none. 0, or -EINVAL with a sentence in error. */
int authorization_entry_init(struct authorization_entry *ret_entry, const char *pattern,
			     const char *storage, const char *group, uint32_t max_vms,
			     char error[AUTHORIZATION_ERROR_LEN]);

/* Whether they allow the same to the same. */
bool authorization_entry_equals(const struct authorization_entry *a,
				const struct authorization_entry *b);

/* The setting's name for a pattern (in lower case), into buf. 0, -ENOMEM or -EIO. */
int authorization_setting_name(const char *pattern, char buf[AUTHORIZATION_NAME_LEN]);
/* The setting's value. Returns buf. */
char *authorization_encode(const struct authorization_entry *entry,
			   char buf[AUTHORIZATION_VALUE_LEN]);
/* The other way round. 0, or -EINVAL with a sentence in error; unknown keys are errors. */
int authorization_decode(const char *value, struct authorization_entry *ret_entry,
			 char error[AUTHORIZATION_ERROR_LEN]);

/* Read all entries out of the cluster's settings (NULL = none). Broken values are left out and
 * counted in *ret_broken (may be NULL). 0 or -ENOMEM; *ret_table is replaced on success only:
 * release it first, or hand in a fresh one. */
int authorization_table_load(const Vmreplica__Ipc__CibSettings *settings,
			     struct authorization_table *ret_table, size_t *ret_broken);
void authorization_table_destroy(struct authorization_table *table);

/* The most specific entry that one of names (DNS SANs, NULL-terminated) matches: a full name before
 * any "*.domain", then the longest domain. NULL when none does. Borrowed from table. */
const struct authorization_entry *authorization_match(const struct authorization_table *table,
						      const char *const *names);
const struct authorization_entry *authorization_match_name(const struct authorization_table *table,
							   const char *name);
/* The entry that a site's replicas count for (common/trust.h); NULL = none. */
const struct authorization_entry *authorization_site_entry(const struct authorization_table *table,
							   const char *site);
/* The entry with exactly this pattern, or NULL. */
const struct authorization_entry *authorization_find(const struct authorization_table *table,
						     const char *pattern);

/* May a peer with these names act for a relationship that belongs to site? The rule is
 * common/trust.h's.
 */
bool authorization_allows(const struct authorization_table *table, const char *const *names,
			  const char *site);

#endif
