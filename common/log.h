/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging of the daemons (tools print instead). One line per message, to the daemon's file below
 * the configured log directory and to syslog; to standard error as well while it is a terminal or
 * foreground. Who handles an error logs it, once, naming VM, node and peer. notice = a state change
 * that an operator cares about. Lines are cut at 480 bytes (libqb's limit is 512), and control
 * characters in them become spaces. Safe from any thread. Before log_open, warnings and errors go
 * to standard error alone.
 */
#ifndef VMR_COMMON_LOG_H
#define VMR_COMMON_LOG_H

#include <stdbool.h>

/* Open the log as `name`. directory may be NULL (no file). level: "error", "warning", "notice",
 * "info", "debug". Returns 0, or -EINVAL for an unknown level, or the errno of opening the file.
 * Borrowed: all pointers. */
int log_open(const char *name, const char *directory, const char *level, bool to_stderr);
void log_close(void);

void log_write(int priority, const char *function, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* priority values are syslog's: LOG_ERR 3, LOG_WARNING 4, LOG_NOTICE 5, LOG_INFO 6, LOG_DEBUG 7 */
#define log_error(...)	 log_write(3, __func__, __VA_ARGS__)
#define log_warning(...) log_write(4, __func__, __VA_ARGS__)
#define log_notice(...)	 log_write(5, __func__, __VA_ARGS__)
#define log_info(...)	 log_write(6, __func__, __VA_ARGS__)
#define log_debug(...)	 log_write(7, __func__, __VA_ARGS__)

#endif
