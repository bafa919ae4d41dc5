/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between an ENROLL's decision and its change: the engine of the chosen node is asked whether the
 * VM would start there. What it finds goes back with the answer. */
#ifndef VMR_BROKER_ENROLL_FIT_H
#define VMR_BROKER_ENROLL_FIT_H

#include "broker/enrollment_internal.h"
#include "proto/admin.pb-c.h"

/* Ask, then call next(job), or deny the request and end the job: it would not start and force was
 * not given. An engine that cannot be asked is a warning. */
void enroll_fit_ask(struct job *job, const Vmreplica__Wire__Enroll *enroll,
		    void (*next)(struct job *job));
/* Is there something to ask and was it not asked yet? */
bool enroll_fit_is_due(const struct job *job, const Vmreplica__Wire__Enroll *enroll);
void enroll_fit_destroy(struct job_fit *fit);

#endif
