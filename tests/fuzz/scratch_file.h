/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file in memory for parsers that take a path: one for all runs of a target. */
#ifndef VMR_TESTS_FUZZ_SCRATCH_FILE_H
#define VMR_TESTS_FUZZ_SCRATCH_FILE_H

#include <stddef.h>

/* A directory of this process, removed with the files put into it when it ends. Static. */
const char *scratch_directory(void);
/* Have the file name in it hold size bytes. Its path is static, until the next call. */
const char *scratch_file_put(const char *name, const void *data, size_t size);
/* What the file holds: to free, with *ret_size, and ended by a NUL. */
char *scratch_file_get(const char *name, size_t *ret_size);

#endif
