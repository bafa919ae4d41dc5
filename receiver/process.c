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
#include "common/log.h"

/* Between fork and exec of a program with threads: async-signal-safe calls only. */
__attribute__((noreturn)) static void child_run(const char *const *argv,
						const struct process_setup *setup,
						const struct cell_walls *walls, pid_t parent)
{
	int fds[3 + PROCESS_KEPT];

	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid(); /* a terminal's interrupt is for the engine alone */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
		_exit(127);
	}
	/* Out of the way of the numbers that they get. */
	for (int i = 0; i < 3 + PROCESS_KEPT; i++) {
		int from = i < 3 ? setup->standard[i] : setup->kept[i - 3];

		fds[i] = from < 0 ? -1 : fcntl(from, F_DUPFD, 3 + PROCESS_KEPT);
		if (from >= 0 && fds[i] < 0) {
			_exit(127);
		}
	}
	for (int i = 0; i < 3 + PROCESS_KEPT; i++) {
		if (fds[i] < 0) {
			close(i);
		} else if (dup2(fds[i], i) < 0) {
			_exit(127);
		}
	}
	if (setup->cell != NULL && cell_enter(walls) < 0) {
		_exit(127);
	}
	close_range(3 + PROCESS_KEPT, ~0u, 0);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

int process_spawn(const char *const *argv, const struct process_setup *setup, pid_t *ret_pid)
{
	cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct process_setup filled = *setup;
	struct cell_walls walls = {.files = -1};
	char error[CONFINE_ERROR_LEN];
	pid_t parent = getpid();
	pid_t pid;
	int rc;

	if (null_fd < 0) {
		return -errno;
	}
	for (int i = 0; i < 3; i++) {
		filled.standard[i] = setup->standard[i] < 0 ? null_fd : setup->standard[i];
	}
	if (setup->cell != NULL) {
		rc = cell_build(setup->cell, &walls, error);
		if (rc < 0) {
			log_error("%s is not started: %s", argv[0], error);
			return rc;
		}
	}
	pid = fork();
	rc = pid < 0 ? -errno : 0;
	if (pid == 0) {
		child_run(argv, &filled, &walls, parent);
	}
	cell_walls_destroy(&walls);
	if (rc < 0) {
		return rc;
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

int process_run(const char *const *argv, const struct cell *cell, int timeout_ms, char *error,
		size_t error_size)
{
	return process_run_with(argv, cell, -1, timeout_ms, error, error_size);
}

int process_run_with(const char *const *argv, const struct cell *cell, int kept, int timeout_ms,
		     char *error, size_t error_size)
{
	cleanup_close int err = memfd_create("stderr", MFD_CLOEXEC);
	const struct process_setup setup = {
		.standard = {-1, -1, err}, .kept = {kept, -1}, .cell = cell};
	char words[512];
	int status = 0;
	pid_t pid;
	int rc;

	rc = err < 0 ? -errno : process_spawn(argv, &setup, &pid);
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
