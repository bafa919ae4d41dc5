/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strangers who flood a port of loopback, as a process of their own: connections that say nothing,
 * and handshakes that stop after the ClientHello, from 250 addresses. One is opened
 * each millisecond, and again when the other side has closed it. And the latencies of those who are
 * welcome.
 */
#ifndef VMR_TESTS_FLOOD_H
#define VMR_TESTS_FLOOD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/tls.h"

/* How much: a share in `make check`, the whole with FLOOD_WHOLE=1 in the environment. */
struct flood_size {
	unsigned silent, half_open;
	int seconds; /* of measuring, before and during */
};
/* Cut to what the limit of open files allows, which is then said. */
struct flood_size flood_size(void);

struct flood_report {
	uint64_t opened, closed; /* by the other side */
	uint64_t most;		 /* open at once, as strangers see it */
};

struct flood {
	pid_t pid;
	int fd; /* its end tells it to stop */
};

/* Begin, and wait until each of the connections has been tried once. context: whose ClientHello it
 * is. Ends the program when that cannot be arranged. */
void flood_begin(struct flood *flood, uint16_t port, const struct flood_size *size,
		 struct tls_context *context);
void flood_end(struct flood *flood, struct flood_report *ret_report);

#define LATENCIES_MAX 100000

struct latencies {
	size_t count;
	double us[LATENCIES_MAX];
};

double latencies_now_us(void); /* monotonic */
void latencies_add(struct latencies *latencies, double begin_us);
/* The p-th percentile; 0 when there are none. Sorts them. */
double latencies_percentile(struct latencies *latencies, double p);
/* "what: p50, p99 before and during, their ratio". Returns the ratio of p99. */
double latencies_compare(const char *what, struct latencies *before, struct latencies *during);

#endif
