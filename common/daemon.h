/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Becoming a daemon: background, pid file, privileges. */
#ifndef VMR_COMMON_DAEMON_H
#define VMR_COMMON_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#define DAEMON_ERROR_LEN 256

/*
 * Go into the background. Returns in the child alone, with *ret_ready_fd for daemon_ready; the
 * parent waits and exits 0 when the child says that it is ready, 1 when it ends before. Standard
 * input and output are /dev/null from here on, standard error from daemon_ready on. 0 or a negative
 * errno (in the parent, when the fork fails).
 */
int daemon_detach(int *ret_ready_fd);
/* Tell the waiting parent; closes *ready_fd and makes it -1. Nothing happens when it is -1 already
 * (foreground). */
void daemon_ready(int *ready_fd);

/* Write our pid to path and hold a lock on it while we live. The descriptor, or -EWOULDBLOCK
 * (another one runs), or another negative errno. */
int daemon_pid_file_open(const char *path);
/* Empty the file: we may no longer be allowed to remove it. */
void daemon_pid_file_close(int fd);

/* As many descriptors as the system lets us have. */
void daemon_raise_limits(void);

/* No core dump, which would hold keys and guests' data, of us or of what we start; and no debugger
 * of the same user. (A build with sanitizers, which look at themselves with ptrace, keeps the
 * latter.) 0 or a negative errno. */
int daemon_protect_memory(void);

/* As root: become user (its own group only) for good. In any case: no capability of any kind, never
 * new privileges, also for what is started, and daemon_protect_memory. True in *ret_dropped when
 * root was given up. 0, or a negative errno with a sentence. */
int daemon_drop_privileges(const char *user, bool *ret_dropped, char error[DAEMON_ERROR_LEN]);

#endif
