/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failing with a sentence: every error of a source says what happened and what to do. */
#ifndef VMR_ENGINE_SOURCE_ERROR_H
#define VMR_ENGINE_SOURCE_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#include "engine/source.h"

/* Write the sentence into error (SOURCE_ERROR_LEN bytes). */
__attribute__((format(printf, 2, 3))) static inline void source_say(char *error, const char *format,
								    ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, SOURCE_ERROR_LEN, format, args);
	va_end(args);
}

/* The same, with code, as it was before, for its value: `return source_fail(-EBUSY, error, ...)`.
 * No function: an analyzer sees into none with variable arguments, and would not know a failure
 * from a success. */
#define source_fail(code, error, ...)                                                              \
	({                                                                                         \
		int source_code = (code);                                                          \
		source_say(error, __VA_ARGS__);                                                    \
		source_code;                                                                       \
	})

#endif
