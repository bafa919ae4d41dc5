/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A look at a VM's disks where it runs, without touching them. */
#ifndef VMR_ENGINE_INSPECT_H
#define VMR_ENGINE_INSPECT_H

#include "engine/engine.h"
#include "proto/admin.pb-c.h"

/* error 0 with the answer, or a negative errno with a sentence. Both are borrowed for the call. */
typedef void (*inspect_done_cb)(void *arg, int error, const char *text,
				const Vmreplica__Admin__InspectResponse *answer);

/* Look at vm on node (NULL or our own: here). exclude: target names, count of them; copied. done is
 * called once, later. 0, -EINVAL (a name), -ENOMEM, or why the request cannot be passed on. Control
 * thread only. */
int inspect_vm(struct engine *engine, const char *node, const char *vm, char *const *exclude,
	       size_t count, inspect_done_cb done, void *arg);

#endif
