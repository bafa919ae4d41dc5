/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files for tests: a whole file as a string, and a private directory. */
#ifndef VMR_TESTS_FILES_H
#define VMR_TESTS_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file's bytes with a terminator behind them; free it. NULL when it cannot be read. ret_len may
 * be NULL. */
static inline char *file_read(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "re");
	char *data = NULL;
	size_t size = 0, got;
	char buffer[4096];

	if (file == NULL) {
		return NULL;
	}
	while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0) {
		char *grown = realloc(data, size + got + 1);

		if (grown == NULL) {
			break;
		}
		data = grown;
		memcpy(data + size, buffer, got);
		size += got;
		data[size] = '\0';
	}
	fclose(file);
	if (ret_len != NULL) {
		*ret_len = size;
	}
	return data;
}

/* Write text as path. 0 or -1. */
static inline int file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (file == NULL) {
		return -1;
	}
	fputs(text, file);
	return fclose(file);
}

#endif
