/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/trouble.h"

#include <stdarg.h>
#include <stdio.h>

int trouble_set(struct trouble *trouble, int error, enum schedule_outcome outcome, const char *code,
		const char *format, ...)
{
	va_list args;

	trouble->outcome = outcome;
	trouble->retry_ms = 0;
	snprintf(trouble->code, sizeof(trouble->code), "%s", code);
	va_start(args, format);
	vsnprintf(trouble->text, sizeof(trouble->text), format, args);
	va_end(args);
	return error;
}
