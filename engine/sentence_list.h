/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A short list of sentences for an admin. They quote what a peer wrote: what a terminal, a log or
 * JSON could choke on is replaced, a sentence that is there already is not added again, and what is
 * beyond the list's size is counted only.
 */
#ifndef VMR_ENGINE_SENTENCE_LIST_H
#define VMR_ENGINE_SENTENCE_LIST_H

#include <stddef.h>

#define SENTENCES_MAX 32
#define SENTENCE_LEN  256

/* Begins as {0}. */
struct sentence_list {
	char **items; /* owned, as each of them */
	size_t count;
	size_t left_out; /* did not fit any more */
};

/* Without memory the sentence counts as left out. */
void sentence_list_add(struct sentence_list *list, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void sentence_list_destroy(struct sentence_list *list);

#endif
