/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A timer that tries again later, each time after a longer pause. Control thread only. */
#ifndef VMR_CLUSTER_RETRY_H
#define VMR_CLUSTER_RETRY_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

#define RETRY_FIRST_MS 250
#define RETRY_LAST_MS  2000

struct retry {
	qb_loop_t *loop;
	qb_loop_timer_handle timer; /* 0: not armed */
	int64_t pause_ms;	    /* the next pause */
	void (*attempt_cb)(void *arg);
	void *arg;
};

void retry_init(struct retry *retry, qb_loop_t *loop, void (*attempt_cb)(void *arg), void *arg);
/* Call attempt_cb after the next pause (RETRY_FIRST_MS, doubled each time up to RETRY_LAST_MS).
 * No-op when armed. */
void retry_later(struct retry *retry);
/* Call attempt_cb after exactly pause_ms, without lengthening the pause. No-op when armed. */
void retry_after(struct retry *retry, int64_t pause_ms);
void retry_reset(struct retry *retry);	 /* it worked: begin with the first pause again */
void retry_destroy(struct retry *retry); /* cancel */

#endif
