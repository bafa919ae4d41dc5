/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left to the broker once it has given up root: it serves peers with that. */
#ifndef VMR_BROKER_CONFINEMENT_H
#define VMR_BROKER_CONFINEMENT_H

#include "common/config.h"
#include "common/confine.h"

/* For good; no thread may run yet. That the kernel cannot restrict files is logged. 0 or a negative
 * errno with a sentence. */
int confinement_enter(const struct config *config, char error[CONFINE_ERROR_LEN]);

#endif
