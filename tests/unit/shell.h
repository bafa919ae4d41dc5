/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command of the shell that must succeed, for a test's own files. */
#ifndef VMR_TESTS_SHELL_H
#define VMR_TESTS_SHELL_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

__attribute__((format(printf, 1, 2))) static inline void shell_run(const char *format, ...)
{
	char command[8192];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	CU_ASSERT_FATAL(length >= 0 && (size_t)length < sizeof(command));
	CU_ASSERT_EQUAL_FATAL(system(command), 0); /* NOLINT(cert-env33-c) */
}

#endif
