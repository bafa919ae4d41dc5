/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file that owns inih: reads INI files line by line and knows the line of each pair (the
 * library does not say). */
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/config.h"

struct pair_reader {
	FILE *file;
	int line;
	bool too_long; /* line did not fit inih's buffer */
	config_pair_cb cb;
	void *arg;
	int result;	 /* first negative return of cb, */
	int result_line; /* and where */
};

/* inih ends a value at " ;" only; the shells and our own sample use '#'. */
static void line_cut_comment(char *line)
{
	for (char *p = line; *p != '\0'; p++) {
		if (*p == '#' && p > line && (p[-1] == ' ' || p[-1] == '\t')) {
			strcpy(p, "\n");
			return;
		}
	}
}

/*
 * Called by inih for each line. White space at a line's start goes: inih would take an indented
 * pair for the continuation of the value above, and a typo would be swallowed.
 */
static char *pair_line_cb(char *buf, int size, void *stream)
{
	struct pair_reader *reader = stream;
	size_t len, indent;

	if (reader->result < 0 || reader->too_long || fgets(buf, size, reader->file) == NULL) {
		return NULL;
	}
	reader->line++;
	len = strlen(buf);
	if (len == (size_t)size - 1 && buf[len - 1] != '\n') {
		reader->too_long = true;
		return NULL;
	}
	indent = strspn(buf, " \t");
	memmove(buf, buf + indent, len - indent + 1);
	line_cut_comment(buf);
	return buf;
}

static int pair_found_cb(void *user, const char *section, const char *name, const char *value)
{
	struct pair_reader *reader = user;

	reader->result = reader->cb(reader->arg, section, name, value, reader->line);
	reader->result_line = reader->line;
	return reader->result >= 0;
}

int config_read_pairs(const char *path, config_pair_cb cb, void *arg, char error[CONFIG_ERROR_LEN])
{
	cleanup_fclose FILE *file = fopen(path, "re");
	struct pair_reader reader = {.file = file, .cb = cb, .arg = arg};
	int r;

	if (file == NULL) {
		r = -errno;
		snprintf(error, CONFIG_ERROR_LEN, "%s: %s", path, strerror(-r));
		return r;
	}
	r = ini_parse_stream(pair_line_cb, &reader, pair_found_cb, &reader);
	/* inih reads on after a broken line: what comes first is what is told. */
	if (reader.result < 0 && (r <= 0 || r >= reader.result_line)) {
		return reader.result;
	}
	if (reader.too_long) {
		snprintf(error, CONFIG_ERROR_LEN, "%s:%d: the line is too long", path, reader.line);
		return -EINVAL;
	}
	if (r != 0) {
		snprintf(error, CONFIG_ERROR_LEN, "%s:%d: neither a [section] nor 'name = value'",
			 path, r > 0 ? r : reader.line);
		return -EINVAL;
	}
	if (ferror(file)) {
		snprintf(error, CONFIG_ERROR_LEN, "%s: cannot be read", path);
		return -EIO;
	}
	return 0;
}
