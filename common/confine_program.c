/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libseccomp allocates, which nobody may between fork and exec: so the filter is compiled before,
 * and only loaded there.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/confine.h"

#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif

struct confine_program {
	unsigned short count;
	struct sock_filter filter[];
};

/* Threads may still be made. */
static int filter_fill(scmp_filter_ctx filter, const char *const *refused)
{
	static const char *const processes[] = {"fork", "vfork"};
	struct scmp_arg_cmp process =
		SCMP_CMP64(CLONE_FLAGS_ARGUMENT, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	rc = rc < 0 ? rc
		    : seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM),
					     seccomp_syscall_resolve_name("clone"), 1, &process);
	for (size_t i = 0; rc == 0 && i < sizeof(processes) / sizeof(processes[0]); i++) {
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
				      seccomp_syscall_resolve_name(processes[i]), 0);
	}
	for (; rc == 0 && *refused != NULL; refused++) {
		int number = seccomp_syscall_resolve_name(*refused);

		if (number != __NR_SCMP_ERROR) {
			rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
		}
	}
	return rc;
}

static int filter_read(int fd, struct confine_program **ret_program)
{
	struct confine_program *program;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (st.st_size <= 0 || (size_t)st.st_size > BPF_MAXINSNS * sizeof(struct sock_filter)) {
		return -E2BIG;
	}
	program = malloc(sizeof(*program) + (size_t)st.st_size);
	if (program == NULL) {
		return -ENOMEM;
	}
	program->count = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	if (pread(fd, program->filter, (size_t)st.st_size, 0) != (ssize_t)st.st_size) {
		free(program);
		return -EIO;
	}
	*ret_program = program;
	return 0;
}

struct confine_program *confine_program_new(const char *const *refused,
					    char error[CONFINE_ERROR_LEN])
{
	cleanup_close int fd = memfd_create("filter", MFD_CLOEXEC);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct confine_program *program = NULL;
	int rc = fd < 0 ? -errno : filter == NULL ? -ENOMEM : filter_fill(filter, refused);

	rc = rc < 0 ? rc : seccomp_export_bpf(filter, fd);
	seccomp_release(filter);
	rc = rc < 0 ? rc : filter_read(fd, &program);
	if (rc < 0) {
		snprintf(error, CONFINE_ERROR_LEN,
			 "no filter of system calls can be made (seccomp): %s", strerror(-rc));
	}
	return program;
}

int confine_program_enter(const struct confine_program *program)
{
	struct sock_fprog loaded = {
		.len = program->count,
		.filter = (struct sock_filter *)(uintptr_t)program->filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &loaded) < 0) {
		return -errno;
	}
	return 0;
}
