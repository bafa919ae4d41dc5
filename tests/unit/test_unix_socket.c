/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/unix_socket.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define NOBODY 65534

static char path[TEMP_PATH_LEN];

static void test_listen_and_connect(void)
{
	struct stat st;
	int listener, client, server;

	listener = unix_listen(temp_path(path, "a.sock"), NULL, 0660);
	CU_ASSERT_TRUE_FATAL(listener >= 0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
	CU_ASSERT_TRUE((fcntl(listener, F_GETFL) & O_NONBLOCK) != 0);
	CU_ASSERT_TRUE((fcntl(listener, F_GETFD) & FD_CLOEXEC) != 0);
	client = unix_connect(path, 1000);
	CU_ASSERT_TRUE_FATAL(client >= 0);
	CU_ASSERT_TRUE((fcntl(client, F_GETFL) & O_NONBLOCK) == 0);
	server = accept(listener, NULL, NULL);
	CU_ASSERT_EQUAL(write(client, "x", 1), 1);
	CU_ASSERT_EQUAL(poll(&(struct pollfd){.fd = server, .events = POLLIN}, 1, 1000), 1);
	close(server);
	close(client);
	/* While somebody listens, nobody else may take the path. */
	CU_ASSERT_EQUAL(unix_listen(path, NULL, 0660), -EADDRINUSE);
	close(listener);
	/* A dead socket is replaced. */
	CU_ASSERT_EQUAL(unix_connect(path, 100), -ECONNREFUSED);
	listener = unix_listen(path, NULL, 0600);
	CU_ASSERT_TRUE(listener >= 0);
	close(listener);
}

static void test_refuses(void)
{
	char longer[200];

	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	CU_ASSERT_EQUAL(unix_listen(longer, NULL, 0600), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(unix_connect(longer, 100), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(unix_connect(temp_path(path, "none.sock"), 100), -ENOENT);
	CU_ASSERT_EQUAL(unix_listen(path, "no-such-group-here", 0600), -ENOENT);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
	/* Somebody's file is not a stale socket. */
	temp_file(path, "precious", "data");
	CU_ASSERT_EQUAL(unix_listen(path, NULL, 0600), -EEXIST);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
}

static void test_full_backlog_times_out(void)
{
	int listener = unix_listen(temp_path(path, "full.sock"), NULL, 0600);
	int clients[200], count = 0;

	CU_ASSERT_TRUE_FATAL(listener >= 0);
	do {
		clients[count] = unix_connect(path, 50);
	} while (clients[count] >= 0 && ++count < 200);
	CU_ASSERT_TRUE(count > 0 && count < 200);
	CU_ASSERT_EQUAL(clients[count], -ETIMEDOUT);
	while (count > 0) {
		close(clients[--count]);
	}
	close(listener);
}

/* Connect as user nobody with the groups given, and hear whether we are let in. */
static bool nobody_is_allowed(gid_t primary, size_t group_count, const gid_t *groups,
			      const char *wanted)
{
	int listener = unix_listen(temp_path(path, "creds.sock"), NULL, 0666);
	uid_t uid = 0;
	bool allowed;
	pid_t child;
	int server;

	chmod(tempdir(), 0711);
	child = fork();
	if (child == 0) {
		char byte;
		int fd = -1;

		if (setgroups(group_count, groups) == 0 && setgid(primary) == 0 &&
		    setuid(NOBODY) == 0) {
			fd = unix_connect(path, 1000);
		}
		_exit(fd >= 0 && read(fd, &byte, 1) == 0 ? 0 : 1);
	}
	CU_ASSERT_EQUAL(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 5000), 1);
	server = accept(listener, NULL, NULL);
	allowed = unix_peer_is_allowed(server, wanted, &uid);
	CU_ASSERT_EQUAL(uid, NOBODY);
	close(server);
	close(listener);
	waitpid(child, NULL, 0);
	return allowed;
}

static void test_credentials_of_others(void)
{
	const gid_t daemons[] = {1};

	if (geteuid() != 0) {
		printf("(needs root, skipped) ");
		return;
	}
	CU_ASSERT_FALSE(nobody_is_allowed(NOBODY, 0, NULL, "daemon"));
	CU_ASSERT_FALSE(nobody_is_allowed(NOBODY, 0, NULL, NULL));
	CU_ASSERT_FALSE(nobody_is_allowed(NOBODY, 1, daemons, "no-such-group-here"));
	CU_ASSERT_TRUE(nobody_is_allowed(1, 0, NULL, "daemon"));
	CU_ASSERT_TRUE(nobody_is_allowed(NOBODY, 1, daemons, "daemon"));
}

static void test_own_credentials(void)
{
	const struct group *own = getgrgid(getegid());
	int pair[2];
	uid_t uid = 12345;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CU_ASSERT_EQUAL(unix_peer_is_allowed(pair[0], NULL, &uid), geteuid() == 0);
	CU_ASSERT_EQUAL(uid, geteuid());
	if (own != NULL) {
		CU_ASSERT_TRUE(unix_peer_is_allowed(pair[0], own->gr_name, NULL));
	}
	close(pair[0]);
	close(pair[1]);
	CU_ASSERT_FALSE(unix_peer_is_allowed(pair[0], NULL, NULL));
}

static void test_cleanup(void)
{
	tempdir_remove();
	CU_ASSERT_EQUAL(access(tempdir(), F_OK), -1);
}

static const struct unit_test tests[] = {
	{"listen, connect, stale and live sockets", test_listen_and_connect},
	{"wrong paths and groups", test_refuses},
	{"a full backlog times out", test_full_backlog_times_out},
	{"other users need the group", test_credentials_of_others},
	{"our own credentials", test_own_credentials},
	{"files are removed", test_cleanup},
};

UNIT_MAIN("unix_socket", tests)
