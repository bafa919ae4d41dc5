/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privilege separation: what parses a peer's stream runs as user vmreplica. Started as root, the
 * receiver keeps root only until its certificate, log and port are open.
 */
#ifndef VMR_RECEIVER_PRIVILEGES_H
#define VMR_RECEIVER_PRIVILEGES_H

#include <stddef.h>

#define PRIVILEGES_USER	     "vmreplica"
#define PRIVILEGES_ERROR_LEN 256

/* Make a directory that is ours alone (0700), for the daemons' sockets: below VMR_RUNDIR as root,
 * else in TMPDIR or /tmp; remove those of receivers that are no more. The path goes into buf.
 * Before privileges_drop. 0 or a negative errno with a sentence. */
int privileges_make_directory(char *buf, size_t size, char error[PRIVILEGES_ERROR_LEN]);
/* Remove it with what is in it. */
void privileges_remove_directory(const char *path);

/* From root to PRIVILEGES_USER for good, with no way back for children either (no_new_privs). Not
 * root: only the latter. Before any thread is started. 0 or a negative errno with a sentence. */
int privileges_drop(char error[PRIVILEGES_ERROR_LEN]);

#endif
