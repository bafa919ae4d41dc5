/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/directories.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"

struct owner {
	uid_t uid;
	gid_t gid;
};

static int directory_make(const char *path, mode_t mode, struct owner owner, char *error,
			  unsigned int size)
{
	if (mkdir(path, mode) < 0) {
		if (errno == EEXIST) {
			return 0;
		}
		snprintf(error, size, "cannot make %s: %s", path, strerror(errno));
		return -errno;
	}
	/* the umask is strict, so the mode is set by hand */
	if (chmod(path, mode) < 0 || (geteuid() == 0 && chown(path, owner.uid, owner.gid) < 0)) {
		snprintf(error, size, "cannot give %s its owner: %s", path, strerror(errno));
		return -errno;
	}
	return 0;
}

int directories_make(const struct config *config, char *error, unsigned int size)
{
	const struct passwd *user = getpwnam(ENGINE_GROUP);
	struct owner root = {0, user != NULL ? user->pw_gid : 0};
	struct owner receiver = {user != NULL ? user->pw_uid : 0, root.gid};
	const struct {
		const char *path;
		mode_t mode;
		struct owner owner;
	} wanted[] = {
		{VMR_RUNDIR, 0750, root},
		{ENGINE_BACKUP_DIR, 0750, {0, 0}},
		{ENGINE_LENT_DIR, 0700, receiver},
		{VMR_STATEDIR, 0751, root}, /* QEMU passes through it to the scratch files */
		{ENGINE_STATE_DIR, 0700, {0, 0}},
		{ENGINE_JOBS_DIR, 0700, {0, 0}},
		{config->scratch_directory, 0750, {0, 0}},
		{config->log_directory, 0770, root},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int result = wanted[i].path[0] == '\0'
				     ? 0
				     : directory_make(wanted[i].path, wanted[i].mode,
						      wanted[i].owner, error, size);

		if (result < 0) {
			return result;
		}
	}
	return 0;
}
