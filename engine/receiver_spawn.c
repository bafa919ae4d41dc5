/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/receiver_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/receiver_child.h"

/* In the child, before exec: async-signal-safe calls only. The receiver starts as root, binds, and
 * becomes user vmreplica by itself. */
__attribute__((noreturn)) static void child_exec(int fd)
{
	char *const argv[] = {(char *)(uintptr_t)RECEIVER_PROGRAM, NULL};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, RECEIVER_FD) < 0 || (fd == RECEIVER_FD && fcntl(fd, F_SETFD, 0) < 0)) {
		_exit(126);
	}
	execv(argv[0], argv);
	_exit(127);
}

pid_t receiver_spawn(int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		return -errno;
	}
	pid = fork();
	if (pid == 0) {
		child_exec(fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -EAGAIN;
	}
	*ret_fd = fds[0];
	return pid;
}
