/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory for one test program, and its end. */
#ifndef VMR_TESTS_TEMPDIR_H
#define VMR_TESTS_TEMPDIR_H

#include <dirent.h>
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

/* Remove the directory's files and itself (no deeper levels). */
static inline void tempdir_remove(void)
{
	DIR *dir = opendir(tempdir());
	const struct dirent *entry;
	char path[TEMP_PATH_LEN];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			unlink(temp_path(path, entry->d_name));
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	rmdir(tempdir());
}

#endif
