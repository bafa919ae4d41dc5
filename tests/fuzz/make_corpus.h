/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of make_corpus. Whatever fails ends the program. */
#ifndef VMR_TESTS_FUZZ_MAKE_CORPUS_H
#define VMR_TESTS_FUZZ_MAKE_CORPUS_H

#include <stddef.h>

/* A file in the corpus of target: its descriptor. */
int corpus_file_new(const char *target, const char *name);
void corpus_file_put(int fd, const void *data, size_t len);

/* A well-formed message of each type of frame (target message), and a request and an answer of each
 * kind of the admin interface (target admin). */
void corpus_messages_make(void);

#endif
