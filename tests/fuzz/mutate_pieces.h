/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An input as a row of pieces (frames, records, lines) that are doubled, dropped, swapped and moved
 * whole. */
#ifndef VMR_TESTS_FUZZ_MUTATE_PIECES_H
#define VMR_TESTS_FUZZ_MUTATE_PIECES_H

#include "mutate_value.h"

#define PIECES_MAX 256u

struct mutate_pieces {
	struct mutate_piece {
		const uint8_t *data; /* borrowed */
		size_t len;
	} items[PIECES_MAX];
	size_t count;
};

/* False when there are too many. */
bool mutate_pieces_add(struct mutate_pieces *pieces, const uint8_t *data, size_t len);
/* The lines of data, each with its end. */
void mutate_pieces_split(struct mutate_pieces *pieces, const uint8_t *data, size_t size);
/* Double, drop, swap or move one of those from index first on. */
void mutate_pieces_change(struct mutate *mutate, struct mutate_pieces *pieces, size_t first);
/* Write them one after the other into out, of which they may be parts; what does not fit is left
 * out. Returns the length. */
size_t mutate_pieces_join(const struct mutate_pieces *pieces, uint8_t *out, size_t max_size);

/* A text of lines: lines are changed as above, or the text in one of them. Returns the new size. */
size_t mutate_lines(struct mutate *mutate, uint8_t *data, size_t size, size_t max_size);

#endif
