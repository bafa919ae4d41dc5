/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Written out plainly instead of through qb_log: the cib helper calls libcrmcommon, which
 * initializes qb_log for itself (and its targets with it), and qb_log's threaded targets cannot be
 * opened twice in one process.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "common/clock.h"

#define LOG_LINE_MAX	480
#define LOG_NAME_MAX	64
#define LOG_PREFIX_ROOM 160 /* time, name, pid, severity and function before the text */

static struct {
	pthread_mutex_t lock;
	char name[LOG_NAME_MAX];
	int fd; /* of the file, or -1 */
	_Atomic int
		level; /* looked at without the lock, so that a silent log_debug costs nothing */
	bool open;
	bool to_stderr;
} log_state = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .level = LOG_WARNING, .to_stderr = true};

static const struct {
	const char *name;
	int priority;
} log_levels[] = {
	{"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
	{"info", LOG_INFO}, {"debug", LOG_DEBUG},
};

static int log_level_parse(const char *text)
{
	for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++) {
		if (strcmp(text, log_levels[i].name) == 0) {
			return log_levels[i].priority;
		}
	}
	return -EINVAL;
}

static const char *log_level_name(int priority)
{
	for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++) {
		if (priority == log_levels[i].priority) {
			return log_levels[i].name;
		}
	}
	return "error";
}

/* 0 with *ret_fd (-1: no file is wanted), or a negative errno. */
static int log_file_open(const char *name, const char *directory, int *ret_fd)
{
	char path[4096];
	int fd;

	if (directory == NULL || directory[0] == '\0') {
		*ret_fd = -1;
		return 0;
	}
	if (snprintf(path, sizeof(path), "%s/%s.log", directory, name) >= (int)sizeof(path)) {
		return -ENAMETOOLONG;
	}
	/* O_APPEND keeps lines whole when a rotation truncates the file behind our back
	 * (copytruncate). */
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0640);
	if (fd < 0) {
		return -errno;
	}
	*ret_fd = fd;
	return 0;
}

int log_open(const char *name, const char *directory, const char *level, bool to_stderr)
{
	int priority = log_level_parse(level);
	int fd, r;

	if (priority < 0) {
		return priority;
	}
	r = log_file_open(name, directory, &fd);
	if (r < 0) {
		return r;
	}
	log_close();
	pthread_mutex_lock(&log_state.lock);
	snprintf(log_state.name, sizeof(log_state.name), "%s", name);
	log_state.fd = fd;
	log_state.level = priority;
	log_state.to_stderr = to_stderr;
	log_state.open = true;
	openlog(log_state.name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	pthread_mutex_unlock(&log_state.lock);
	return 0;
}

void log_close(void)
{
	pthread_mutex_lock(&log_state.lock);
	if (log_state.open) {
		closelog();
	}
	if (log_state.fd >= 0) {
		close(log_state.fd);
	}
	log_state.fd = -1;
	log_state.open = false;
	log_state.level = LOG_WARNING;
	log_state.to_stderr = true;
	pthread_mutex_unlock(&log_state.lock);
}

/* What a peer sends may end up in a line: no control character of it may start a line of its own.
 */
static void log_text_clean(char *text)
{
	for (char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			*p = ' ';
		}
	}
}

static void log_fd_write(int fd, const char *line, size_t len)
{
	/* One write, so that lines of several processes do not mix; a full disk must not stop
	 * replication. */
	if (write(fd, line, len) < 0) {
		return;
	}
}

/* Under the lock. */
static void log_line_emit(int priority, const char *function, const char *text)
{
	char line[LOG_PREFIX_ROOM + LOG_LINE_MAX + 2];
	char now[RFC3339_LEN];
	int len;

	clock_format_rfc3339(clock_wall_ms(), now);
	len = snprintf(line, LOG_LINE_MAX + 1, "%s %s[%d] %s: %s%s%s", now,
		       log_state.open ? log_state.name : "vmreplica", (int)getpid(),
		       log_level_name(priority), priority == LOG_DEBUG ? function : "",
		       priority == LOG_DEBUG ? ": " : "", text);
	if (len < 0) {
		return;
	}
	len = len > LOG_LINE_MAX ? LOG_LINE_MAX : len;
	line[len++] = '\n';
	if (log_state.fd >= 0) {
		log_fd_write(log_state.fd, line, (size_t)len);
	}
	if (log_state.to_stderr) {
		log_fd_write(STDERR_FILENO, line, (size_t)len);
	}
	if (log_state.open) {
		syslog(priority, "%s", text);
	}
}

void log_write(int priority, const char *function, const char *format, ...)
{
	char text[LOG_LINE_MAX + 1];
	int saved_errno = errno;
	va_list args;

	if (priority > log_state.level) {
		return;
	}
	va_start(args, format);
	errno = saved_errno; /* %m */
	if (vsnprintf(text, sizeof(text), format, args) < 0) {
		text[0] = '\0';
	}
	va_end(args);
	log_text_clean(text);
	pthread_mutex_lock(&log_state.lock);
	log_line_emit(priority, function, text);
	pthread_mutex_unlock(&log_state.lock);
	errno = saved_errno;
}
