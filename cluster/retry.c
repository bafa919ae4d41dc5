/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/retry.h"

#include "common/log.h"

#define NS_PER_MS 1000000ull

void retry_init(struct retry *retry, qb_loop_t *loop, void (*attempt_cb)(void *arg), void *arg)
{
	*retry = (struct retry){
		.loop = loop,
		.pause_ms = RETRY_FIRST_MS,
		.attempt_cb = attempt_cb,
		.arg = arg,
	};
}

static void retry_timer_cb(void *data)
{
	struct retry *retry = data;

	retry->timer = 0;
	retry->attempt_cb(retry->arg);
}

void retry_after(struct retry *retry, int64_t pause_ms)
{
	if (retry->timer != 0) {
		return;
	}
	if (qb_loop_timer_add(retry->loop, QB_LOOP_MED, (uint64_t)pause_ms * NS_PER_MS, retry,
			      retry_timer_cb, &retry->timer) < 0) {
		retry->timer = 0;
		log_error("no memory for a timer: a connection of the cluster is not tried again");
	}
}

void retry_later(struct retry *retry)
{
	if (retry->timer != 0) {
		return;
	}
	retry_after(retry, retry->pause_ms);
	retry->pause_ms *= 2;
	if (retry->pause_ms > RETRY_LAST_MS) {
		retry->pause_ms = RETRY_LAST_MS;
	}
}

void retry_reset(struct retry *retry)
{
	retry->pause_ms = RETRY_FIRST_MS;
}

void retry_destroy(struct retry *retry)
{
	if (retry->timer != 0) {
		(void)qb_loop_timer_del(retry->loop, retry->timer);
		retry->timer = 0;
	}
}
