/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/lock_holder.h"
#include "common/log.h"

#define LOCK_NAME     "lock"
#define LOCK_PROGRAM  "vmreplica-receiver"
#define LOCK_STEP_MS  100
#define LOCK_NAMED_MS 1000 /* from taking the lock to the name in it */

/* 1: held, with its text; 0: free or not there; negative errno. */
static int lock_look(const char *directory, char text[LOCK_HOLDER_LEN])
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	cleanup_close int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int fd = -1;
	ssize_t n;

	if (dir_fd >= 0) {
		fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0) {
		return -errno;
	}
	if (lock.l_type == F_UNLCK) {
		return 0;
	}
	n = pread(fd, text, LOCK_HOLDER_LEN - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 1;
}

static int refuse(char error[STORE_LOCK_ERROR_LEN], int rc, const char *directory, const char *why)
{
	snprintf(error, STORE_LOCK_ERROR_LEN, "the store %.250s: %.200s", directory, why);
	return rc;
}

/* Another node's, or the receiver that may hold it. */
static bool holder_is_foreign(const struct lock_holder *holder, const char *node, pid_t spared)
{
	return strcmp(holder->node, node) != 0 || (spared > 0 && holder->pid == spared);
}

static void holder_end(const char *directory, const struct lock_holder *holder, bool first)
{
	int rc = lock_holder_signal(holder, LOCK_PROGRAM, SIGKILL);

	if (!first) {
		return;
	}
	if (rc == 0) {
		log_warning("%s is held by receiver %d, which does not let go: killed", directory,
			    (int)holder->pid);
	} else if (rc != -ESRCH) {
		log_error("%s is held by receiver %d, which cannot be killed: %s", directory,
			  (int)holder->pid, strerror(-rc));
	}
}

int store_lock_release(const char *directory, const char *node, pid_t spared, int timeout_ms,
		       char error[STORE_LOCK_ERROR_LEN])
{
	int64_t begin_ms = clock_monotonic_ms();
	bool ended = false;

	for (;;) {
		int64_t past_ms = clock_monotonic_ms() - begin_ms;
		char text[LOCK_HOLDER_LEN], why[LOCK_HOLDER_LEN + 64];
		struct lock_holder holder;
		int held = lock_look(directory, text);

		if (held <= 0) {
			return held == 0 ? 0 : refuse(error, held, directory, strerror(-held));
		}
		if (lock_holder_parse(text, &holder) == 0) {
			if (holder_is_foreign(&holder, node, spared)) {
				return 0;
			}
			if (past_ms > timeout_ms / 2) {
				holder_end(directory, &holder, !ended);
				ended = true;
			}
		} else if (past_ms > LOCK_NAMED_MS) {
			snprintf(why, sizeof(why), "its lock is held by \"%.200s\"", text);
			return refuse(error, -EBUSY, directory, why);
		}
		if (past_ms > timeout_ms) {
			snprintf(why, sizeof(why), "%.200s still holds its lock: %s", text,
				 "it, or its qemu-storage-daemon, cannot be killed");
			return refuse(error, -EBUSY, directory, why);
		}
		clock_sleep_ms(LOCK_STEP_MS);
	}
}
