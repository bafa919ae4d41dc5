/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a cycle (or another job on a worker) did not succeed: what the scheduler does about it, a
 * stable word, a sentence. */
#ifndef VMR_ENGINE_TROUBLE_H
#define VMR_ENGINE_TROUBLE_H

#include <stdint.h>

#include "engine/health.h"
#include "engine/schedule.h"
#include "proto/limits.h"

struct trouble {
	enum schedule_outcome outcome;
	char code[HEALTH_CODE_LEN]; /* e.g. "not-authorized"; tests and tools rely on it */
	char text[REASON_MAX];	    /* a sentence with what to do */
	int64_t retry_ms;	    /* the other side's wish; 0 = none */
};

/* Fill *trouble and return error (a negative errno), so that it can stand in a return statement. */
int trouble_set(struct trouble *trouble, int error, enum schedule_outcome outcome, const char *code,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
