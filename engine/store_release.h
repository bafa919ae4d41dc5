/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_lock_release (store_lock.h) as a job for the control thread. */
#ifndef VMR_ENGINE_STORE_RELEASE_H
#define VMR_ENGINE_STORE_RELEASE_H

#include "engine/engine.h"

#define STORE_RELEASE_MIN_MS 2000

/* See to it that no process of this node holds the store at directory, within timeout_ms (at least
 * STORE_RELEASE_MIN_MS); done(arg, 0, "") then, else a negative errno with a sentence. closed: our
 * receiver had the store open, so nobody else here held it, and says that it has let it go; a lock
 * that cannot be read then (the storage is dead) is taken for free. Control thread; done comes from
 * the loop, or at once with -ENOMEM. */
void store_release(struct engine *engine, const char *directory, bool closed, int64_t timeout_ms,
		   void (*done)(void *arg, int error, const char *text), void *arg);

#endif
