/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Relay tokens: random, short-lived, good for one connection, bound to a relationship and to the
 * owner as of the LOCATE. Whoever shows one has been authorized by the TLS connection that it was
 * given out on. Pure (the caller gives time).
 */
#ifndef VMR_BROKER_TOKEN_TABLE_H
#define VMR_BROKER_TOKEN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define TOKEN_LEN	 32u /* hex digits of 128 random bits */
#define TOKEN_SNI_SUFFIX ".relay.vmreplica"
#define TOKEN_VALID_MS	 30000
#define TOKEN_PEER_LEN	 256u
#define TOKEN_COUNT_MAX	 4096u

struct token_target {
	char relationship[RELATIONSHIP_LEN + 1];
	char node[NODE_NAME_MAX + 1];
	char host[NODE_NAME_MAX + 1];
	uint16_t port;
	char peer[TOKEN_PEER_LEN]; /* who got it, for display */
};

struct token_table;
struct token_table *token_table_new(void); /* NULL when out of memory */
void token_table_free(struct token_table *table);

/* Make a token for target (copied). 0, -ENOBUFS (TOKEN_COUNT_MAX are valid), -ENOMEM, -EAGAIN (no
 * random numbers yet). */
int token_table_issue(struct token_table *table, const struct token_target *target, int64_t now_ms,
		      char ret_token[TOKEN_LEN + 1]);
/* Use a token up. True with *ret_target filled; false when it is unknown, used or too old. */
bool token_table_take(struct token_table *table, const char *token, int64_t now_ms,
		      struct token_target *ret_target);

/* Is this server name a relay token's: its 32 hex digits as the only label, or as the first one
 * before
 * ".relay.vmreplica"? Then the digits are copied to ret_token. */
bool token_from_sni(const char *sni, char ret_token[TOKEN_LEN + 1]);
/* Does it at least claim to be one? Such a connection never gets to speak TLS with the broker
 * itself. */
bool token_sni_is_relay(const char *sni);

#endif
