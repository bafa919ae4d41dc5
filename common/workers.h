/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fixed pool of data workers beside the one control thread (a qb_loop). A job runs on a worker
 * and may block; its done callback runs on the control thread (handed over by eventfd: qb_loop
 * calls are not thread-safe).
 */
#ifndef VMR_COMMON_WORKERS_H
#define VMR_COMMON_WORKERS_H

#include <qb/qbloop.h>

struct workers;

/* Start count threads named name-N, whose completions are delivered on loop. NULL with errno set on
 * failure. */
struct workers *workers_new(qb_loop_t *loop, const char *name, int count);
/* Waits for running jobs; queued ones are dropped with their done called with -ECANCELED. Control
 * thread only. */
void workers_free(struct workers *workers);

typedef int (*worker_run_cb)(void *arg);	       /* on a worker; the result goes to done */
typedef void (*worker_done_cb)(void *arg, int result); /* on the control thread; may be NULL */

/* Queue a job (first come, first served). arg is borrowed until done returns. 0, -ENOMEM, or
 * -ESHUTDOWN from a done callback that runs inside workers_free, and when workers is NULL. Control
 * thread only. */
int workers_submit(struct workers *workers, worker_run_cb run, worker_done_cb done, void *arg);

/* Call fn(arg) soon on the control thread; from any thread. 0 or -ENOMEM. */
int workers_post(struct workers *workers, void (*fn)(void *arg), void *arg);

#endif
