/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the analyzers alone, included before every source: the directories that the build defines,
 * and that a failed call leaves an errno, so that "return -errno" is a failure. Without it each output
 * of a function that fails in this way is taken for uninitialized.
 */
#ifndef VMR_LINT_ANALYZER_H
#define VMR_LINT_ANALYZER_H

#define VMR_SYSCONFDIR "/etc/vmreplica"
#define VMR_RUNDIR     "/run/vmreplica"
#define VMR_STATEDIR   "/var/lib/vmreplica"
#define VMR_LOGDIR     "/var/log/vmreplica"
#define VMR_DAEMONDIR  "/usr/libexec/vmreplica"

#include <errno.h>

int lint_which(void);

/* Values that it can compute with: of an unknown one it does not know that its negative is none. */
static inline int *lint_errno(void)
{
	int *value = __errno_location();

	switch (lint_which()) {
	case 0:
		*value = ENOENT;
		break;
	case 1:
		*value = EAGAIN;
		break;
	default:
		*value = EIO;
		break;
	}
	return value;
}

#undef errno
#define errno (*lint_errno())

#endif
