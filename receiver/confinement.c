/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters are inherited, so the list holds what qemu-storage-daemon and qemu-img need as well. What
 * they would like and can do without (io_uring, priorities, NUMA) is refused as by an older kernel.
 */
#include "receiver/confinement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "receiver/cell.h"

/* ---- files ---- */

static int add_always(int fd, const char *run_directory)
{
	int rc = confine_paths_add(fd, run_directory, CONFINE_READ | CONFINE_WRITE);

	/* what everybody may see: does a lock's holder still run? */
	rc = rc < 0 ? rc : confine_paths_add(fd, "/proc", CONFINE_READ);
	return rc < 0 ? rc : cell_add_programs(fd);
}

/* One replica's storage that cannot be reached must not keep the others from being received. */
static void add_places(int fd, const Vmreplica__Ipc__ReceiverConfig *config)
{
	for (size_t i = 0; i < config->n_places; i++) {
		int rc = confine_paths_add(fd, config->places[i], CONFINE_READ | CONFINE_WRITE);

		if (rc < 0) {
			log_warning("%s will not be reached: %s", config->places[i], strerror(-rc));
		}
	}
}

int confinement_enter_paths(const Vmreplica__Ipc__ReceiverConfig *config, const char *run_directory,
			    bool *ret_confined, char error[CONFINE_ERROR_LEN])
{
	const char *const certificates[] = {config->ca, config->certificate, config->key,
					    config->crl};
	cleanup_close int fd = confine_paths_new(false, error);
	int rc;

	if (fd == -EOPNOTSUPP) {
		log_warning("the receiver's files are not restricted: %s", error);
		*ret_confined = false;
		return 0;
	}
	if (fd < 0) {
		return fd;
	}
	rc = add_always(fd, run_directory);
	for (size_t i = 0; rc == 0 && i < sizeof(certificates) / sizeof(certificates[0]); i++) {
		rc = confine_paths_add_around(fd, certificates[i]);
	}
	add_places(fd, config);
	rc = rc < 0 ? rc : confine_paths_enter(fd);
	if (rc < 0) {
		snprintf(error, CONFINE_ERROR_LEN, "the receiver's files cannot be restricted: %s",
			 strerror(-rc));
		return rc;
	}
	*ret_confined = true;
	return 0;
}

/* ---- system calls ---- */

static const char *const more_calls[] = {
	/* images and logs */
	"copy_file_range",
	"sendfile",
	"sync_file_range",
	"syncfs",
	"truncate",
	"truncate64",
	"preadv2",
	"pwritev2",
	"link",
	"linkat",
	"symlink",
	"symlinkat",
	"utimensat",
	"utimensat_time64",
	"chown",
	"fchown",
	"lchown",
	"fchownat",
	"creat",
	"futimesat",
	"io_setup",
	"io_submit",
	"io_getevents",
	"io_pgetevents",
	"io_destroy",
	"io_cancel",
	/* who may read a layer: ACLs */
	"getxattr",
	"lgetxattr",
	"fgetxattr",
	"setxattr",
	"lsetxattr",
	"fsetxattr",
	"listxattr",
	"llistxattr",
	"flistxattr",
	"removexattr",
	"lremovexattr",
	"fremovexattr",
	/* QEMU's event loop, timers and threads */
	"timer_create",
	"timer_settime",
	"timer_delete",
	"timer_gettime",
	"timer_getoverrun",
	"setitimer",
	"getitimer",
	"alarm",
	"mlock",
	"munlock",
	"mincore",
	"msync",
	"rt_sigsuspend",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	"tkill",
	"sched_getparam",
	"sched_getscheduler",
	"sched_get_priority_min",
	"sched_get_priority_max",
	"getpriority",
	"getpgrp",
	"getpgid",
	"setpgid",
	"getsid",
	"readahead",
	"eventfd",
	"inotify_init1",
	"inotify_add_watch",
	"inotify_rm_watch",
	/* a child is restricted further (cell.h) */
	"landlock_create_ruleset",
	"landlock_add_rule",
	"landlock_restrict_self",
	"seccomp",
	NULL,
};

int confinement_enter_calls(char error[CONFINE_ERROR_LEN])
{
	const struct confine_calls calls = {.more = more_calls, .programs = true};

	return confine_calls(&calls, error);
}
