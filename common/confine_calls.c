/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names instead of numbers: libseccomp leaves out what an architecture does not have, and what it
 * does not know itself. What is refused, is refused with ENOSYS and not EPERM: glibc, OpenSSL and
 * QEMU then do as on an older kernel, so that their next version does not end a daemon.
 */
#include "common/confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/sanitized.h"

#define INT_BITS 0xffffffffull /* the kernel looks at an int's bits only: so does the filter */
#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)
#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif

/* clone3, whose flags no filter can see, is not here: glibc then takes clone. */
static const char *const everyday[] = {
	/* memory, threads, time */
	"brk",
	"mmap",
	"mmap2",
	"mprotect",
	"mremap",
	"munmap",
	"madvise",
	"membarrier",
	"futex",
	"futex_time64",
	"futex_waitv",
	"set_robust_list",
	"get_robust_list",
	"rseq",
	"set_tid_address",
	"sched_yield",
	"sched_getaffinity",
	"getcpu",
	"clock_gettime",
	"clock_gettime64",
	"clock_getres",
	"clock_getres_time64",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"nanosleep",
	"gettimeofday",
	"time",
	"getrandom",
	"exit",
	"exit_group",
	"restart_syscall",
	/* signals, and who we are */
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"rt_sigtimedwait_time64",
	"rt_sigpending",
	"sigaltstack",
	"tgkill",
	"kill",
	"wait4",
	"waitid",
	"getpid",
	"getppid",
	"gettid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getresuid",
	"getresgid",
	"getgroups",
	"uname",
	"sysinfo",
	"getrlimit",
	"ugetrlimit",
	"getrusage",
	/* descriptors */
	"read",
	"readv",
	"pread64",
	"preadv",
	"write",
	"writev",
	"pwrite64",
	"pwritev",
	"close",
	"lseek",
	"_llseek",
	"dup",
	"dup2",
	"dup3",
	"fcntl",
	"fcntl64",
	"pipe",
	"pipe2",
	"poll",
	"ppoll",
	"ppoll_time64",
	"select",
	"_newselect",
	"pselect6",
	"pselect6_time64",
	"epoll_create1",
	"epoll_create",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"eventfd2",
	"signalfd4",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_settime64",
	"timerfd_gettime",
	"memfd_create",
	"splice",
	/* files */
	"open",
	"openat",
	"stat",
	"stat64",
	"lstat",
	"lstat64",
	"fstat",
	"fstat64",
	"newfstatat",
	"fstatat64",
	"statx",
	"statfs",
	"statfs64",
	"fstatfs",
	"fstatfs64",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getdents64",
	"getcwd",
	"rename",
	"renameat",
	"renameat2",
	"unlink",
	"unlinkat",
	"mkdir",
	"mkdirat",
	"rmdir",
	"chmod",
	"fchmod",
	"fchmodat",
	"ftruncate",
	"ftruncate64",
	"fsync",
	"fdatasync",
	"flock",
	"umask",
	"fadvise64",
	"fadvise64_64",
	"fallocate",
	/* sockets, of the families below */
	"socketpair",
	"connect",
	"bind",
	"listen",
	"accept",
	"accept4",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"recvmmsg_time64",
	"shutdown",
	"send",
	"recv",
	NULL,
};

static const char *const programs[] = {
	"fork",
	"vfork",
	"execve",
	"execveat",
	"setsid",
	"chdir",
	"fchdir",
	"close_range",
	"arch_prctl",
	"capget",
	"ioctl",
	"pidfd_open",
	"pidfd_send_signal",
	"prlimit64",
	NULL,
};

/* What neither a daemon nor what it starts has a use for. */
static const char *const deadly[] = {
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"pidfd_getfd",
	"kcmp",
	"mount",
	"umount",
	"umount2",
	"move_mount",
	"open_tree",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"mount_setattr",
	"pivot_root",
	"chroot",
	"unshare",
	"setns",
	"open_by_handle_at",
	"name_to_handle_at",
	"setuid",
	"setuid32",
	"setgid",
	"setgid32",
	"setreuid",
	"setregid",
	"setresuid",
	"setresuid32",
	"setresgid",
	"setresgid32",
	"setgroups",
	"setgroups32",
	"setfsuid",
	"setfsgid",
	"capset",
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"swapon",
	"swapoff",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"keyctl",
	"add_key",
	"request_key",
	"iopl",
	"ioperm",
	"acct",
	"quotactl",
	"settimeofday",
	"clock_settime",
	"adjtimex",
	"clock_adjtime",
	"sethostname",
	"setdomainname",
	"mknod",
	"mknodat",
	"syslog",
	"vhangup",
	"personality",
	NULL,
};

static const char *const of_sanitizers[] = {
	"ptrace", "clone",   "prctl",	"personality", "prlimit64", "sched_getparam",
	"mlock",  "munlock", "getpgrp", "getdents",    "ioctl",	    "process_vm_readv",
	NULL,
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6};

static const unsigned int prctls[] = {
	PR_SET_NAME,	 PR_GET_NAME,	      PR_SET_PDEATHSIG,	   PR_GET_DUMPABLE,
	PR_CAPBSET_READ, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_TIMERSLACK,
};

static const unsigned int ioctls[] = {FIONREAD, FIONBIO, TCGETS};

static bool is_in(const char *name, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(name, *list) == 0) {
			return true;
		}
	}
	return false;
}

/* A rule for each name; those of except are somebody else's. */
static int names_add(scmp_filter_ctx filter, uint32_t action, const char *const *names,
		     const char *const *except)
{
	int rc = 0;

	for (; rc == 0 && *names != NULL; names++) {
		int number = seccomp_syscall_resolve_name(*names);

		if (number != __NR_SCMP_ERROR && !is_in(*names, except)) {
			rc = seccomp_rule_add(filter, action, number, 0);
		}
	}
	return rc;
}

static int value_add(scmp_filter_ctx filter, const char *name, unsigned int argument, uint64_t mask,
		     uint64_t value)
{
	struct scmp_arg_cmp wanted = SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value);

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name), 1,
				      &wanted);
}

/* Calls that may be made with some arguments only. */
static int arguments_add(scmp_filter_ctx filter, const struct confine_calls *calls)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(families) / sizeof(families[0]); i++) {
		rc = value_add(filter, "socket", 0, INT_BITS, (uint64_t)families[i]);
	}
	if (SANITIZED) {
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < sizeof(prctls) / sizeof(prctls[0]); i++) {
		rc = value_add(filter, "prctl", 0, INT_BITS, prctls[i]);
	}
	for (size_t i = 0; rc == 0 && !calls->programs && i < sizeof(ioctls) / sizeof(ioctls[0]);
	     i++) {
		rc = value_add(filter, "ioctl", 1, INT_BITS, ioctls[i]);
	}
	if (rc < 0) {
		return rc;
	}
	return calls->programs ? value_add(filter, "clone", CLONE_FLAGS_ARGUMENT, NAMESPACES, 0)
			       : value_add(filter, "clone", CLONE_FLAGS_ARGUMENT, CLONE_THREAD,
					   CLONE_THREAD);
}

static int filter_fill(scmp_filter_ctx filter, const struct confine_calls *calls)
{
	static const char *const none[] = {NULL};
	static const char *const exec[] = {"execve", "execveat", NULL};
	const char *const *tools = SANITIZED ? of_sanitizers : none;
	int rc;

	rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	rc = rc < 0 ? rc : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	rc = rc < 0 ? rc : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	rc = rc < 0 ? rc : names_add(filter, SCMP_ACT_ALLOW, everyday, tools);
	rc = rc < 0 ? rc : names_add(filter, SCMP_ACT_ALLOW, calls->more, tools);
	rc = rc < 0 ? rc : names_add(filter, SCMP_ACT_KILL_PROCESS, deadly, tools);
	rc = rc < 0 ? rc : names_add(filter, SCMP_ACT_ALLOW, tools, none);
	rc = rc < 0 ? rc : arguments_add(filter, calls);
	if (rc < 0) {
		return rc;
	}
	return calls->programs ? names_add(filter, SCMP_ACT_ALLOW, programs, tools)
			       : names_add(filter, SCMP_ACT_KILL_PROCESS, exec, none);
}

int confine_calls(const struct confine_calls *calls, char error[CONFINE_ERROR_LEN])
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc = filter == NULL ? -ENOMEM : filter_fill(filter, calls);

	rc = rc < 0 ? rc : seccomp_load(filter);
	seccomp_release(filter);
	if (rc < 0) {
		snprintf(error, CONFINE_ERROR_LEN,
			 "system calls cannot be restricted (seccomp): %s", strerror(-rc));
	}
	return rc;
}
