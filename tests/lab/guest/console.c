// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands over the serial line, one a line; the answer is one line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "writer.h"

#define UEFI_MARK_GUID "6f3c2c0e-7d0b-4b61-9d0c-1f6d1c0a5b77"

static char tag[24]; /* `#word` before a command: repeated before its answer */

static void say(int fd, const char *format_, ...) __attribute__((format(printf, 2, 3)));

static void say(int fd, const char *format_, ...)
{
	char line[512];
	va_list args;
	int length = snprintf(line, sizeof(line), "%s", tag);

	va_start(args, format_);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format_, args);
	va_end(args);
	line[length++] = '\n';
	(void)!write(fd, line, (size_t)length);
}

static void show_status(int fd)
{
	char run[33];

	for (int i = 0; i < 16; i++) {
		sprintf(run + 2 * i, "%02x", g.run[i]);
	}
	say(fd,
	    "ok run=%s seq=%llu boots=%u rate=%g stopped=%d load_rate=%lld load_left=%lld "
	    "load_done=%llu compressible=%d max_gap_ms=%u max_flush_ms=%lld error=%d uptime_s=%lld "
	    "file_lines=%llu file_gap_ms=%u",
	    run, (unsigned long long)g.seq, g.boots, g.rate, g.stopped, (long long)g.load_rate,
	    (long long)g.load_left, (unsigned long long)g.load_done, g.compressible, g.max_gap_ms,
	    (long long)(g.max_flush_us / 1000), g.error,
	    (long long)(clock_ns(CLOCK_MONOTONIC) / 1000000000LL), (unsigned long long)g.file_lines,
	    g.file_gap_ms);
}

/* One more UEFI variable, LabMark<number>: kept through a power cut, as the firmware's are. */
static int uefi_mark(long long number)
{
	static const uint8_t attributes[] = {7, 0, 0, 0, 1}; /* non-volatile; for both; a byte */
	char path[128];
	int file, result;

	snprintf(path, sizeof(path), "/sys/firmware/efi/efivars/LabMark%lld-" UEFI_MARK_GUID,
		 number);
	file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0) {
		return -1;
	}
	result = write(file, attributes, sizeof(attributes)) == sizeof(attributes) ? 0 : -1;
	close(file);
	return result;
}

static void wait_load(int fd)
{
	while (g.load_left > 0) {
		usleep(20000);
	}
	say(fd, "ok load_done=%llu", (unsigned long long)g.load_done);
}

static void answer(int fd, char *line)
{
	char word[16] = "";
	long long a = 0, b = 0, c = 0;
	int count;

	tag[0] = '\0';
	if (line[0] == '#' && sscanf(line, "%20s", tag) == 1) {
		line += strlen(tag);
		strcat(tag, " ");
	}
	count = sscanf(line, "%15s %lld %lld %lld", word, &a, &b, &c);
	if (strcmp(word, "status") == 0) {
		show_status(fd);
		return;
	} else if (strcmp(word, "load") == 0 && count >= 2) {
		g.load_rate = a;
		g.compressible = count >= 3 ? (int)(b < 0 ? 0 : b > 100 ? 100 : b) : 0;
	} else if (strcmp(word, "fill") == 0 && count >= 2) {
		g.compressible = count >= 3 ? (int)(b < 0 ? 0 : b > 100 ? 100 : b) : 0;
		g.load_left = a << 20;
		wait_load(fd);
		return;
	} else if (strcmp(word, "rate") == 0 && count >= 2 && a > 0) {
		g.rate = (double)a;
	} else if ((strcmp(word, "discard") == 0 || strcmp(word, "zero") == 0) && count == 4) {
		if (load_erase(word[0] == 'd' ? BLKDISCARD : BLKZEROOUT, (int)a, b, c) < 0) {
			say(fd, "error %s: %s", word, strerror(errno));
			return;
		}
	} else if (strcmp(word, "uefi") == 0 && count >= 2) {
		if (uefi_mark(a) < 0) {
			say(fd, "error %s: %s", word, strerror(errno));
			return;
		}
	} else if (strcmp(word, "sync") == 0) {
		flush(0);
		flush(1);
	} else if (strcmp(word, "stop") == 0) {
		g.stopped = true;
		usleep(200000);
	} else if (strcmp(word, "go") == 0) {
		g.stopped = false;
	} else if (strcmp(word, "gap-reset") == 0) {
		pthread_mutex_lock(&g.lock);
		g.max_gap_ms = 0;
		g.max_flush_us = 0;
		g.file_gap_ms = 0;
		pthread_mutex_unlock(&g.lock);
	} else {
		say(fd, "error commands: status | load BYTES_PER_S [COMPRESSIBLE%%] | fill MIB "
			"[COMPRESSIBLE%%] | rate N | discard DISK OFFSET LENGTH | zero DISK OFFSET "
			"LENGTH "
			"| uefi N | sync | stop | go | gap-reset");
		return;
	}
	say(fd, "ok seq=%llu", (unsigned long long)g.seq);
}

void *console_main(void *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios tio;
	char line[128];
	size_t length = 0;

	if (fd < 0) {
		report(path);
		return NULL;
	}
	if (tcgetattr(fd, &tio) == 0) {
		cfmakeraw(&tio);
		cfsetspeed(&tio, B115200);
		tcsetattr(fd, TCSANOW, &tio);
	}
	for (;;) {
		char c;
		if (read(fd, &c, 1) != 1) {
			usleep(100000);
		} else if (c != '\n') {
			length = length < sizeof(line) - 1 ? length : 0;
			line[length++] = c;
		} else if (length > 0) {
			line[length] = '\0';
			length = 0;
			answer(fd, line);
		}
	}
}
