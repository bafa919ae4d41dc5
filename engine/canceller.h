/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lets the control thread stop what a worker does on the network: agent's stop, shutdown, an
 * admin's pause. */
#ifndef VMR_ENGINE_CANCELLER_H
#define VMR_ENGINE_CANCELLER_H

#include <pthread.h>
#include <stdbool.h>

#include "common/tls.h"

struct canceller {
	pthread_mutex_t lock;
	bool cancelled;
	struct tls_conn *conn; /* borrowed: what the worker may be blocked on, or NULL */
};

void canceller_init(struct canceller *canceller);
void canceller_destroy(struct canceller *canceller);
/* Worker: from now on conn is what a cancel shuts down (NULL: nothing). 0, or -ECANCELED when it is
 * already cancelled. */
int canceller_watch(struct canceller *canceller, struct tls_conn *conn);
bool canceller_is_cancelled(struct canceller *canceller); /* any thread */
void canceller_cancel(struct canceller *canceller);	  /* any thread */
/* Control thread, while no worker runs: usable again. */
void canceller_reset(struct canceller *canceller);

#endif
