/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How numbers and tables look on a terminal, and JSON on its way out. */
#ifndef VMR_ADMIN_OUTPUT_H
#define VMR_ADMIN_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OUTPUT_TEXT_LEN	  32  /* room for any formatted number */
#define OUTPUT_WIDTH	  100 /* columns that a table may take */
#define TABLE_COLUMNS_MAX 12

/* "0 B", "512 B", "1.5 KiB", "2.0 GiB" into buf. Returns buf. */
char *output_bytes(uint64_t bytes, char buf[OUTPUT_TEXT_LEN]);
/* "7 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"; "-" when negative. Returns buf. */
char *output_duration(int64_t seconds, char buf[OUTPUT_TEXT_LEN]);

/* A table whose columns are as wide as their longest cell; the last column is cut so that a line
 * keeps within OUTPUT_WIDTH. Zero-initialize; release with table_destroy. */
struct table {
	size_t columns, rows;
	char **cells; /* owned, rows * columns */
	bool failed;  /* out of memory: table_print says so */
};

/* Start with a row of headers: the arguments up to a NULL, TABLE_COLUMNS_MAX at most. */
void table_begin(struct table *table, const char *header, ...) __attribute__((sentinel));
/* Add a row with as many cells (copied) as there are columns, then NULL. "" shows as "-". */
void table_row(struct table *table, const char *cell, ...) __attribute__((sentinel));
size_t table_data_rows(const struct table *table); /* without the headers */
/* 0, or -ENOMEM when a row was lost. */
int table_print(const struct table *table, FILE *out);
void table_destroy(struct table *table);

/* Print value (taken; NULL = out of memory) as a document of its own, on one line when compact.
 * Returns the exit status. */
int output_json(json_t *value, bool compact);

/* Append value (taken) to *array. Out of memory, or a NULL value, turns *array into NULL, which
 * json_pack and this function pass on, so that the end of the chain sees it. */
void output_json_append(json_t **array, json_t *value);

/* A string of a message; bytes that are no UTF-8 become '?'. New reference. */
json_t *output_json_string(const char *text);
/* The same, but JSON null when empty. New reference. */
json_t *output_json_text(const char *text);
/* Wall clock as RFC 3339; JSON null for 0. New reference. */
json_t *output_json_time(int64_t wall_ms);

#endif
