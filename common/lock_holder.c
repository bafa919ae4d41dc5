/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/lock_holder.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Field 22 of /proc/PID/stat; the name in field 2 may hold blanks and parentheses. */
static int process_start(pid_t pid, uint64_t *ret_start)
{
	char path[64], text[1024];
	const char *rest;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	cleanup_fclose FILE *file = fopen(path, "re");

	if (file == NULL) {
		return -errno;
	}
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	rest = strrchr(text, ')');
	return rest != NULL && sscanf(rest + 1,
				      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
				      "%*d "
				      "%*d %*d %*d %*d %" SCNu64,
				      ret_start) == 1
		       ? 0
		       : -EIO;
}

static bool process_runs(pid_t pid, const char *program)
{
	char path[64], target[4096];
	const char *name;
	ssize_t n;
	size_t len = strlen(program);

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0) {
		return false;
	}
	target[n] = '\0';
	name = strrchr(target, '/');
	name = name == NULL ? target : name + 1;
	return strncmp(name, program, len) == 0 &&
	       (name[len] == '\0' || strcmp(name + len, " (deleted)") == 0);
}

int lock_holder_of(pid_t pid, const char *node, struct lock_holder *ret_holder)
{
	struct lock_holder holder = {.pid = pid};
	int rc = process_start(holder.pid, &holder.start);

	if (rc == 0) {
		snprintf(holder.node, sizeof(holder.node), "%s", node);
		*ret_holder = holder;
	}
	return rc;
}

int lock_holder_self(const char *node, struct lock_holder *ret_holder)
{
	return lock_holder_of(getpid(), node, ret_holder);
}

char *lock_holder_format(const struct lock_holder *holder, char buf[LOCK_HOLDER_LEN])
{
	snprintf(buf, LOCK_HOLDER_LEN, "%s pid %d start %" PRIu64 "\n", holder->node,
		 (int)holder->pid, holder->start);
	return buf;
}

int lock_holder_parse(const char *text, struct lock_holder *ret_holder)
{
	struct lock_holder holder = {0};
	int pid;

	if (sscanf(text, "%255s pid %d start %" SCNu64, holder.node, &pid, &holder.start) != 3 ||
	    pid <= 0) {
		return -EINVAL;
	}
	holder.pid = pid;
	*ret_holder = holder;
	return 0;
}

int lock_holder_signal(const struct lock_holder *holder, const char *program, int signal_number)
{
	/* The descriptor first: what is looked at after it is the process that it stands for. */
	cleanup_close int pidfd = pidfd_open(holder->pid, 0);
	uint64_t start;

	if (pidfd < 0) {
		return -errno;
	}
	if (process_start(holder->pid, &start) < 0 || start != holder->start ||
	    !process_runs(holder->pid, program)) {
		return -ESRCH;
	}
	return pidfd_send_signal(pidfd, signal_number, NULL, 0) < 0 ? -errno : 0;
}
