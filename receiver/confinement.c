/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters are inherited, so the list holds what qemu-storage-daemon and qemu-img need as well. What
 * they would like and can do without (io_uring, priorities, NUMA) is refused as by an older kernel.
 */
#include "receiver/confinement.h"

static const char *const more_calls[] = {
	/* images and logs */
	"copy_file_range", "sendfile", "sync_file_range", "syncfs", "truncate", "truncate64",
	"preadv2", "pwritev2", "link", "linkat", "symlink", "symlinkat", "utimensat",
	"utimensat_time64", "chown", "fchown", "lchown", "fchownat", "creat", "futimesat",
	"io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_destroy", "io_cancel",
	/* who may read a layer: ACLs */
	"getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr", "listxattr",
	"llistxattr", "flistxattr", "removexattr", "lremovexattr", "fremovexattr",
	/* QEMU's event loop, timers and threads */
	"timer_create", "timer_settime", "timer_delete", "timer_gettime", "timer_getoverrun",
	"setitimer", "getitimer", "alarm", "mlock", "munlock", "mincore", "msync", "rt_sigsuspend",
	"rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill", "sched_getparam", "sched_getscheduler",
	"sched_get_priority_min", "sched_get_priority_max", "getpriority", "getpgrp", "getpgid",
	"setpgid", "getsid", "readahead", "eventfd", "inotify_init1", "inotify_add_watch",
	"inotify_rm_watch",
	/* a child may be restricted further */
	"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
	NULL,
};

int confinement_enter_calls(char error[CONFINE_ERROR_LEN])
{
	const struct confine_calls calls = {.more = more_calls, .programs = true};

	return confine_calls(&calls, error);
}
