/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/token_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

struct token {
	char text[TOKEN_LEN + 1];
	int64_t expires_ms;
	struct token_target *target; /* owned */
};

struct token_table {
	struct token *tokens; /* owned, in no order */
	size_t count, capacity;
};

struct token_table *token_table_new(void)
{
	return calloc(1, sizeof(struct token_table));
}

void token_table_free(struct token_table *table)
{
	if (table == NULL) {
		return;
	}
	for (size_t i = 0; i < table->count; i++) {
		free(table->tokens[i].target);
	}
	free(table->tokens);
	free(table);
}

static void token_table_drop(struct token_table *table, size_t index)
{
	free(table->tokens[index].target);
	table->tokens[index] = table->tokens[--table->count];
}

static void token_table_expire(struct token_table *table, int64_t now_ms)
{
	for (size_t i = table->count; i-- > 0;) {
		if (table->tokens[i].expires_ms <= now_ms) {
			token_table_drop(table, i);
		}
	}
}

static int token_table_reserve(struct token_table *table)
{
	size_t capacity = table->capacity == 0 ? 16 : table->capacity * 2;
	struct token *grown;

	if (table->count >= TOKEN_COUNT_MAX) {
		return -ENOBUFS;
	}
	if (table->count < table->capacity) {
		return 0;
	}
	grown = reallocarray(table->tokens, capacity, sizeof(*grown));
	if (grown == NULL) {
		return -ENOMEM;
	}
	table->tokens = grown;
	table->capacity = capacity;
	return 0;
}

static int token_make(char ret_token[TOKEN_LEN + 1])
{
	uint8_t random[TOKEN_LEN / 2];

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
		return -EAGAIN;
	}
	for (size_t i = 0; i < sizeof(random); i++) {
		snprintf(ret_token + 2 * i, 3, "%02x", random[i]);
	}
	return 0;
}

int token_table_issue(struct token_table *table, const struct token_target *target, int64_t now_ms,
		      char ret_token[TOKEN_LEN + 1])
{
	struct token *token;
	int rc;

	token_table_expire(table, now_ms);
	rc = token_table_reserve(table);
	if (rc < 0) {
		return rc;
	}
	token = &table->tokens[table->count];
	rc = token_make(token->text);
	if (rc < 0) {
		return rc;
	}
	token->target = malloc(sizeof(*token->target));
	if (token->target == NULL) {
		return -ENOMEM;
	}
	*token->target = *target;
	token->expires_ms = now_ms + TOKEN_VALID_MS;
	table->count++;
	memcpy(ret_token, token->text, TOKEN_LEN + 1);
	return 0;
}

bool token_table_take(struct token_table *table, const char *token, int64_t now_ms,
		      struct token_target *ret_target)
{
	token_table_expire(table, now_ms);
	for (size_t i = 0; i < table->count; i++) {
		if (strcasecmp(table->tokens[i].text, token) == 0) {
			*ret_target = *table->tokens[i].target;
			token_table_drop(table, i);
			return true;
		}
	}
	return false;
}

/* How many hex digits name begins with. */
static size_t count_hex(const char *name)
{
	return strspn(name, "0123456789abcdefABCDEF");
}

bool token_sni_is_relay(const char *sni)
{
	size_t len = strlen(sni), suffix = strlen(TOKEN_SNI_SUFFIX);

	if (len == TOKEN_LEN && count_hex(sni) == TOKEN_LEN) {
		return true;
	}
	return len >= suffix && strcasecmp(sni + len - suffix, TOKEN_SNI_SUFFIX) == 0;
}

bool token_from_sni(const char *sni, char ret_token[TOKEN_LEN + 1])
{
	size_t len = strlen(sni);

	if ((len != TOKEN_LEN && len != TOKEN_LEN + strlen(TOKEN_SNI_SUFFIX)) ||
	    !token_sni_is_relay(sni) || count_hex(sni) != TOKEN_LEN) {
		return false;
	}
	memcpy(ret_token, sni, TOKEN_LEN);
	ret_token[TOKEN_LEN] = '\0';
	return true;
}
