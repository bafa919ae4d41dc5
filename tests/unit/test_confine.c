/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was given up is gone: each attempt in a process of its own, by trying. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/daemon.h"
#include "common/sanitized.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define KILLED	 1000 /* by SIGSYS */
#define NOT_OURS 77   /* the preparation failed, or cannot be had here */

static const char *const no_more[] = {NULL};
static const struct confine_calls network_side = {.more = no_more};
static const struct confine_calls with_programs = {.more = no_more, .programs = true};

/* What attempt ended with in a child: 0, an errno, or KILLED. */
static int outcome(int (*attempt)(void))
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		_exit(attempt());
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		return WTERMSIG(status) == SIGSYS ? KILLED : KILLED + WTERMSIG(status);
	}
	return WEXITSTATUS(status);
}

static int answer(long result)
{
	return result < 0 ? errno : 0;
}

static int calls(const struct confine_calls *wanted)
{
	char error[CONFINE_ERROR_LEN] = "";

	if (confine_calls(wanted, error) < 0) {
		fprintf(stderr, "%s\n", error);
		_exit(NOT_OURS);
	}
	return 0;
}

/* ---- files ---- */

/* <tempdir>/mine may be used, <tempdir>/given be read. */
static void enter_paths(bool network)
{
	char error[CONFINE_ERROR_LEN] = "", path[TEMP_PATH_LEN];
	int fd = confine_paths_new(network, error);

	if (fd < 0 ||
	    confine_paths_add(fd, temp_path(path, "mine"), CONFINE_READ | CONFINE_WRITE) < 0 ||
	    confine_paths_add(fd, temp_path(path, "given"), CONFINE_READ) < 0 ||
	    confine_paths_add(fd, "", CONFINE_READ) < 0 ||
	    confine_paths_add(fd, "/nosuch/file", CONFINE_READ) < 0 ||
	    confine_paths_enter(fd) < 0) {
		fprintf(stderr, "%s\n", error);
		_exit(NOT_OURS);
	}
}

static bool landlock_is_there(void)
{
	char error[CONFINE_ERROR_LEN] = "";
	int fd = confine_paths_new(true, error);

	if (fd < 0) {
		CU_ASSERT_EQUAL(fd, -EOPNOTSUPP);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, "Landlock"));
		printf("skipped: %s ", error);
		return false;
	}
	close(fd);
	return true;
}

static int file_open(const char *name, int flags)
{
	char path[TEMP_PATH_LEN];

	return answer(open(temp_path(path, name), flags | O_CLOEXEC, 0600));
}

static int mine_read(void)
{
	enter_paths(false);
	return file_open("mine/file", O_RDWR);
}

static int mine_new(void)
{
	enter_paths(false);
	return file_open("mine/new", O_RDWR | O_CREAT | O_EXCL);
}

static int mine_moved(void)
{
	char from[TEMP_PATH_LEN], to[TEMP_PATH_LEN];

	enter_paths(false);
	return answer(mkdir(temp_path(to, "mine/below"), 0700)) == 0
		       ? answer(rename(temp_path(from, "mine/file"),
				       temp_path(to, "mine/below/file")))
		       : errno;
}

static int given_read(void)
{
	enter_paths(false);
	return file_open("given/file", O_RDONLY);
}

static int given_written(void)
{
	enter_paths(false);
	return file_open("given/file", O_RDWR);
}

static int given_made(void)
{
	enter_paths(false);
	return file_open("given/new", O_WRONLY | O_CREAT);
}

static int other_read(void)
{
	enter_paths(false);
	return file_open("other/file", O_RDONLY);
}

static int other_listed(void)
{
	enter_paths(false);
	return file_open("other", O_RDONLY | O_DIRECTORY);
}

static int other_linked(void)
{
	enter_paths(false);
	return file_open("mine/link", O_RDONLY);
}

static int shadow_read(void)
{
	enter_paths(false);
	return answer(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int parent_traced(void)
{
	enter_paths(false);
	return answer(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int program_run(void)
{
	enter_paths(false);
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static void files(void)
{
	char path[TEMP_PATH_LEN], target[TEMP_PATH_LEN];

	mkdir(temp_path(path, "mine"), 0700);
	mkdir(temp_path(path, "given"), 0700);
	mkdir(temp_path(path, "other"), 0700);
	temp_file(path, "mine/file", "a");
	temp_file(path, "given/file", "b");
	temp_file(target, "other/file", "c");
	CU_ASSERT_EQUAL(symlink(target, temp_path(path, "mine/link")), 0);
	if (!landlock_is_there()) {
		return;
	}
	CU_ASSERT_EQUAL(outcome(mine_read), 0);
	CU_ASSERT_EQUAL(outcome(mine_new), 0);
	CU_ASSERT_EQUAL(outcome(mine_moved), 0);
	CU_ASSERT_EQUAL(outcome(given_read), 0);
	CU_ASSERT_EQUAL(outcome(given_written), EACCES);
	CU_ASSERT_EQUAL(outcome(given_made), EACCES);
	CU_ASSERT_EQUAL(outcome(other_read), EACCES);
	CU_ASSERT_EQUAL(outcome(other_listed), EACCES);
	CU_ASSERT_EQUAL(outcome(other_linked), EACCES);
	CU_ASSERT_EQUAL(outcome(shadow_read), EACCES);
	CU_ASSERT_EQUAL(outcome(parent_traced), EPERM);
	CU_ASSERT_EQUAL(outcome(program_run), EACCES);
}

/* Renewed by renaming a new file into place: the directory counts, on both ends of a link. */
static int renewed_read(void)
{
	char error[CONFINE_ERROR_LEN] = "", path[TEMP_PATH_LEN], from[TEMP_PATH_LEN];
	int fd = confine_paths_new(true, error);

	temp_file(from, "real/cert.new", "e");
	if (fd < 0 || confine_paths_add_around(fd, temp_path(path, "pki/cert")) < 0 ||
	    rename(from, temp_path(path, "real/cert")) < 0 || confine_paths_enter(fd) < 0) {
		return NOT_OURS;
	}
	return file_open("pki/cert", O_RDONLY);
}

static void renewal(void)
{
	char path[TEMP_PATH_LEN], target[TEMP_PATH_LEN];

	mkdir(temp_path(path, "pki"), 0700);
	mkdir(temp_path(path, "real"), 0700);
	temp_file(target, "real/cert", "d");
	CU_ASSERT_EQUAL(symlink(target, temp_path(path, "pki/cert")), 0);
	if (landlock_is_there()) {
		CU_ASSERT_EQUAL(outcome(renewed_read), 0);
	}
}

/* ---- system calls ---- */

static int try_ptrace(void)
{
	return calls(&network_side) + answer(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_mount(void)
{
	return calls(&with_programs) + answer(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int try_setuid(void)
{
	return calls(&with_programs) + answer(setuid(getuid()));
}

static int try_unshare(void)
{
	return calls(&network_side) + answer(unshare(CLONE_NEWUSER));
}

static int try_bpf(void)
{
	return calls(&network_side) + answer(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_exec(void)
{
	calls(&network_side);
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int try_exec_allowed(void)
{
	calls(&with_programs);
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int try_mount_after_exec(void)
{
	calls(&with_programs);
	execl("/bin/sh", "sh", "-c", "exec mount -t tmpfs none /tmp 2>/dev/null", (char *)NULL);
	return errno;
}

static int try_fork(void)
{
	calls(&network_side);
	return answer(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int try_namespace(void)
{
	calls(&with_programs);
	return answer(syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0));
}

static int try_clone3(void)
{
	calls(&with_programs);
	return answer(syscall(SYS_clone3, NULL, 0));
}

static int try_dumpable(void)
{
	calls(&network_side);
	return answer(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

/* The kernel takes the lower half of an int's register: so must the filter. */
static int try_dumpable_disguised(void)
{
	calls(&network_side);
	return answer(syscall(SYS_prctl, (1ull << 32) | PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int family = -1;

static int try_socket(void)
{
	calls(&network_side);
	return answer(socket(family, SOCK_DGRAM, 0));
}

static int socket_outcome(int wanted)
{
	family = wanted;
	return outcome(try_socket);
}

static void *thread_mount(void *arg)
{
	char go;

	if (read(*(int *)arg, &go, 1) == 1) {
		(void)umount2("/nosuch", 0);
	}
	return NULL;
}

/* A thread that was there before is bound as well; and a new one can be made. */
static int try_thread(void)
{
	pthread_t thread;
	int fds[2];

	if (pipe(fds) < 0 || pthread_create(&thread, NULL, thread_mount, &fds[0]) != 0) {
		return NOT_OURS;
	}
	calls(&network_side);
	if (write(fds[1], "g", 1) == 1) {
		pthread_join(thread, NULL);
	}
	return 0;
}

static void *thread_nothing(void *arg)
{
	return arg;
}

static int try_new_thread(void)
{
	pthread_t thread;

	calls(&network_side);
	return pthread_create(&thread, NULL, thread_nothing, NULL) == 0 ? pthread_join(thread, NULL)
									: NOT_OURS;
}

static void system_calls(void)
{
	CU_ASSERT_EQUAL(outcome(try_mount), KILLED);
	CU_ASSERT_EQUAL(outcome(try_setuid), KILLED);
	CU_ASSERT_EQUAL(outcome(try_unshare), KILLED);
	CU_ASSERT_EQUAL(outcome(try_bpf), KILLED);
	CU_ASSERT_EQUAL(outcome(try_exec), KILLED);
	CU_ASSERT_EQUAL(outcome(try_exec_allowed), 0);
	CU_ASSERT_EQUAL(outcome(try_mount_after_exec), KILLED);
	CU_ASSERT_EQUAL(outcome(try_thread), KILLED);
	CU_ASSERT_EQUAL(outcome(try_new_thread), 0);
	CU_ASSERT_EQUAL(outcome(try_clone3), ENOSYS);
	CU_ASSERT_EQUAL(socket_outcome(AF_INET), 0);
	CU_ASSERT_EQUAL(socket_outcome(AF_INET6), 0);
	CU_ASSERT_EQUAL(socket_outcome(AF_UNIX), 0);
	CU_ASSERT_EQUAL(socket_outcome(AF_NETLINK), ENOSYS);
	CU_ASSERT_EQUAL(socket_outcome(AF_PACKET), ENOSYS);
	if (!SANITIZED) {
		CU_ASSERT_EQUAL(outcome(try_ptrace), KILLED);
		CU_ASSERT_EQUAL(outcome(try_fork), ENOSYS);
		CU_ASSERT_EQUAL(outcome(try_namespace), ENOSYS);
		CU_ASSERT_EQUAL(outcome(try_dumpable), ENOSYS);
		CU_ASSERT_EQUAL(outcome(try_dumpable_disguised), ENOSYS);
	}
}

/* ---- root ---- */

/* The field of /proc/self/status is zero, or the number wanted. */
static bool status_says(const char *field, unsigned long long wanted)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	bool found = false;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, field, strlen(field)) == 0) {
			found = strtoull(line + strlen(field) + 1, NULL, 16) == wanted;
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return found;
}

static int try_dropped(void)
{
	char error[DAEMON_ERROR_LEN] = "";
	struct rlimit core;
	bool dropped = false;

	if (daemon_drop_privileges("nobody", &dropped, error) < 0 || !dropped) {
		fprintf(stderr, "%s\n", error);
		return NOT_OURS;
	}
	return !status_says("CapInh", 0)	     ? 1
	       : !status_says("CapPrm", 0)	     ? 2
	       : !status_says("CapEff", 0)	     ? 3
	       : !status_says("CapBnd", 0)	     ? 4
	       : !status_says("CapAmb", 0)	     ? 5
	       : !status_says("NoNewPrivs", 1)	     ? 6
	       : geteuid() == 0 || setuid(0) == 0    ? 7
	       : getgroups(0, NULL) != 1	     ? 8
	       : getrlimit(RLIMIT_CORE, &core) < 0   ? 9
	       : core.rlim_max != 0		     ? 10
	       : prctl(PR_GET_DUMPABLE) != SANITIZED ? 11
						     : 0;
}

static int try_shadow_dropped(void)
{
	char error[DAEMON_ERROR_LEN];
	bool dropped;

	return daemon_drop_privileges("nobody", &dropped, error) < 0
		       ? NOT_OURS
		       : answer(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static void root_given_up(void)
{
	if (geteuid() != 0) {
		printf("skipped: needs root ");
		return;
	}
	CU_ASSERT_EQUAL(outcome(try_dropped), 0);
	CU_ASSERT_EQUAL(outcome(try_shadow_dropped), EACCES);
}

static const struct unit_test tests[] = {
	{"files outside of the given paths are out of reach", files},
	{"a file that is replaced can be read again", renewal},
	{"system calls", system_calls},
	{"root, its capabilities and core dumps are gone", root_given_up},
};

int main(void)
{
	int rc = unit_run("confine", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return rc;
}
