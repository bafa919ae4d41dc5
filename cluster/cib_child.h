/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of vmreplica-cib: run one of Pacemaker's tools without blocking the GLib loop, bounded in
 * time and output. */
#ifndef VMR_CLUSTER_CIB_CHILD_H
#define VMR_CLUSTER_CIB_CHILD_H

#include <stddef.h>

struct cib_child;

/* error: 0, -EIO (why says how the tool ended), -ETIMEDOUT (it was killed), -EMSGSIZE (it printed
 * more than asked for). output (len bytes, terminated) and why are borrowed for the call. The child
 * is freed after it. */
typedef void (*cib_child_done_cb)(void *arg, int error, const char *output, size_t len,
				  const char *why);

/* Start argv[0] (searched in the PATH; argv NULL-terminated, copied). 0 or a negative errno; done
 * is called from the loop, and only after 0. *ret_child stays valid until then. */
int cib_child_start(const char *const *argv, size_t output_max, unsigned int timeout_ms,
		    cib_child_done_cb done, void *arg, struct cib_child **ret_child);
/* Kill it; done is not called. NULL allowed. */
void cib_child_cancel(struct cib_child *child);

#endif
