/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/receiver_leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"

#define PROGRAM "vmreplica-receiver"

void receiver_leftover_init(struct receiver_leftover *leftover, const char *path)
{
	char text[LOCK_HOLDER_LEN];
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	*leftover = (struct receiver_leftover){0};
	snprintf(leftover->path, sizeof(leftover->path), "%s", path);
	text[n > 0 ? n : 0] = '\0';
	if (lock_holder_parse(text, &leftover->holder) < 0) {
		leftover->holder.pid = 0;
	}
}

bool receiver_leftover_is_gone(struct receiver_leftover *leftover, int64_t now_ms, int grace_ms)
{
	if (leftover->holder.pid == 0) {
		return true;
	}
	if (lock_holder_signal(&leftover->holder, PROGRAM, 0) == -ESRCH) {
		leftover->holder.pid = 0;
		return true;
	}
	if (leftover->kill_ms == 0) {
		log_notice("the receiver %d of an engine before this one still runs: waiting for "
			   "its end",
			   (int)leftover->holder.pid);
		lock_holder_signal(&leftover->holder, PROGRAM, SIGTERM);
		leftover->kill_ms = now_ms + grace_ms;
	} else if (now_ms >= leftover->kill_ms) {
		log_warning("the receiver %d of an engine before this one does not end: killed",
			    (int)leftover->holder.pid);
		lock_holder_signal(&leftover->holder, PROGRAM, SIGKILL);
		leftover->kill_ms = now_ms + grace_ms;
	}
	return false;
}

void receiver_leftover_note(const struct receiver_leftover *leftover, const char *node, pid_t pid)
{
	cleanup_close int fd =
		open(leftover->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	char text[LOCK_HOLDER_LEN];
	struct lock_holder holder;
	ssize_t n;

	if (fd < 0 || lock_holder_of(pid, node, &holder) < 0) {
		log_warning("%s cannot be written: %s", leftover->path, strerror(errno));
		return;
	}
	n = (ssize_t)strlen(lock_holder_format(&holder, text));
	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0) {
		log_warning("%s cannot be written: %s", leftover->path, strerror(errno));
	}
}
