/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver of an engine before this one. It ends by itself when its engine dies, but one that
 * hangs keeps the port and its stores, and nobody knows it any more: a file in the run directory
 * names the receiver that was started last. Control thread; never blocks.
 */
#ifndef VMR_ENGINE_RECEIVER_LEFTOVER_H
#define VMR_ENGINE_RECEIVER_LEFTOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/lock_holder.h"

struct receiver_leftover {
	char path[256];
	struct lock_holder holder; /* pid 0 = there is none */
	int64_t kill_ms;	   /* monotonic; 0 = not asked to end yet */
};

/* Read who is named at path (a file that is not there names nobody). */
void receiver_leftover_init(struct receiver_leftover *leftover, const char *path);
/* True when it is gone. Until then it is asked to end and, grace_ms later, killed: call again. */
bool receiver_leftover_is_gone(struct receiver_leftover *leftover, int64_t now_ms, int grace_ms);
/* Name pid, which was just started. */
void receiver_leftover_note(const struct receiver_leftover *leftover, const char *node, pid_t pid);

#endif
