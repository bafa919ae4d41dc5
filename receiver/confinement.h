/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left to the receiver, and to the programs that it starts, once it has given up root. */
#ifndef VMR_RECEIVER_CONFINEMENT_H
#define VMR_RECEIVER_CONFINEMENT_H

#include "common/confine.h"

/* System calls. For good; also for the qemu-storage-daemon and qemu-img that are started. 0 or a
 * negative errno with a sentence. */
int confinement_enter_calls(char error[CONFINE_ERROR_LEN]);

#endif
