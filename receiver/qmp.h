/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP over a stream descriptor: one command at a time, events are skipped. Blocking, every wait is
 * bounded by 30 s. */
#ifndef VMR_RECEIVER_QMP_H
#define VMR_RECEIVER_QMP_H

#include <jansson.h>

#include "common/buffer.h"

#define QMP_ERROR_LEN 256

struct qmp {
	int fd;		       /* borrowed */
	struct byte_buffer in; /* what has been read and is not a whole line yet */
};

/* Wait for the greeting and leave negotiation mode. 0, -ETIMEDOUT, -ECONNRESET, -EPROTO; a sentence
 * in error. */
int qmp_open(struct qmp *qmp, int fd, char error[QMP_ERROR_LEN]);
void qmp_close(struct qmp *qmp); /* frees; does not close fd */

/* Run a command. arguments is taken (NULL = none). *ret_result (may be NULL when not wanted) is the
 * caller's. -EREMOTEIO: QEMU refused, its words are in error. Otherwise as qmp_open: the connection
 * is then of no more use. */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, json_t **ret_result,
		char error[QMP_ERROR_LEN]);

#endif
