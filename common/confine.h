/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a daemon gives up for good before it hears the first peer: whoever takes it over later has
 * only what is left. Done by the process itself, so that it does not matter who starts it.
 *
 * Landlock restricts the calling thread and those that it makes, so it comes before all threads;
 * the filter of system calls is for all threads. Both are inherited by programs that are started.
 */
#ifndef VMR_COMMON_CONFINE_H
#define VMR_COMMON_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#define CONFINE_ERROR_LEN 256

/* ---- files: Landlock ---- */

enum confine_access {
	CONFINE_READ = 1,
	CONFINE_WRITE = 2, /* a directory: also to make, rename and remove in it */
	CONFINE_EXECUTE = 4,
	CONFINE_UPDATE = 8, /* files that are there are written: none is made or removed */
};

/* A set of paths that may be used; nothing may yet. network: connections and listening sockets may
 * still be made. Returns its descriptor (closed by the caller); -EOPNOTSUPP with a sentence on a
 * kernel that cannot do it; or another negative errno with a sentence. */
int confine_paths_new(bool network, char error[CONFINE_ERROR_LEN]);

/* Add a file, or a directory with all that is below it: whatever path leads to now, links followed.
 * What is not there, and "", is left out. access: of enum confine_access. 0 or a negative errno. */
int confine_paths_add(int fd, const char *path, unsigned int access);

/* Add, for reading, the directory of a file that may be replaced by renaming another into place;
 * and if it is a link, the directory that the file is in as well. */
int confine_paths_add_around(int fd, const char *file);

/* From here on nothing but those paths. Async-signal-safe. no_new_privs is set with it. 0 or a
 * negative errno. */
int confine_paths_enter(int fd);

/* ---- system calls: seccomp ---- */

struct confine_calls {
	const char *const *more; /* beside what every daemon needs; NULL at the end */
	bool programs;		 /* other programs are started */
};

/* From here on: what is allowed; the process's end for what only an attacker would call (ptrace,
 * mount, setuid, ...); ENOSYS, as on a kernel without it, for all else. no_new_privs is set with
 * it. 0 or a negative errno with a sentence. */
int confine_calls(const struct confine_calls *calls, char error[CONFINE_ERROR_LEN]);

/* ---- a program that is started: fewer system calls than who starts it ---- */

struct confine_program;

/* refused: names, NULL at the end; beside them processes are not made. They fail with EPERM. NULL
 * with a sentence. The caller's, for free(). */
struct confine_program *confine_program_new(const char *const *refused,
					    char error[CONFINE_ERROR_LEN]);

/* From here on. Between fork and exec: async-signal-safe. no_new_privs is set with it. 0 or a
 * negative errno. */
int confine_program_enter(const struct confine_program *program);

#endif
