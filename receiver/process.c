/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Between fork and exec of a program with threads: async-signal-safe calls only. */
__attribute__((noreturn)) static void child_run(const char *const *argv, const int fds[3], int kept,
						pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid(); /* a terminal's interrupt is for the engine alone */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
		_exit(127);
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(fds[i], i) < 0) {
			_exit(127);
		}
	}
	if (kept >= 0 && (kept == 3 ? fcntl(kept, F_SETFD, 0) : dup2(kept, 3)) < 0) {
		_exit(127);
	}
	close_range(kept >= 0 ? 4 : 3, ~0u, 0);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

int process_spawn(const char *const *argv, int in, int out, int err, int kept, pid_t *ret_pid)
{
	cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t parent = getpid();
	int fds[3] = {in, out, err};
	pid_t pid;

	if (null_fd < 0) {
		return -errno;
	}
	for (int i = 0; i < 3; i++) {
		fds[i] = fds[i] < 0 ? null_fd : fds[i];
	}
	pid = fork();
	if (pid < 0) {
		return -errno;
	}
	if (pid == 0) {
		child_run(argv, fds, kept, parent);
	}
	*ret_pid = pid;
	return 0;
}

int process_wait(pid_t pid, int timeout_ms, int *ret_status)
{
	cleanup_close int pidfd = pidfd_open(pid, 0);
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};
	int rc;

	if (pidfd < 0) {
		return -errno;
	}
	do {
		rc = poll(&pfd, 1, timeout_ms);
	} while (rc < 0 && errno == EINTR);
	if (rc <= 0) {
		return rc == 0 ? -ETIMEDOUT : -errno;
	}
	return waitpid(pid, ret_status, 0) < 0 ? -errno : 0;
}

void process_end(pid_t pid, int timeout_ms)
{
	int status;

	kill(pid, SIGTERM);
	if (process_wait(pid, timeout_ms, &status) == -ETIMEDOUT) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
}

void process_last_words(int fd, char *text, size_t size)
{
	char tail[1024];
	off_t end = lseek(fd, 0, SEEK_END);
	off_t start = end > (off_t)sizeof(tail) - 1 ? end - (off_t)sizeof(tail) + 1 : 0;
	ssize_t n = end < 0 ? -1 : pread(fd, tail, sizeof(tail) - 1, start);
	char *line;

	text[0] = '\0';
	while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == '\r')) {
		n--;
	}
	if (n <= 0) {
		return;
	}
	tail[n] = '\0';
	line = strrchr(tail, '\n');
	snprintf(text, size, "%s", line == NULL ? tail : line + 1);
}

int process_run(const char *const *argv, int timeout_ms, char *error, size_t error_size)
{
	return process_run_with(argv, -1, timeout_ms, error, error_size);
}

int process_run_with(const char *const *argv, int kept, int timeout_ms, char *error,
		     size_t error_size)
{
	cleanup_close int err = memfd_create("stderr", MFD_CLOEXEC);
	char words[512];
	int status = 0;
	pid_t pid;
	int rc;

	rc = err < 0 ? -errno : process_spawn(argv, -1, -1, err, kept, &pid);
	if (rc < 0) {
		snprintf(error, error_size, "cannot start %s: %s", argv[0], strerror(-rc));
		return rc;
	}
	rc = process_wait(pid, timeout_ms, &status);
	if (rc < 0) {
		process_end(pid, 2000);
		snprintf(error, error_size, "%s did not end within %d s", argv[0],
			 timeout_ms / 1000);
		return -ETIMEDOUT;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return 0;
	}
	process_last_words(err, words, sizeof(words));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && words[0] == '\0') {
		snprintf(words, sizeof(words), "cannot be run: install it");
	}
	snprintf(error, error_size, "%s: %s", argv[0], words[0] == '\0' ? "it failed" : words);
	return -EIO;
}
