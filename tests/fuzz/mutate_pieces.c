/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutate_pieces.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

bool mutate_pieces_add(struct mutate_pieces *pieces, const uint8_t *data, size_t len)
{
	if (pieces->count == PIECES_MAX) {
		return false;
	}
	pieces->items[pieces->count++] = (struct mutate_piece){.data = data, .len = len};
	return true;
}

void mutate_pieces_split(struct mutate_pieces *pieces, const uint8_t *data, size_t size)
{
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end != NULL ? (size_t)(end - data) + 1 : size;

		if (pieces->count + 1 == PIECES_MAX) {
			len = size;
		}
		mutate_pieces_add(pieces, data, len);
		data += len;
		size -= len;
	}
}

static void pieces_insert(struct mutate_pieces *pieces, size_t index, struct mutate_piece piece)
{
	if (pieces->count < PIECES_MAX) {
		memmove(&pieces->items[index + 1], &pieces->items[index],
			(pieces->count - index) * sizeof(piece));
		pieces->items[index] = piece;
		pieces->count++;
	}
}

static struct mutate_piece pieces_remove(struct mutate_pieces *pieces, size_t index)
{
	struct mutate_piece piece = pieces->items[index];

	pieces->count--;
	memmove(&pieces->items[index], &pieces->items[index + 1],
		(pieces->count - index) * sizeof(piece));
	return piece;
}

void mutate_pieces_change(struct mutate *mutate, struct mutate_pieces *pieces, size_t first)
{
	size_t count = pieces->count > first ? pieces->count - first : 0;
	size_t one = first + mutate_below(mutate, count);
	size_t other = first + mutate_below(mutate, count);
	struct mutate_piece piece;

	if (count == 0) {
		return;
	}
	piece = pieces->items[one];
	switch (mutate_below(mutate, 4)) {
	case 0: /* once more, a few times */
		for (size_t i = 1 + mutate_below(mutate, 3); i > 0; i--) {
			pieces_insert(pieces, other, piece);
		}
		break;
	case 1:
		pieces_remove(pieces, one);
		break;
	case 2:
		pieces->items[one] = pieces->items[other];
		pieces->items[other] = piece;
		break;
	default:
		pieces_remove(pieces, one);
		pieces_insert(pieces, other < pieces->count ? other : pieces->count, piece);
		break;
	}
}

size_t mutate_pieces_join(const struct mutate_pieces *pieces, uint8_t *out, size_t max_size)
{
	uint8_t *joined = malloc(max_size + 1);
	size_t size = 0;

	if (joined == NULL) {
		abort();
	}
	for (size_t i = 0; i < pieces->count; i++) {
		size_t len = pieces->items[i].len;

		if (len > max_size - size) {
			break;
		}
		memcpy(joined + size, pieces->items[i].data, len);
		size += len;
	}
	memcpy(out, joined, size);
	free(joined);
	return size;
}

/* The text of one line, or what follows a blank or '=' in it, becomes another. */
static size_t line_change(struct mutate *mutate, struct mutate_pieces *pieces, uint8_t *data,
			  size_t max_size)
{
	struct mutate_piece *piece = &pieces->items[mutate_below(mutate, pieces->count)];
	char *line = strndup((const char *)piece->data, piece->len), *text, *value, *whole;
	size_t size;

	if (line == NULL) {
		abort();
	}
	value = line;
	for (size_t i = mutate_below(mutate, 8); i > 0 && strpbrk(value, " =") != NULL; i--) {
		value = strpbrk(value, " =") + 1;
	}
	text = mutate_text(mutate, value);
	*value = '\0';
	whole = malloc(strlen(line) + strlen(text) + 2);
	if (whole == NULL) {
		abort();
	}
	strcpy(whole, line);
	strcat(whole, text);
	if (!mutate_once_in(mutate, 16) && strchr(text, '\n') == NULL) {
		strcat(whole, "\n");
	}
	piece->data = (const uint8_t *)whole;
	piece->len = strlen(whole);
	size = mutate_pieces_join(pieces, data, max_size);
	free(whole);
	free(text);
	free(line);
	return size;
}

size_t mutate_lines(struct mutate *mutate, uint8_t *data, size_t size, size_t max_size)
{
	struct mutate_pieces pieces = {.count = 0};
	size_t kind = mutate_below(mutate, 8);

	mutate_pieces_split(&pieces, data, size);
	if (kind == 0 || pieces.count == 0) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	if (kind < 3) {
		mutate_pieces_change(mutate, &pieces, 0);
		return mutate_pieces_join(&pieces, data, max_size);
	}
	return line_change(mutate, &pieces, data, max_size);
}
