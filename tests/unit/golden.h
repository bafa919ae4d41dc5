/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Golden files: what a pure decision printed, compared with tests/fixtures/<name>.
 * VMR_GOLDEN_UPDATE=1 in the environment writes the files anew: look at the difference before it is
 * committed. */
#ifndef VMR_TESTS_GOLDEN_H
#define VMR_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden {
	FILE *file; /* print here */
	char *text;
	size_t len;
};

static inline void golden_begin(struct golden *golden)
{
	golden->file = open_memstream(&golden->text, &golden->len);
}

static inline bool golden_matches(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "r");
	char *known = file != NULL ? malloc(len + 2) : NULL;
	size_t got = known != NULL ? fread(known, 1, len + 2, file) : 0;
	bool same = known != NULL && got == len && memcmp(known, text, len) == 0;

	free(known);
	if (file != NULL) {
		fclose(file);
	}
	return same;
}

/* True when what was printed is what the fixture holds. Says where to look otherwise. */
static inline bool golden_end(struct golden *golden, const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[1024];
	bool same;

	fclose(golden->file);
	snprintf(path, sizeof(path), "%s/tests/fixtures/%s", srcdir != NULL ? srcdir : ".", name);
	if (getenv("VMR_GOLDEN_UPDATE") != NULL) {
		FILE *file = fopen(path, "w");

		if (file != NULL) {
			fwrite(golden->text, 1, golden->len, file);
			fclose(file);
		}
	}
	same = golden_matches(path, golden->text, golden->len);
	if (!same) {
		printf("--- not what %s holds:\n%s---\n", path, golden->text);
	}
	free(golden->text);
	return same;
}

#endif
