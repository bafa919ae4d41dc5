/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which protocol version two sides use: the highest that both know. Pure. */
#ifndef VMR_PROTO_VERSION_H
#define VMR_PROTO_VERSION_H

#include <stddef.h>
#include <stdint.h>

struct version_range {
	uint32_t min, max;
};

/* What this release speaks (limits.h). */
struct version_range version_ours(void);
/* The highest version that lies in both ranges, 0 when there is none. */
uint32_t version_choose(struct version_range ours, struct version_range theirs);
/* "it speaks protocol versions 2 to 3, this side 1 to 1: update the older side", into buf. Returns
 * buf. */
char *version_explain(struct version_range ours, struct version_range theirs, char *buf,
		      size_t size);

#endif
