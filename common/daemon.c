/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/sanitized.h"

static void daemon_redirect(int fd, int flags)
{
	cleanup_close int null = open("/dev/null", flags | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, fd);
	}
}

static bool reports; /* standard error is the file for a sanitizer's reports: it stays open */

/* A build with sanitizers reports to this file from its start on, and so does what it starts: a
 * confined process cannot open one any more. */
static void daemon_redirect_reports(void)
{
	const char *path = SANITIZED ? getenv("VMREPLICA_SANITIZER_LOG") : NULL;
	cleanup_close int fd =
		path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	reports = fd >= 0 && dup2(fd, STDERR_FILENO) >= 0;
}

/* The parent's part: the child's word, or its end. */
static void daemon_wait_and_exit(int fd)
{
	char word;
	ssize_t n;

	do {
		n = read(fd, &word, 1);
	} while (n < 0 && errno == EINTR);
	_exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int daemon_detach(int *ret_ready_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return -errno;
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		int rc = -errno;

		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	if (pid > 0) {
		close(fds[1]);
		daemon_wait_and_exit(fds[0]);
	}
	close(fds[0]);
	setsid();
	pid = fork(); /* no session leader: it could take a terminal */
	if (pid != 0) {
		_exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	if (chdir("/") < 0) {
		_exit(EXIT_FAILURE);
	}
	daemon_redirect(STDIN_FILENO, O_RDONLY);
	daemon_redirect(STDOUT_FILENO, O_WRONLY);
	daemon_redirect_reports();
	*ret_ready_fd = fds[1];
	return 0;
}

void daemon_ready(int *ready_fd)
{
	if (*ready_fd < 0) {
		return;
	}
	if (write(*ready_fd, "R", 1) < 0) {
		fprintf(stderr, "nobody waits for this daemon any more\n");
	}
	if (!reports) {
		daemon_redirect(STDERR_FILENO, O_WRONLY);
	}
	close(*ready_fd);
	*ready_fd = -1;
}

int daemon_pid_file_open(const char *path)
{
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char text[16];
	int len;

	if (fd < 0) {
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		return -errno;
	}
	len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)len) != len) {
		return -EIO;
	}
	return steal_fd(&fd);
}

void daemon_pid_file_close(int fd)
{
	if (fd < 0) {
		return;
	}
	if (ftruncate(fd, 0) < 0) {
		fprintf(stderr, "the pid file could not be emptied\n");
	}
	close(fd);
}

void daemon_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Needs CAP_SETPCAP, so it comes first. No program that is started can have one again. */
static int capability_bounds_empty(void)
{
	/* The kernel says EINVAL behind the last one that it knows. */
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
	     capability++) {
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
			return -errno;
		}
	}
	return 0;
}

/* Also those that whoever started us had given to us: setresuid leaves them. */
static int capabilities_clear(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, none) < 0) {
		return -errno;
	}
	return 0;
}

int daemon_protect_memory(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0) {
		return -errno;
	}
	return prctl(PR_SET_DUMPABLE, SANITIZED, 0, 0, 0) < 0 ? -errno : 0;
}

static int become(const char *user, char error[DAEMON_ERROR_LEN])
{
	const struct passwd *entry = getpwnam(user);

	if (entry == NULL) {
		snprintf(error, DAEMON_ERROR_LEN,
			 "there is no user %s: make it (see the README, users)", user);
		return -ENOENT;
	}
	if (capability_bounds_empty() < 0 || setgroups(1, &entry->pw_gid) < 0 ||
	    setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
	    setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0) {
		int rc = -errno;

		snprintf(error, DAEMON_ERROR_LEN, "cannot become user %s: %s", user, strerror(-rc));
		return rc;
	}
	if (setuid(0) == 0) {
		snprintf(error, DAEMON_ERROR_LEN, "root could not be given up for good");
		return -EPERM;
	}
	return 0;
}

int daemon_drop_privileges(const char *user, bool *ret_dropped, char error[DAEMON_ERROR_LEN])
{
	bool root = geteuid() == 0;
	int rc = root ? become(user, error) : 0;

	if (rc < 0) {
		return rc;
	}
	rc = capabilities_clear();
	rc = rc < 0 ? rc : daemon_protect_memory(); /* becoming somebody else may have undone it */
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		rc = -errno;
	}
	if (rc < 0) {
		snprintf(error, DAEMON_ERROR_LEN, "cannot give up privileges for good: %s",
			 strerror(-rc));
		return rc;
	}
	*ret_dropped = root;
	return 0;
}
