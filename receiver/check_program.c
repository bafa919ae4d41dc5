/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/check.h"
#include "receiver/process.h"

#define TEXT_MAX (1024 * 1024) /* of what a program writes: more is not read */

static char *text_read(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	size_t len = end < 0 ? 0 : end > TEXT_MAX ? TEXT_MAX : (size_t)end;
	char *text = malloc(len + 1);
	ssize_t n = text == NULL ? -1 : pread(fd, text, len, 0);

	if (text != NULL) {
		text[n > 0 ? n : 0] = '\0';
	}
	return text;
}

int check_run_program(const char *const *argv, int timeout_ms, char **ret_out, char **ret_err)
{
	cleanup_close int out = memfd_create("stdout", MFD_CLOEXEC);
	cleanup_close int err = memfd_create("stderr", MFD_CLOEXEC);
	const struct process_setup setup = {.standard = {-1, out, err}, .kept = {-1, -1}};
	int status = 0;
	pid_t pid;
	int rc;

	rc = out < 0 || err < 0 ? -errno : process_spawn(argv, &setup, &pid);
	if (rc < 0) {
		return rc;
	}
	rc = process_wait(pid, timeout_ms, &status);
	if (rc < 0) {
		process_end(pid, 2000);
		return rc;
	}
	*ret_out = text_read(out);
	*ret_err = text_read(err);
	if (*ret_out == NULL || *ret_err == NULL) {
		return -ENOMEM; /* one of them may be there: the caller frees both */
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
