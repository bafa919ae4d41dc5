// SPDX-License-Identifier: GPL-2.0-or-later
/* What an ordinary program does: it appends to a file of a mounted file system and leaves it to the
 * kernel when that reaches the disk. Each line names the newest flushed record of the ring, which
 * knows no file system: a cut whose file is as young as its ring was made with all caches written
 * out. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "writer.h"

#define LINE_LEN     32
#define EVERY_US     20000
#define FILE_MAX_LEN (4u << 20)

void *file_main(void *unused)
{
	int fd = open(g.file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int64_t last = clock_ns(CLOCK_MONOTONIC), now;
	char line[LINE_LEN + 1];

	(void)unused;
	if (fd < 0) {
		report(g.file);
		return NULL;
	}
	while (!g.ending && g.file_lines < FILE_MAX_LEN / LINE_LEN) {
		snprintf(line, sizeof(line), "%015llu %015llu\n",
			 (unsigned long long)(g.file_lines + 1), (unsigned long long)g.seq);
		if (write(fd, line, LINE_LEN) != LINE_LEN) {
			report(g.file);
			return NULL;
		}
		now = clock_ns(CLOCK_MONOTONIC);
		pthread_mutex_lock(&g.lock);
		g.file_lines++;
		if ((now - last) / 1000000 > g.file_gap_ms) {
			g.file_gap_ms = (uint32_t)((now - last) / 1000000);
		}
		pthread_mutex_unlock(&g.lock);
		last = now;
		usleep(EVERY_US);
	}
	return NULL;
}
