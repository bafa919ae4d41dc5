/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/canceller.h"

#include <errno.h>

void canceller_init(struct canceller *canceller)
{
	pthread_mutex_init(&canceller->lock, NULL);
	canceller->cancelled = false;
	canceller->conn = NULL;
}

void canceller_destroy(struct canceller *canceller)
{
	pthread_mutex_destroy(&canceller->lock);
}

int canceller_watch(struct canceller *canceller, struct tls_conn *conn)
{
	int result;

	pthread_mutex_lock(&canceller->lock);
	canceller->conn = conn;
	result = canceller->cancelled ? -ECANCELED : 0;
	pthread_mutex_unlock(&canceller->lock);
	return result;
}

bool canceller_is_cancelled(struct canceller *canceller)
{
	bool cancelled;

	pthread_mutex_lock(&canceller->lock);
	cancelled = canceller->cancelled;
	pthread_mutex_unlock(&canceller->lock);
	return cancelled;
}

void canceller_cancel(struct canceller *canceller)
{
	pthread_mutex_lock(&canceller->lock);
	canceller->cancelled = true;
	if (canceller->conn != NULL) {
		tls_shutdown_now(canceller->conn);
	}
	pthread_mutex_unlock(&canceller->lock);
}

void canceller_reset(struct canceller *canceller)
{
	pthread_mutex_lock(&canceller->lock);
	canceller->cancelled = false;
	pthread_mutex_unlock(&canceller->lock);
}
