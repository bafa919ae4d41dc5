/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/network_map.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {
	[NETWORK_NET] = "net", [NETWORK_BRIDGE] = "bridge", [NETWORK_DIRECT] = "direct"};

#define KINDS	  (sizeof(kinds) / sizeof(kinds[0]))
#define ENTRY_LEN (2 * (NETWORK_NAME_MAX + 8))

bool network_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NETWORK_NAME_MAX || name[0] == '-' || name[0] == '.') {
		return false;
	}
	for (; *name != '\0'; name++) {
		if (!isascii((unsigned char)*name) ||
		    (!isalnum((unsigned char)*name) && strchr("._-", *name) == NULL)) {
			return false;
		}
	}
	return true;
}

/* "net:prod" into *network; a missing kind is other's, when there is one. */
static bool parse_network(const char *text, const struct network *other, struct network *network)
{
	const char *colon = strchr(text, ':'), *name = text;
	size_t kind = other != NULL ? (size_t)other->kind : KINDS;

	if (colon != NULL) {
		for (kind = 0; kind < KINDS; kind++) {
			if (strlen(kinds[kind]) == (size_t)(colon - text) &&
			    strncmp(kinds[kind], text, (size_t)(colon - text)) == 0) {
				break;
			}
		}
		name = colon + 1;
	}
	if (kind == KINDS || !network_name_is_valid(name)) {
		return false;
	}
	network->kind = (enum network_kind)kind;
	snprintf(network->name, sizeof(network->name), "%s", name);
	return true;
}

static bool same_network(const struct network *a, const struct network *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static int refuse(char *error, int code, const char *entry, const char *why)
{
	snprintf(error, NETWORK_MAP_ERROR_LEN, "\"%.60s\" %s", entry, why);
	return code;
}

int network_map_add(struct network_map *map, const char *text, char error[NETWORK_MAP_ERROR_LEN])
{
	char left[ENTRY_LEN], *right;
	struct network from = {0}, to = {0};

	if ((size_t)snprintf(left, sizeof(left), "%s", text) >= sizeof(left) ||
	    (right = strchr(left, '=')) == NULL) {
		return refuse(error, -EINVAL, text, "maps no network: write net:HERE=THERE");
	}
	*right++ = '\0';
	if (!parse_network(left, NULL, &from) || !parse_network(right, &from, &to) ||
	    to.kind == NETWORK_DIRECT) {
		return refuse(error, -EINVAL, text,
			      "maps no network: write net:HERE=THERE, bridge:HERE=THERE or "
			      "direct:HERE=net:THERE");
	}
	for (size_t i = 0; i < map->count; i++) {
		if (same_network(&map->entries[i].from, &from)) {
			return same_network(&map->entries[i].to, &to)
				       ? 0
				       : refuse(error, -EINVAL, text,
						"maps a network that is mapped already");
		}
	}
	if (map->count == NETWORK_MAPS_MAX) {
		return refuse(error, -E2BIG, text, "is one map of a network too many");
	}
	map->entries[map->count].from = from;
	map->entries[map->count].to = to;
	map->count++;
	return 0;
}

int network_map_parse(struct network_map *map, const char *text, char error[NETWORK_MAP_ERROR_LEN])
{
	static const char separators[] = ", \t";
	int result = 0;

	for (text += strspn(text, separators); *text != '\0' && result == 0;
	     text += strspn(text, separators)) {
		size_t len = strcspn(text, separators);
		char entry[ENTRY_LEN];

		if (len >= sizeof(entry)) {
			return refuse(error, -EINVAL, text, "is too long for a map of a network");
		}
		memcpy(entry, text, len);
		entry[len] = '\0';
		result = network_map_add(map, entry, error);
		text += len;
	}
	return result;
}

bool network_map_names(const struct network_map *map, const struct network *from,
		       struct network *ret_to)
{
	for (size_t i = 0; map != NULL && i < map->count; i++) {
		if (same_network(&map->entries[i].from, from)) {
			*ret_to = map->entries[i].to;
			return true;
		}
	}
	return false;
}

bool network_map_find(const struct network_map *map, const struct network *from,
		      struct network *ret_to)
{
	if (network_map_names(map, from, ret_to)) {
		return true;
	}
	if (from->kind == NETWORK_DIRECT) {
		return false;
	}
	*ret_to = *from;
	return true;
}

bool network_map_equals(const struct network_map *a, const struct network_map *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++) {
		same = same_network(&a->entries[i].from, &b->entries[i].from) &&
		       same_network(&a->entries[i].to, &b->entries[i].to);
	}
	return same;
}
