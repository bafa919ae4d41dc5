/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting and stopping a VM of a host without a cluster, when its admin has told us to. Where
 * there is a cluster Pacemaker alone does that. */
#ifndef VMR_ENGINE_SOURCE_POWER_H
#define VMR_ENGINE_SOURCE_POWER_H

#include "engine/source.h"

/* Start the persistent domain vm, or ask its guest to shut down, and wait until it has. Blocks for
 * up to timeout_ms. 0 (also when it is so already), -ETIMEDOUT, or another negative errno, with a
 * sentence. */
int source_power(struct source_connection *connection, const char *vm, bool start, int timeout_ms,
		 char error[SOURCE_ERROR_LEN]);

#endif
