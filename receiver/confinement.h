/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left to the receiver, and to the programs that it starts, once it has given up root. */
#ifndef VMR_RECEIVER_CONFINEMENT_H
#define VMR_RECEIVER_CONFINEMENT_H

#include "common/confine.h"
#include "proto/ipc.pb-c.h"

/* Files: config's places and certificates, run_directory, and what its programs need to run. For
 * good; no thread may run yet. A kernel that cannot do that is logged, and *ret_confined is false.
 * 0 or a negative errno with a sentence. */
int confinement_enter_paths(const Vmreplica__Ipc__ReceiverConfig *config, const char *run_directory,
			    bool *ret_confined, char error[CONFINE_ERROR_LEN]);

/* System calls. For good; also for the qemu-storage-daemon and qemu-img that are started. 0 or a
 * negative errno with a sentence. */
int confinement_enter_calls(char error[CONFINE_ERROR_LEN]);

#endif
