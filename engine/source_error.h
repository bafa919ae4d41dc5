/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failing with a sentence: every error of a source says what happened and what to do. */
#ifndef VMR_ENGINE_SOURCE_ERROR_H
#define VMR_ENGINE_SOURCE_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#include "engine/source.h"

/* Write the sentence into error (SOURCE_ERROR_LEN bytes) and return code, so that a caller can
 * `return source_fail(-EBUSY, error, ...)`. */
__attribute__((format(printf, 3, 4))) static inline int source_fail(int code, char *error,
								    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, SOURCE_ERROR_LEN, format, args);
	va_end(args);
	return code;
}

#endif
