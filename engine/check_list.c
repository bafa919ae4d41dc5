/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_TEXT_LEN 1024

static const char *verdict_to_string(enum check_verdict verdict)
{
	switch (verdict) {
	case CHECK_OK:
		return "ok";
	case CHECK_WARNING:
		return "warning";
	case CHECK_FAIL:
		break;
	}
	return "fail";
}

static void line_free(Vmreplica__Admin__CheckLine *line)
{
	if (line != NULL) {
		free(line->item);
		free(line->verdict);
		free(line->text);
		free(line->advice);
		free(line->node);
		free(line);
	}
}

static void add_copy(struct check_list *list, const Vmreplica__Admin__CheckLine *source)
{
	Vmreplica__Admin__CheckLine **grown, *line = calloc(1, sizeof(*line));

	if (line == NULL) {
		list->incomplete = true;
		return;
	}
	vmreplica__admin__check_line__init(line);
	line->item = strdup(source->item);
	line->verdict = strdup(source->verdict);
	line->text = strdup(source->text);
	line->advice = strdup(source->advice);
	line->node = strdup(source->node);
	grown = realloc(list->lines, (list->count + 1) * sizeof(*list->lines));
	if (grown != NULL) {
		list->lines = grown;
	}
	if (grown == NULL || line->item == NULL || line->verdict == NULL || line->text == NULL ||
	    line->advice == NULL || line->node == NULL) {
		line_free(line);
		list->incomplete = true;
		return;
	}
	list->lines[list->count++] = line;
}

void check_list_add(struct check_list *list, enum check_verdict verdict, const char *item,
		    const char *advice, const char *format, ...)
{
	Vmreplica__Admin__CheckLine line = VMREPLICA__ADMIN__CHECK_LINE__INIT;
	char text[CHECK_TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line.item = (char *)(uintptr_t)item;
	line.verdict = (char *)(uintptr_t)verdict_to_string(verdict);
	line.text = text;
	line.advice = (char *)(uintptr_t)(advice != NULL ? advice : "");
	line.node = (char *)(uintptr_t)list->node;
	add_copy(list, &line);
}

void check_list_append(struct check_list *list, const Vmreplica__Admin__CheckResponse *response)
{
	for (size_t i = 0; i < response->n_lines; i++) {
		add_copy(list, response->lines[i]);
	}
}

void check_list_destroy(struct check_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		line_free(list->lines[i]);
	}
	free(list->lines);
	list->lines = NULL;
	list->count = 0;
}
