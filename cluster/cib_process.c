/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

#define CIB_HELPER_PATH VMR_DAEMONDIR "/vmreplica-cib"

/* The helper gets standard streams and its socket, and no signal settings of ours. 0 or a positive
 * errno. */
static int spawn(const char *path, int fd, pid_t *ret_pid)
{
	char name[] = "vmreplica-cib";
	char *argv[] = {name, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	error = posix_spawn_file_actions_init(&actions);
	if (error != 0) {
		return error;
	}
	error = posix_spawnattr_init(&attributes);
	if (error != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return error;
	}
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	error = posix_spawn_file_actions_adddup2(&actions, fd, CIB_PROCESS_FD);
	if (error == 0) {
		error = posix_spawn_file_actions_addclosefrom_np(&actions, CIB_PROCESS_FD + 1);
	}
	if (error == 0) {
		error = posix_spawn(ret_pid, path, &actions, &attributes, argv, environ);
	}
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return error;
}

int cib_process_start(pid_t *ret_pid, int *ret_fd)
{
	const char *path = getenv("VMREPLICA_CIB_HELPER");
	cleanup_close int theirs = -1;
	cleanup_close int ours = -1;
	int pair[2];
	pid_t pid;
	int error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	ours = pair[0];
	theirs = pair[1];
	error = spawn(path != NULL ? path : CIB_HELPER_PATH, theirs, &pid);
	if (error != 0) {
		return -error;
	}
	*ret_pid = pid;
	*ret_fd = steal_fd(&ours);
	return 0;
}

void cib_process_end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
}
