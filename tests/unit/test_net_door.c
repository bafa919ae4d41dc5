/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real vmreplica-net makes connections for a process that has no network. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/listen_socket.h"
#include "common/net_door.h"
#include "common/tls.h"
#include "common/unix_socket.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define DIAL_MS 5000
#define WAIT_MS 20000

static pid_t door;
static char socket_path[TEMP_PATH_LEN];

/* Not every machine that builds has our user. */
static void become_nobody(void)
{
	const struct passwd *user = getpwnam("nobody");

	if (geteuid() == 0 && (user == NULL || setgroups(0, NULL) < 0 ||
			       setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
			       chown(tempdir(), user->pw_uid, user->pw_gid) < 0 ||
			       setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)) {
		_exit(126);
	}
}

static void door_start(void)
{
	temp_path(socket_path, "net.sock");
	fflush(NULL);
	door = fork();
	if (door == 0) {
		become_nobody();
		execl(TEST_BUILDDIR "/vmreplica-net", "vmreplica-net", "--socket", socket_path,
		      (char *)NULL);
		_exit(127);
	}
	for (int ms = 0; ms < WAIT_MS && access(socket_path, F_OK) != 0; ms += 20) {
		usleep(20000);
	}
}

static bool status_says(const char *wanted)
{
	char path[64], line[256];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)door);
	cleanup_fclose FILE *file = fopen(path, "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		found |= strcmp(line, wanted) == 0;
	}
	return found;
}

/* As the engine in its unit: nothing is reached but by the door. */
static void network_leave(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNET) < 0) {
		printf("no network namespace of our own here ");
	}
}

static void dial(void)
{
	char error[NET_DOOR_ERROR_LEN] = "", text[8] = "";
	cleanup_close int listening = -1, near = -1, far = -1;
	uint16_t port;

	listening = net_door_listen(socket_path, "127.0.0.1", 0);
	CU_ASSERT_TRUE_FATAL(listening >= 0);
	port = listen_socket_port(listening);
	CU_ASSERT_TRUE(port > 0);
	setenv(NET_DOOR_VARIABLE, socket_path, 1);
	near = tls_dial("localhost", port, DIAL_MS, error); /* as senders do it */
	CU_ASSERT_TRUE_FATAL(near >= 0);
	for (int ms = 0; ms < WAIT_MS && far < 0; ms += 20) {
		far = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		usleep(far < 0 ? 20000 : 0);
	}
	CU_ASSERT_TRUE_FATAL(far >= 0);
	CU_ASSERT_EQUAL(write(near, "hello", 5), 5);
	CU_ASSERT_EQUAL(recv(far, text, 5, MSG_WAITALL), 5);
	CU_ASSERT_STRING_EQUAL(text, "hello");
	CU_ASSERT_TRUE(status_says("NoNewPrivs:\t1\n"));
	CU_ASSERT_TRUE(status_says("Seccomp:\t2\n"));
	CU_ASSERT_TRUE(status_says("CapEff:\t0000000000000000\n"));
}

static void refusals(void)
{
	char error[NET_DOOR_ERROR_LEN] = "", name[400];
	cleanup_close int listening = net_door_listen(socket_path, "127.0.0.1", 0);
	uint16_t port = listen_socket_port(listening);

	CU_ASSERT_EQUAL(net_door_listen(socket_path, "127.0.0.1", port), -EADDRINUSE);
	CU_ASSERT_EQUAL(net_door_listen(socket_path, "no address", 0), -EINVAL);
	close(steal_fd(&listening));
	CU_ASSERT_EQUAL(tls_dial("127.0.0.1", port, DIAL_MS, error), -ECONNREFUSED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "cannot be reached"));
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(tls_dial(name, port, DIAL_MS, error), -ENAMETOOLONG);
}

/* What is no request costs nobody else anything; and without the door it is said what is missing.
 */
static void nonsense(void)
{
	char error[NET_DOOR_ERROR_LEN] = "", junk[600];
	int fd;

	memset(junk, 0xff, sizeof(junk));
	for (int i = 0; i < 100; i++) {
		fd = unix_connect(socket_path, DIAL_MS);
		CU_ASSERT_TRUE(fd >= 0);
		CU_ASSERT_TRUE(send(fd, junk, i % 2 == 0 ? sizeof(junk) : 3, MSG_NOSIGNAL) > 0);
		close(fd);
	}
	fd = net_door_listen(socket_path, "127.0.0.1", 0);
	CU_ASSERT_TRUE(fd >= 0);
	close(fd);
	CU_ASSERT_EQUAL(kill(door, SIGTERM), 0);
	CU_ASSERT_EQUAL(waitpid(door, NULL, 0), door);
	CU_ASSERT_TRUE(tls_dial("127.0.0.1", 1, DIAL_MS, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "vmreplica-net"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"connections are handed over", dial},
		{"what cannot be is refused with the reason", refusals},
		{"nonsense, and nobody there", nonsense},
	};
	int rc;

	door_start();
	network_leave();
	rc = unit_run("net_door", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return rc;
}
