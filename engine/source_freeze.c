/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/source_error.h"
#include "engine/source_tool.h"

#define THAW_START_MS 5000

const struct source_freeze_options source_freeze_installed = {.program = SOURCE_FREEZE_PROGRAM,
							      .notes = SOURCE_FREEZE_DIR};

/* In the child: only async-signal-safe calls, because the parent has other threads. */
__attribute__((noreturn)) static void become(const char *const *argv, int fd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, SOURCE_FREEZE_FD) >= 0 &&
	    (fd != SOURCE_FREEZE_FD || fcntl(fd, F_SETFD, 0) == 0)) {
		execv(argv[0], (char *const *)(uintptr_t)argv);
	}
	_exit(127);
}

/* It goes into the background by itself, so what is waited for is over at once. */
static int start(const char *const *argv, int fd)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		become(argv, fd);
	}
	if (pid < 0) {
		return -errno;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -errno;
		}
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOEXEC;
}

/* One line without its end. 0, -ETIMEDOUT, -EPIPE (the process ended), -errno. */
static int line_read(int fd, int64_t wait_ms, char line[SOURCE_FREEZE_LINE_LEN])
{
	int64_t until_ms = clock_monotonic_ms() + wait_ms;
	size_t used = 0;

	while (used < SOURCE_FREEZE_LINE_LEN) {
		int64_t left_ms = until_ms - clock_monotonic_ms();
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) == 0) {
			return -ETIMEDOUT;
		}
		got = recv(fd, line + used, 1, MSG_DONTWAIT);
		if (got == 0) {
			return -EPIPE;
		}
		if (got < 0 && errno != EINTR && errno != EAGAIN) {
			return -errno;
		}
		if (got > 0 && line[used] == '\n') {
			line[used] = '\0';
			return 0;
		}
		used += got > 0 ? 1 : 0;
	}
	return -EMSGSIZE;
}

/* What the process said to being started. */
static int take_answer(int result, const char *line, char error[SOURCE_ERROR_LEN])
{
	int count = 0;

	if (result == -ETIMEDOUT) {
		return source_fail(
			result, error,
			"the guest was not frozen within %d s: its agent is slow, or has "
			"much to write out",
			SOURCE_FREEZE_ANSWER_MS / 1000);
	}
	if (result < 0) {
		return source_fail(result, error,
				   SOURCE_FREEZE_NAME " ended early (%s): see its log",
				   strerror(-result));
	}
	if (strncmp(line, "refused ", strlen("refused ")) == 0) {
		return source_fail(-ENOTSUP, error, "%s", line + strlen("refused "));
	}
	if (sscanf(line, "frozen %d", &count) != 1 || count <= 0) {
		return source_fail(-EPROTO, error, SOURCE_FREEZE_NAME " said: %s", line);
	}
	return 0;
}

int source_freeze_begin(const struct source_freeze_options *options, const char *vm,
			char error[SOURCE_ERROR_LEN])
{
	const char *uri = options->uri != NULL ? options->uri : "qemu:///system";
	const char *const argv[] = {options->program, "--freeze",     vm,  "--uri", uri,
				    "--notes",	      options->notes, NULL};
	char line[SOURCE_FREEZE_LINE_LEN];
	int ends[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		return source_fail(-errno, error, "no socket: %s", strerror(errno));
	}
	cleanup_close int ours = ends[0];
	cleanup_close int theirs = ends[1];

	result = start(argv, theirs);
	if (result < 0) {
		return source_fail(result, error, "%s cannot be run: is vmreplica installed whole?",
				   options->program);
	}
	/* Its end must be seen. */
	close(steal_fd(&theirs));
	result = take_answer(line_read(ours, SOURCE_FREEZE_ANSWER_MS, line), line, error);
	return result < 0 ? result : steal_fd(&ours);
}

int source_freeze_end(int fd, int64_t *ret_frozen_ms, char error[SOURCE_ERROR_LEN])
{
	char line[SOURCE_FREEZE_LINE_LEN], how[16] = "";
	cleanup_close int owned = fd;
	long long frozen_ms = 0;
	int count = -1, result;

	shutdown(owned, SHUT_WR);
	result = line_read(owned, SOURCE_THAW_ANSWER_MS, line);
	if (result < 0) {
		return source_fail(result, error,
				   "the guest may still be frozen: " SOURCE_FREEZE_NAME
				   " has not told of the thaw (%s); it is tried until it succeeds, "
				   "or by hand: virsh domfsthaw",
				   strerror(-result));
	}
	if (sscanf(line, "thawed %d %lld %15s", &count, &frozen_ms, how) != 3) {
		return source_fail(-EPROTO, error, SOURCE_FREEZE_NAME " said: %s", line);
	}
	if (strcmp(how, "asked") != 0) {
		return source_fail(-ETIME, error,
				   "the cut took longer than the %d s for which a guest is held "
				   "frozen",
				   SOURCE_FREEZE_HOLD_MS / 1000);
	}
	if (count <= 0) {
		return source_fail(-ENODATA, error,
				   "the guest had thawed by itself before the cut was made");
	}
	*ret_frozen_ms = frozen_ms;
	return 0;
}

int source_thaw_left(char error[SOURCE_ERROR_LEN])
{
	static const char *const argv[] = {SOURCE_FREEZE_PROGRAM, "--thaw", NULL};

	return source_tool_run(argv, THAW_START_MS, NULL, error);
}
