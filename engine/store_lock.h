/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock of a replica's store, seen from the engine. A receiver holds it while the store is open,
 * and its qemu-storage-daemon inherits it: it is free when nobody can write there any more, which
 * is what a stop promises. An engine that has just been restarted does not know the receiver of the
 * one before it, and that may hang.
 */
#ifndef VMR_ENGINE_STORE_LOCK_H
#define VMR_ENGINE_STORE_LOCK_H

#include <sys/types.h>

#define STORE_LOCK_ERROR_LEN 512

/* Wait until no process of this node holds the store at directory: for half of timeout_ms it may go
 * by itself, then it is killed. spared: a receiver that may hold it (0 = none).
 * 0: free, or held by another node or by spared, or there is no store; -EBUSY with a sentence: it
 * is held still (a process in an uninterruptible sleep), or a negative errno. Blocking: workers
 * only. */
int store_lock_release(const char *directory, const char *node, pid_t spared, int timeout_ms,
		       char error[STORE_LOCK_ERROR_LEN]);

#endif
