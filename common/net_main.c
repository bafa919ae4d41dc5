/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica-net: makes connections for an engine that has no network (net_door.h). systemd hands it
 * its socket (vmreplica-net.socket) and starts it as user vmreplica; started as root with --socket,
 * it becomes that user by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/net_door.h"
#include "common/unix_socket.h"

#define USER	   "vmreplica"
#define SYSTEMD_FD 3

/* sd_listen_fds(3), of one socket. */
static bool is_handed(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	return pid != NULL && count != NULL && strtol(pid, NULL, 10) == (long)getpid() &&
	       strcmp(count, "1") == 0;
}

static int door_open(int argc, char **argv)
{
	int fd, flags;

	if (argc == 1 && is_handed()) {
		fd = SYSTEMD_FD;
	} else if (argc == 3 && strcmp(argv[1], "--socket") == 0) {
		fd = unix_listen(argv[2], NULL, 0600);
	} else {
		fprintf(stderr, "Usage: vmreplica-net [--socket PATH]\n"
				"Makes connections for vmreplica-engine on a host without a "
				"cluster; started by\nvmreplica-net.socket\n");
		exit(2);
	}
	flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
	if (fd >= 0 && (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
			fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)) {
		return -errno;
	}
	return fd;
}

static int give_up(char error[DAEMON_ERROR_LEN])
{
	static const char *const more[] = {NULL};
	const struct confine_calls calls = {.more = more};
	char why[CONFINE_ERROR_LEN];
	bool dropped;
	int rc = daemon_drop_privileges(USER, &dropped, error);

	if (rc == 0) {
		rc = confine_calls(&calls, why);
		if (rc < 0) {
			snprintf(error, DAEMON_ERROR_LEN, "%.255s", why);
		}
	}
	return rc;
}

int main(int argc, char **argv)
{
	uid_t owner = getuid();
	char error[DAEMON_ERROR_LEN];
	int fd = door_open(argc, argv);
	int rc;

	/* The socket of systemd is root's, whoever we are. */
	owner = argc == 1 ? 0 : owner;
	log_open("vmreplica-net", NULL, "notice", true);
	if (fd < 0) {
		log_error("cannot listen: %s", strerror(-fd));
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	unsetenv(NET_DOOR_VARIABLE);
	if (give_up(error) < 0) {
		log_error("%s", error);
		return 1;
	}
	rc = net_door_serve(fd, owner);
	log_error("no more connections: %s", strerror(-rc));
	return 1;
}
