/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon.h"

#define NAME_PREFIX "receiver-"

static int user_find(uid_t *ret_uid, gid_t *ret_gid, char error[PRIVILEGES_ERROR_LEN])
{
	const struct passwd *entry = getpwnam(PRIVILEGES_USER);

	if (entry == NULL) {
		snprintf(error, PRIVILEGES_ERROR_LEN,
			 "there is no user " PRIVILEGES_USER ": make it with systemd-sysusers or "
			 "adduser --system --group " PRIVILEGES_USER);
		return -ENOENT;
	}
	*ret_uid = entry->pw_uid;
	*ret_gid = entry->pw_gid;
	return 0;
}

void privileges_remove_directory(const char *path)
{
	DIR *dir = path[0] == '\0' ? NULL : opendir(path);
	struct dirent *entry;

	if (dir == NULL) {
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.') {
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	closedir(dir);
	rmdir(path);
}

/* What receivers left that were killed: their pid is in the name. */
static void leftovers_remove(const char *parent, const char *prefix)
{
	DIR *dir = opendir(parent);
	struct dirent *entry;
	char path[512];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		long pid = strncmp(entry->d_name, prefix, strlen(prefix)) == 0
				   ? strtol(entry->d_name + strlen(prefix), NULL, 10)
				   : 0;

		if (pid > 0 && (pid == getpid() || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))) {
			snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
			privileges_remove_directory(path);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

int privileges_make_directory(char *buf, size_t size, char error[PRIVILEGES_ERROR_LEN])
{
	bool is_root = geteuid() == 0;
	const char *parent = is_root ? VMR_RUNDIR : getenv("TMPDIR");
	const char *prefix = is_root ? NAME_PREFIX : "vmreplica-" NAME_PREFIX;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int rc = is_root ? user_find(&uid, &gid, error) : 0;

	if (rc < 0) {
		return rc;
	}
	parent = parent == NULL ? "/tmp" : parent;
	leftovers_remove(parent, prefix);
	snprintf(buf, size, "%s/%s%d", parent, prefix, (int)getpid());
	if (strlen(buf) + 1 >= size || mkdir(buf, 0700) < 0 || lchown(buf, uid, gid) < 0) {
		rc = -errno;
		snprintf(error, PRIVILEGES_ERROR_LEN, "cannot make the directory %s: %s", buf,
			 strerror(errno));
		buf[0] = '\0';
	}
	return rc;
}

int privileges_drop(char error[PRIVILEGES_ERROR_LEN])
{
	bool dropped;

	return daemon_drop_privileges(PRIVILEGES_USER, &dropped, error);
}
