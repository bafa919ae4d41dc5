/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One libvirt operation on a thread of its own, so that it ends for its caller in bounded time:
 * keepalive ends calls of a libvirtd that hangs, but not those that wait for a QEMU that hangs, nor
 * the opening of a connection. A call whose caller gave up goes on, undoes what it did if it still
 * succeeds, and frees itself. Private to source*.c.
 */
#ifndef VMR_ENGINE_SOURCE_CALL_H
#define VMR_ENGINE_SOURCE_CALL_H

#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/source.h"

/* libvirt waits 30 s for a domain's state change lock before it fails by itself with a better error
 * than ours. */
#define SOURCE_CALL_QUERY_MS  20000
#define SOURCE_CALL_CHANGE_MS 45000

struct source_call;
/* The operation. domain is NULL when the call has no vm. Returns 0 or a negative errno with a
 * sentence in call->error; source_call_translate makes both from libvirt's error. */
typedef int (*source_call_fn)(struct source_call *call, virConnectPtr conn, virDomainPtr domain);

/* Inputs are set between source_call_new and source_call_run; outputs are read after a run that
 * returned 0, because after a failure the thread may be at work still. */
struct source_call {
	/* inputs */
	char *text[2];	     /* owned: XML, names, a monitor command: what the operation wants */
	unsigned int flags;  /* likewise */
	source_call_fn undo; /* run after a success that came too late; may be NULL */
	bool persistent; /* when libvirt does not answer, go on trying behind the caller's back */
	/* outputs */
	char *reply[2]; /* owned */
	int number;
	char error[SOURCE_ERROR_LEN];
	/* the call's own */
	struct source_call_state *state;
};

/* A call of run on the domain named vm (NULL: none). text values are copied; either may be NULL.
 * NULL when out of memory. */
struct source_call *source_call_new(struct source_connection *connection, const char *vm,
				    source_call_fn run, const char *text0, const char *text1);
void source_call_unref(struct source_call *call); /* NULL allowed */

/* Run it once. The operation's result; -ETIMEDOUT when timeout_ms passed, -ENOTCONN, -ENOENT (no
 * such VM), -ENOMEM, each with a sentence in error. */
int source_call_run(struct source_call *call, int64_t timeout_ms, char error[SOURCE_ERROR_LEN]);

const char *source_call_vm(const struct source_call *call); /* never NULL */

/* For operations: the last libvirt error as a negative errno, with "<doing>: <libvirt's text>" in
 * call->error. -ENOENT no such domain   -ESTALE no such checkpoint, or its bitmap is missing or
 * inconsistent -EAGAIN state change lock held   -EBUSY a block job runs   -ENOTCONN   -ENOTSUP
 * -EINVAL wrong state   -EIO others */
int source_call_translate(struct source_call *call, virConnectPtr conn, const char *doing);

static inline void cleanup_source_call_fn(struct source_call **call)
{
	source_call_unref(*call);
}
#define cleanup_source_call __attribute__((cleanup(cleanup_source_call_fn)))

#endif
