/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of sentences that ends with its scope. */
#ifndef VMR_TESTS_SENTENCES_H
#define VMR_TESTS_SENTENCES_H

#include "engine/sentence_list.h"

static inline void cleanup_sentences_fn(struct sentence_list *list)
{
	sentence_list_destroy(list);
}
#define cleanup_sentences __attribute__((cleanup(cleanup_sentences_fn)))

#endif
