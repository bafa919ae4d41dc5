/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

/* What the headers of an older kernel do not have. */
#define ACCESS_TRUNCATE	   (1ull << 14) /* ABI 3 */
#define ACCESS_IOCTL_DEV   (1ull << 15) /* ABI 5 */
#define NET_BIND_CONNECT   3ull		/* ABI 4: TCP */
#define SCOPE_SOCK_SIGNALS 3ull		/* ABI 6: abstract Unix sockets, signals */

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                                               \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE |                \
	 ACCESS_IOCTL_DEV)
#define RIGHTS_UPDATE (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)
/* Handled, and granted to nobody. */
#define RIGHTS_NEVER                                                                               \
	(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO)
/* The others have a meaning for directories alone, and are refused for a file. */
#define RIGHTS_FILE                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)

struct ruleset {
	uint64_t handled_fs, handled_net, scoped;
};

static int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static uint64_t rights_known(int abi)
{
	uint64_t rights = RIGHTS_READ | RIGHTS_WRITE | RIGHTS_NEVER | LANDLOCK_ACCESS_FS_EXECUTE;

	return rights & ~(abi < 3 ? ACCESS_TRUNCATE : 0) & ~(abi < 5 ? ACCESS_IOCTL_DEV : 0);
}

int confine_paths_new(bool network, char error[CONFINE_ERROR_LEN])
{
	int abi = landlock_abi();
	struct ruleset ruleset = {
		.handled_fs = rights_known(abi),
		.handled_net = abi >= 4 && !network ? NET_BIND_CONNECT : 0,
		.scoped = abi >= 6 ? SCOPE_SOCK_SIGNALS : 0,
	};
	long fd;

	/* The first ABI allows no file to be renamed into another directory. */
	if (abi < 2) {
		snprintf(error, CONFINE_ERROR_LEN,
			 "this kernel has no Landlock, or an early one (ABI %d, needed is 2 of "
			 "Linux 5.19, and landlock among the security modules that it boots with)",
			 abi);
		return -EOPNOTSUPP;
	}
	fd = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0) {
		int rc = -errno;

		snprintf(error, CONFINE_ERROR_LEN, "Landlock makes no set of rules: %s",
			 strerror(-rc));
		return rc;
	}
	return (int)fd; /* close-on-exec by itself */
}

int confine_paths_add(int fd, const char *path, unsigned int access)
{
	cleanup_close int target = path[0] == '\0' ? -1 : open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.parent_fd = target};
	struct stat st;

	if (target < 0) {
		return path[0] == '\0' || errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	}
	if (fstat(target, &st) < 0) {
		return -errno;
	}
	rule.allowed_access |= (access & CONFINE_READ) != 0 ? RIGHTS_READ : 0;
	rule.allowed_access |= (access & CONFINE_WRITE) != 0 ? RIGHTS_WRITE : 0;
	rule.allowed_access |= (access & CONFINE_EXECUTE) != 0 ? LANDLOCK_ACCESS_FS_EXECUTE : 0;
	rule.allowed_access |= (access & CONFINE_UPDATE) != 0 ? RIGHTS_UPDATE : 0;
	rule.allowed_access &= rights_known(landlock_abi());
	rule.allowed_access &= S_ISDIR(st.st_mode) ? ~0ull : RIGHTS_FILE;
	return syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno
											    : 0;
}

static int add_directory_of(int fd, const char *file)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s", file);

	if (len < 0 || (size_t)len >= sizeof(path)) {
		return -ENAMETOOLONG;
	}
	return confine_paths_add(fd, dirname(path), CONFINE_READ);
}

int confine_paths_add_around(int fd, const char *file)
{
	cleanup_free char *real = file[0] == '\0' ? NULL : realpath(file, NULL);
	int rc = file[0] == '\0' ? 0 : add_directory_of(fd, file);

	return rc < 0 || real == NULL ? rc : add_directory_of(fd, real);
}

int confine_paths_enter(int fd)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
		return -errno;
	}
	return 0;
}
