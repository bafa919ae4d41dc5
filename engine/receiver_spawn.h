/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMR_ENGINE_RECEIVER_SPAWN_H
#define VMR_ENGINE_RECEIVER_SPAWN_H

#include <sys/types.h>

/* Start RECEIVER_PROGRAM. *ret_fd: our end of the socketpair, the caller's. Its pid, or a negative
 * errno. */
pid_t receiver_spawn(int *ret_fd);

#endif
