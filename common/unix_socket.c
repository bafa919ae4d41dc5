/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

#define UNIX_BACKLOG	 64
#define UNIX_GROUPS_MAX	 65536 /* the kernel's NGROUPS_MAX */
#define UNIX_RETRY_MS	 20
#define UNIX_GRBUF_BYTES 65536

static int unix_address(const char *path, struct sockaddr_un *ret_address)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	*ret_address = address;
	return 0;
}

static int unix_group_lookup(const char *group, gid_t *ret_gid)
{
	cleanup_free char *buf = malloc(UNIX_GRBUF_BYTES);
	struct group entry, *found = NULL;
	int error;

	if (buf == NULL) {
		return -ENOMEM;
	}
	error = getgrnam_r(group, &entry, buf, UNIX_GRBUF_BYTES, &found);
	if (error != 0) {
		return -error;
	}
	if (found == NULL) {
		return -ENOENT;
	}
	*ret_gid = found->gr_gid;
	return 0;
}

/* Remove a socket that nobody listens on. 0 when the path is free now. */
static int unix_stale_remove(const char *path, const struct sockaddr_un *address)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	if (!S_ISSOCK(st.st_mode)) {
		return -EEXIST; /* somebody's file: not ours to remove */
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno == EAGAIN) {
		return -EADDRINUSE;
	}
	if (errno != ECONNREFUSED) {
		return -errno;
	}
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int unix_listen(const char *path, const char *group, mode_t mode)
{
	cleanup_close int fd = -1;
	struct sockaddr_un address;
	gid_t gid = (gid_t)-1;
	int r = unix_address(path, &address);

	if (r == 0 && group != NULL) {
		r = unix_group_lookup(group, &gid);
	}
	if (r == 0) {
		r = unix_stale_remove(path, &address);
	}
	if (r < 0) {
		return r;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode is set between bind and listen: nobody can connect before it stands. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	if ((gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) || chmod(path, mode) < 0 ||
	    listen(fd, UNIX_BACKLOG) < 0) {
		r = -errno;
		unlink(path);
		return r;
	}
	return steal_fd(&fd);
}

int unix_connect(const char *path, int timeout_ms)
{
	int64_t deadline = clock_monotonic_ms() + timeout_ms;
	cleanup_close int fd = -1;
	struct sockaddr_un address;
	int r = unix_address(path, &address);

	if (r < 0) {
		return r;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	/* A Unix socket does not become writable when the backlog drains: EAGAIN is asked again. */
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
		if (clock_monotonic_ms() >= deadline) {
			return -ETIMEDOUT;
		}
		clock_sleep_ms(UNIX_RETRY_MS);
	}
	if (fcntl(fd, F_SETFL, 0) < 0) {
		return -errno;
	}
	return steal_fd(&fd);
}

static bool unix_peer_has_group(int fd, gid_t gid)
{
	cleanup_free gid_t *groups = calloc(UNIX_GROUPS_MAX, sizeof(*groups));
	socklen_t len = UNIX_GROUPS_MAX * sizeof(*groups);

	if (groups == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
		return false;
	}
	for (size_t i = 0; i < len / sizeof(*groups); i++) {
		if (groups[i] == gid) {
			return true;
		}
	}
	return false;
}

bool unix_peer_is_allowed(int fd, const char *group, uid_t *ret_uid)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	gid_t gid = (gid_t)-1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof(peer)) {
		return false;
	}
	if (ret_uid != NULL) {
		*ret_uid = peer.uid;
	}
	if (peer.uid == 0) {
		return true;
	}
	if (group == NULL || unix_group_lookup(group, &gid) < 0) {
		return false;
	}
	return peer.gid == gid || unix_peer_has_group(fd, gid);
}
