/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a stream cannot go on: what the sender is told (a frame with a stable code word and a
 * sentence), and what the store's health shows. Every function that can refuse a sender fills one
 * and returns the negative errno of its kind.
 */
#ifndef VMR_RECEIVER_ANSWER_H
#define VMR_RECEIVER_ANSWER_H

#include <stdarg.h>
#include <stdint.h>

#include "proto/limits.h"

enum answer_kind {
	ANSWER_FAILURE, /* -EPROTO: the stream is wrong; it ends */
	ANSWER_BUSY,	/* -EBUSY: not now; the sender tries again */
	ANSWER_MOVED,	/* -ESTALE: another node owns the store */
	ANSWER_DENIED,	/* -EACCES: this peer may not */
	ANSWER_LOST,	/* the connection is gone: nobody to tell */
};

#define ANSWER_CODE_LEN 32

struct answer {
	enum answer_kind kind;
	char code[ANSWER_CODE_LEN];
	char reason[REASON_MAX + 1];
	uint32_t retry_ms;
};

int answer_failure(struct answer *answer, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int answer_busy(struct answer *answer, const char *code, uint32_t retry_ms, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int answer_moved(struct answer *answer, uint32_t retry_ms, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int answer_denied(struct answer *answer, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The connection ended with rc (returned). */
int answer_lost(struct answer *answer, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* An errno of storage as BUSY: "storage-full" for no space and quota, else "storage-error". what:
 * "writing the log". */
int answer_storage(struct answer *answer, int rc, const char *what);

#endif
