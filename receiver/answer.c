/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RETRY_STORAGE_FULL_MS  5000
#define RETRY_STORAGE_ERROR_MS 15000

/* A reason is cut at its limit rather than refused. */
__attribute__((format(printf, 5, 0))) static void answer_fill(struct answer *answer,
							      enum answer_kind kind,
							      const char *code, uint32_t retry_ms,
							      const char *format, va_list args)
{
	answer->kind = kind;
	answer->retry_ms = retry_ms;
	snprintf(answer->code, sizeof(answer->code), "%s", code);
	vsnprintf(answer->reason, sizeof(answer->reason), format, args);
}

int answer_failure(struct answer *answer, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answer_fill(answer, ANSWER_FAILURE, code, 0, format, args);
	va_end(args);
	return -EPROTO;
}

int answer_busy(struct answer *answer, const char *code, uint32_t retry_ms, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answer_fill(answer, ANSWER_BUSY, code, retry_ms, format, args);
	va_end(args);
	return -EBUSY;
}

int answer_moved(struct answer *answer, uint32_t retry_ms, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answer_fill(answer, ANSWER_MOVED, "moved", retry_ms, format, args);
	va_end(args);
	return -ESTALE;
}

int answer_denied(struct answer *answer, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answer_fill(answer, ANSWER_DENIED, code, 0, format, args);
	va_end(args);
	return -EACCES;
}

int answer_lost(struct answer *answer, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answer_fill(answer, ANSWER_LOST, "connection", 0, format, args);
	va_end(args);
	return rc;
}

int answer_storage(struct answer *answer, int rc, const char *what)
{
	if (rc == -ENOSPC || rc == -EDQUOT) {
		return answer_busy(answer, "storage-full", RETRY_STORAGE_FULL_MS,
				   "the replica's storage is full (%s): make room there", what);
	}
	return answer_busy(answer, "storage-error", RETRY_STORAGE_ERROR_MS,
			   "the replica's storage fails: %s: %s", what, strerror(-rc));
}
