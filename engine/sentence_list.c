/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/sentence_list.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_plain(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e) {
			*text = '?';
		}
	}
}

static bool is_there(const struct sentence_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], text) == 0) {
			return true;
		}
	}
	return false;
}

static void take(struct sentence_list *list, const char *text)
{
	if (is_there(list, text)) {
		return;
	}
	if (list->items == NULL) {
		list->items = calloc(SENTENCES_MAX, sizeof(*list->items));
	}
	if (list->items == NULL || list->count == SENTENCES_MAX) {
		list->left_out++;
		return;
	}
	list->items[list->count] = strdup(text);
	if (list->items[list->count] == NULL) {
		list->left_out++;
		return;
	}
	list->count++;
}

void sentence_list_add(struct sentence_list *list, const char *format, ...)
{
	char text[SENTENCE_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	make_plain(text);
	take(list, text);
}

void sentence_list_destroy(struct sentence_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i]);
	}
	free(list->items);
	*list = (struct sentence_list){0};
}
