/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run a qb_loop until something is so. */
#ifndef VMR_TESTS_LOOP_WAIT_H
#define VMR_TESTS_LOOP_WAIT_H

#include <qb/qbloop.h>
#include <stdbool.h>

#include "common/clock.h"

#define LOOP_WAIT_STEP_NS 5000000ull

struct loop_wait {
	qb_loop_t *loop;
	bool (*done)(void *arg);
	void *arg;
	int64_t deadline_ms;
	bool reached;
};

static inline void loop_wait_tick_cb(void *data)
{
	struct loop_wait *wait = data;
	qb_loop_timer_handle timer;

	wait->reached = wait->done(wait->arg);
	if (wait->reached || clock_monotonic_ms() > wait->deadline_ms) {
		qb_loop_stop(wait->loop);
		return;
	}
	qb_loop_timer_add(wait->loop, QB_LOOP_MED, LOOP_WAIT_STEP_NS, wait, loop_wait_tick_cb,
			  &timer);
}

/* True when done(arg) became true within timeout_ms. */
static inline bool loop_wait(qb_loop_t *loop, int timeout_ms, bool (*done)(void *arg), void *arg)
{
	struct loop_wait wait = {
		.loop = loop,
		.done = done,
		.arg = arg,
		.deadline_ms = clock_monotonic_ms() + timeout_ms,
	};
	qb_loop_timer_handle timer;

	qb_loop_timer_add(loop, QB_LOOP_MED, 0, &wait, loop_wait_tick_cb, &timer);
	qb_loop_run(loop);
	return wait.reached;
}

#endif
