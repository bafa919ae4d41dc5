/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory for one test program, and its end. */
#ifndef VMR_TESTS_TEMPDIR_H
#define VMR_TESTS_TEMPDIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEMP_PATH_LEN 512

/* Weak, so that all files of a program share one directory, which any of them can remove. */
__attribute__((weak)) char tempdir_path[64];

/* The program's directory, made at the first call. Ends the program if it cannot be made. */
static inline const char *tempdir(void)
{
	if (tempdir_path[0] == '\0') {
		strcpy(tempdir_path, "/tmp/vmreplica-unit-XXXXXX");
		if (mkdtemp(tempdir_path) == NULL) {
			perror(tempdir_path);
			exit(1);
		}
	}
	return tempdir_path;
}

/* "<tempdir>/<name>" in buf; returns buf. */
static inline char *temp_path(char buf[TEMP_PATH_LEN], const char *name)
{
	snprintf(buf, TEMP_PATH_LEN, "%s/%s", tempdir(), name);
	return buf;
}

/* Write text into a file of the directory; returns its path in buf. */
static inline char *temp_file(char buf[TEMP_PATH_LEN], const char *name, const char *text)
{
	FILE *file = fopen(temp_path(buf, name), "we");

	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
		perror(buf);
		exit(1);
	}
	return buf;
}

static inline int tempdir_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Remove the directory and all below it. */
static inline void tempdir_remove(void)
{
	nftw(tempdir(), tempdir_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
