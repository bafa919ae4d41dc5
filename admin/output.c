/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "common/cleanup.h"
#include "common/clock.h"

char *output_bytes(uint64_t bytes, char buf[OUTPUT_TEXT_LEN])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	/* 1023.95 and above would print as "1024.0". */
	while (value >= (unit == 0 ? 1024.0 : 1023.95) &&
	       unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024.0;
		unit++;
	}
	snprintf(buf, OUTPUT_TEXT_LEN, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return buf;
}

char *output_duration(int64_t seconds, char buf[OUTPUT_TEXT_LEN])
{
	if (seconds < 0) {
		snprintf(buf, OUTPUT_TEXT_LEN, "-");
	} else if (seconds < 60) {
		snprintf(buf, OUTPUT_TEXT_LEN, "%" PRId64 " s", seconds);
	} else if (seconds < 3600) {
		snprintf(buf, OUTPUT_TEXT_LEN, "%" PRId64 " min %" PRId64 " s", seconds / 60,
			 seconds % 60);
	} else if (seconds < 86400) {
		snprintf(buf, OUTPUT_TEXT_LEN, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
			 seconds / 60 % 60);
	} else {
		snprintf(buf, OUTPUT_TEXT_LEN, "%" PRId64 " d %" PRId64 " h", seconds / 86400,
			 seconds / 3600 % 24);
	}
	return buf;
}

static void table_add(struct table *table, const char *const *cells)
{
	size_t used = table->rows * table->columns;
	char **grown = reallocarray(table->cells, used + table->columns, sizeof(*grown));

	if (grown == NULL) {
		table->failed = true;
		return;
	}
	table->cells = grown;
	for (size_t i = 0; i < table->columns; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every row has its cells */
		grown[used + i] = strdup(cells[i][0] != '\0' ? cells[i] : "-");
		table->failed = table->failed || grown[used + i] == NULL;
	}
	table->rows++;
}

void table_begin(struct table *table, const char *header, ...)
{
	const char *cells[TABLE_COLUMNS_MAX];
	va_list args;

	va_start(args, header);
	for (const char *cell = header; cell != NULL && table->columns < TABLE_COLUMNS_MAX;
	     cell = va_arg(args, const char *)) {
		cells[table->columns++] = cell;
	}
	va_end(args);
	table_add(table, cells);
}

void table_row(struct table *table, const char *cell, ...)
{
	const char *cells[TABLE_COLUMNS_MAX];
	va_list args;

	va_start(args, cell);
	for (size_t i = 0; i < table->columns; i++) {
		cells[i] = cell != NULL ? cell : "";
		cell = cell != NULL ? va_arg(args, const char *) : NULL;
	}
	va_end(args);
	table_add(table, cells);
}

size_t table_data_rows(const struct table *table)
{
	return table->rows > 0 ? table->rows - 1 : 0;
}

static void column_widths(const struct table *table, int widths[TABLE_COLUMNS_MAX])
{
	for (size_t column = 0; column < table->columns; column++) {
		widths[column] = 0;
		for (size_t row = 0; row < table->rows; row++) {
			int len = (int)strlen(table->cells[row * table->columns + column]);

			widths[column] = len > widths[column] ? len : widths[column];
		}
	}
}

int table_print(const struct table *table, FILE *out)
{
	int widths[TABLE_COLUMNS_MAX];

	if (table->failed) {
		return -ENOMEM;
	}
	column_widths(table, widths);
	for (size_t row = 0; row < table->rows; row++) {
		char **cells = table->cells + row * table->columns;
		int left = OUTPUT_WIDTH;

		for (size_t column = 0; column + 1 < table->columns; column++) {
			fprintf(out, "%-*s  ", widths[column], cells[column]);
			left -= widths[column] + 2;
		}
		/* A last column with no room worth the name is printed whole all the same. */
		fprintf(out, "%.*s\n", left >= 20 ? left : OUTPUT_WIDTH, cells[table->columns - 1]);
	}
	return 0;
}

void table_destroy(struct table *table)
{
	for (size_t i = 0; table->cells != NULL && i < table->rows * table->columns; i++) {
		free(table->cells[i]);
	}
	free(table->cells);
	memset(table, 0, sizeof(*table));
}

int output_json(json_t *value, bool compact)
{
	int rc;

	if (value == NULL) {
		return command_failed("out of memory", NULL);
	}
	rc = json_dumpf(value, stdout, compact ? JSON_COMPACT : JSON_INDENT(2));
	json_decref(value);
	putchar('\n');
	return rc == 0 ? STATUS_DONE : STATUS_FAILED;
}

void output_json_append(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value) < 0) {
		json_decref(*array);
		*array = NULL;
	}
}

json_t *output_json_string(const char *text)
{
	json_t *value = json_string(text);
	cleanup_free char *plain = NULL;

	if (value != NULL) {
		return value;
	}
	/* jansson refuses what is no UTF-8: one odd byte in a reason must not hide the whole
	 * status. */
	plain = strdup(text);
	for (char *c = plain; c != NULL && *c != '\0'; c++) {
		*c = (unsigned char)*c < 0x80 ? *c : '?';
	}
	return plain != NULL ? json_string(plain) : NULL;
}

json_t *output_json_text(const char *text)
{
	return text[0] == '\0' ? json_null() : output_json_string(text);
}

json_t *output_json_time(int64_t wall_ms)
{
	char text[RFC3339_LEN];

	return wall_ms == 0 ? json_null() : json_string(clock_format_rfc3339(wall_ms, text));
}
