/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting and ending the process of vmreplica-cib. */
#ifndef VMR_CLUSTER_CIB_PROCESS_H
#define VMR_CLUSTER_CIB_PROCESS_H

#include <sys/types.h>

#define CIB_PROCESS_FD 3 /* the helper's end of the socketpair */

/* Spawn the helper. 0 with its pid and our end of the socketpair (close-on-exec), or a negative
 * errno. */
int cib_process_start(pid_t *ret_pid, int *ret_fd);
/* Kill and reap it: it holds nothing that a sudden end could hurt (a change of the CIB is atomic).
 */
void cib_process_end(pid_t pid);

#endif
