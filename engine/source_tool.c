/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/source_error.h"

#define OUTPUT_MAX   (1024u * 1024u)
#define END_WAIT_MS  2000
#define LONG_LOOK_MS 1000
#define END_POLL_MS  5
/* The change of user drops what become() had asked for: a tool that outlives us keeps images locked
 * that a VM is to start from. */
#define LAST_AS_WE "--pdeathsig=KILL"

/* In the child: only async-signal-safe calls, because the parent has other threads. */
__attribute__((noreturn)) static void become(const struct source_tool_user *user,
					     const char *const *argv, int output)
{
	sigset_t none;

	if (user != NULL && geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	     setresuid(user->uid, user->uid, user->uid) < 0)) {
		_exit(126);
	}
	/* a change of user takes it away: so after that */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
	}
	_exit(127);
}

int source_tool_start_as(const struct source_tool_user *user, const char *const *argv,
			 pid_t *ret_pid, int *ret_output, char error[SOURCE_ERROR_LEN])
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		return source_fail(-errno, error, "%s: %s", argv[0], strerror(errno));
	}
	pid = fork();
	if (pid == 0) {
		become(user, argv, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		int result = source_fail(-errno, error, "%s: %s", argv[0], strerror(errno));

		close(ends[0]);
		return result;
	}
	*ret_pid = pid;
	*ret_output = ends[0];
	return 0;
}

int source_tool_start(const char *const *argv, pid_t *ret_pid, int *ret_output,
		      char error[SOURCE_ERROR_LEN])
{
	return source_tool_start_as(NULL, argv, ret_pid, ret_output, error);
}

bool source_tool_runs(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

/* Wait until it ends, END_WAIT_MS at most. */
static bool ends_soon(pid_t pid)
{
	for (int waited_ms = 0; waited_ms < END_WAIT_MS; waited_ms += END_POLL_MS) {
		if (!source_tool_runs(pid)) {
			return true;
		}
		clock_sleep_ms(END_POLL_MS);
	}
	return false;
}

void source_tool_stop(pid_t pid)
{
	kill(pid, SIGTERM);
	if (!ends_soon(pid)) {
		kill(pid, SIGKILL);
		ends_soon(pid);
	}
}

/* Gather output until its end. 0, -ETIMEDOUT, -EFBIG, other negative errno. */
static int gather(int fd, int64_t until_ms, struct byte_buffer *buffer)
{
	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left_ms = until_ms - clock_monotonic_ms();
		char part[4096];
		ssize_t got;

		if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) == 0) {
			return -ETIMEDOUT;
		}
		got = read(fd, part, sizeof(part));
		if (got < 0 && errno != EINTR) {
			return -errno;
		}
		if (got == 0) {
			return byte_buffer_append(buffer, "", 1);
		}
		if (got > 0 && byte_buffer_append(buffer, part, (size_t)got) != 0) {
			return -EFBIG;
		}
	}
}

/* The child has closed its output and is about to end. Its exit status, or -1. */
static int reap(pid_t pid)
{
	int status;
	pid_t ended;

	do {
		ended = waitpid(pid, &status, 0);
	} while (ended < 0 && errno == EINTR);
	return ended == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int source_tool_run(const char *const *argv, int timeout_ms, char **ret_output,
		    char error[SOURCE_ERROR_LEN])
{
	struct byte_buffer buffer = {.limit = OUTPUT_MAX};
	cleanup_close int output = -1;
	pid_t pid;
	int result = source_tool_start(argv, &pid, &output, error);

	if (result != 0) {
		return result;
	}
	result = gather(output, clock_monotonic_ms() + timeout_ms, &buffer);
	if (result != 0) {
		source_tool_stop(pid);
		source_fail(result, error, "%s %s: %s", argv[0], argv[1], strerror(-result));
	} else if (reap(pid) != 0) {
		result = source_fail(-EIO, error, "%s %s failed: %.300s", argv[0], argv[1],
				     (const char *)buffer.data);
	} else if (ret_output != NULL) {
		*ret_output = (char *)steal_ptr(buffer.data);
	}
	byte_buffer_destroy(&buffer);
	return result;
}

/* Until it ends or is given up; what it says is read, so that it does not wait for us. */
static int run_long(const char *const *argv, const atomic_bool *stop, char error[SOURCE_ERROR_LEN])
{
	struct byte_buffer buffer = {.limit = OUTPUT_MAX};
	cleanup_close int output = -1;
	pid_t pid;
	int result = source_tool_start(argv, &pid, &output, error);

	if (result != 0) {
		return result;
	}
	do {
		result = gather(output, clock_monotonic_ms() + LONG_LOOK_MS, &buffer);
	} while (result == -ETIMEDOUT && !*stop);
	if (result != 0) {
		source_tool_stop(pid);
		result = source_fail(*stop ? -ECANCELED : result, error, "qemu-img: given up");
	} else if (reap(pid) != 0) {
		result = source_fail(-EIO, error, "qemu-img failed: %.300s",
				     (const char *)buffer.data);
	}
	byte_buffer_destroy(&buffer);
	return result;
}

int source_tool_commit(const char *base, const char *top, uid_t uid, const atomic_bool *stop,
		       char error[SOURCE_ERROR_LEN])
{
	char user[32];
	const char *argv[] = {"setpriv", LAST_AS_WE, user, "--clear-groups", "qemu-img",
			      "commit",	 "-q",	     "-f", "qcow2",	     "-b",
			      base,	 top,	     NULL};

	snprintf(user, sizeof(user), "--reuid=%u", (unsigned int)uid);
	return run_long(argv, stop, error);
}

int source_tool_merge(const char *image, const char *base, const char *named, const char *top,
		      uid_t uid, const atomic_bool *stop, char error[SOURCE_ERROR_LEN])
{
	char user[32];
	const char *rebase[] = {
		"setpriv", LAST_AS_WE, user, "--clear-groups", "qemu-img", "rebase", "-q",  "-u",
		"-f",	   "qcow2",    "-F", "qcow2",	       "-b",	   named,    image, NULL};
	int result = source_tool_commit(base, top, uid, stop, error);

	snprintf(user, sizeof(user), "--reuid=%u", (unsigned int)uid);
	return result < 0 ? result : run_long(rebase, stop, error);
}
