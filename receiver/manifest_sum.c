/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksums that the manifest's text carries as its last member: one for each 4 KiB of what
 * stands before it, so that damage has a place. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "receiver/manifest_json.h"

#define BLOCK_BYTES 4096u
#define SUM_LEN	    16u
#define KEY	    ",\n \"sum\": \""
#define KEY_LEN	    (sizeof(KEY) - 1)
#define END	    "\n}"
#define END_LEN	    (sizeof(END) - 1)
#define TAIL	    "\"" END
#define TAIL_LEN    (sizeof(TAIL) - 1)

static size_t block_count(size_t body)
{
	return (body + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

static void block_sum(const char *text, size_t body, size_t block, char sum[SUM_LEN + 1])
{
	size_t at = block * BLOCK_BYTES;
	size_t len = body - at < BLOCK_BYTES ? body - at : BLOCK_BYTES;

	snprintf(sum, SUM_LEN + 1, "%016" PRIx64, codec_checksum(text + at, len, at));
}

char *manifest_sum_append(char *text, size_t *len)
{
	size_t body = *len - END_LEN, blocks = block_count(body);
	size_t longer_len = body + KEY_LEN + blocks * SUM_LEN + TAIL_LEN;
	char *longer = malloc(longer_len + 1);
	char *to;

	if (longer == NULL) {
		free(text);
		return NULL;
	}
	memcpy(longer, text, body);
	memcpy(longer + body, KEY, KEY_LEN);
	to = longer + body + KEY_LEN;
	for (size_t i = 0; i < blocks; i++, to += SUM_LEN) {
		block_sum(text, body, i, to);
	}
	memcpy(to, TAIL, TAIL_LEN + 1);
	free(text);
	*len = longer_len;
	return longer;
}

/* Where the last member's key begins; len when there is none. */
static size_t key_find(const char *text, size_t len)
{
	for (size_t at = len < KEY_LEN ? 0 : len - KEY_LEN; at > 0; at--) {
		if (memcmp(text + at, KEY, KEY_LEN) == 0) {
			return at;
		}
	}
	return len;
}

bool manifest_sum_is_right(const char *text, size_t len, size_t *ret_offset)
{
	size_t body, blocks;

	while (len > 0 && text[len - 1] == '\n') {
		len--;
	}
	/* Before there were sums the last member was no text: what ends with one has its sums, so
	 * that damage to the member itself shows as well. */
	if (len < TAIL_LEN || memcmp(text + len - TAIL_LEN, TAIL, TAIL_LEN) != 0) {
		return true;
	}
	body = key_find(text, len);
	blocks = block_count(body);
	if (body == len || body + KEY_LEN + blocks * SUM_LEN + TAIL_LEN != len) {
		*ret_offset = body == len ? 0 : body;
		return false;
	}
	for (size_t i = 0; i < blocks; i++) {
		char sum[SUM_LEN + 1];

		block_sum(text, body, i, sum);
		if (memcmp(sum, text + body + KEY_LEN + i * SUM_LEN, SUM_LEN) != 0) {
			*ret_offset = i * BLOCK_BYTES;
			return false;
		}
	}
	return true;
}
