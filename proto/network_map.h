/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which network of the replica side stands for which of the primary side:
 *
 *   net:prod=dr             libvirt's network "prod" is "dr" here
 *   bridge:br0=br7          the host's bridge br0 is br7 here
 *   direct:eth0=net:dr      what hung on the host's interface eth0 (macvtap) is in network "dr"
 * here
 *
 * The right side is of the left one's kind unless it names its own. Pure.
 */
#ifndef VMR_PROTO_NETWORK_MAP_H
#define VMR_PROTO_NETWORK_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/limits.h"

#define NETWORK_MAP_ERROR_LEN 192

enum network_kind { NETWORK_NET, NETWORK_BRIDGE, NETWORK_DIRECT };

struct network {
	enum network_kind kind;
	char name[NETWORK_NAME_MAX + 1];
};

struct network_map {
	struct {
		struct network from, to; /* to is never DIRECT */
	} entries[NETWORK_MAPS_MAX];
	size_t count;
};

/* Add one entry. 0, or -EINVAL (malformed, or the left side is mapped already) or -E2BIG with a
 * sentence. */
int network_map_add(struct network_map *map, const char *text, char error[NETWORK_MAP_ERROR_LEN]);
/* Add entries separated by commas; "" adds none. Likewise. */
int network_map_parse(struct network_map *map, const char *text, char error[NETWORK_MAP_ERROR_LEN]);
/* What was said to stand for a network of the primary side here. False: nothing was. */
bool network_map_names(const struct network_map *map, const struct network *from,
		       struct network *ret_to);
/* What stands for a network of the primary side here; the same name when nothing was said of it.
 * False when a macvtap interface has not been mapped: its name means nothing here. */
bool network_map_find(const struct network_map *map, const struct network *from,
		      struct network *ret_to);

/* Whether they say the same, in the same order. */
bool network_map_equals(const struct network_map *a, const struct network_map *b);

/* Letters, digits, '.', '_', '-', ':' is not among them; 1 to NETWORK_NAME_MAX. */
bool network_name_is_valid(const char *name);

#endif
