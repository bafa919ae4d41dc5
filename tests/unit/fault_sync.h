/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Make fsync and fdatasync of a child (and of its children) fail when the test wants it: a seccomp
 * filter hands them to a thread of the test, which lets them go on or answers EIO. Needs Linux 5.6
 * and permission to use seccomp.
 */
#ifndef VMR_TESTS_FAULT_SYNC_H
#define VMR_TESTS_FAULT_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum fault_whom {
	FAULT_NOBODY,
	FAULT_CHILD,	  /* the child's own threads */
	FAULT_GRANDCHILD, /* processes that it started */
};

/* True when this kernel and container let us. */
bool fault_sync_is_possible(void);
/* A socket pair over which the child hands its filter over; pair[1] goes to fault_sync_enter. */
void fault_sync_prepare(int pair[2]);
/* In the child, before exec: install the filter. Ends the child on failure. */
void fault_sync_enter(int fd);
/* In the test: take the filter of child pid from pair[0] and answer its calls until it has ended.
 */
void fault_sync_supervise(int fd, pid_t pid);
/* From now on let skip calls of whom pass, then fail count of them (-1: all). */
void fault_sync_arm(enum fault_whom whom, int skip, int count);
/* Nothing fails any more; returns how many calls failed since the arming. */
int fault_sync_disarm(void);

/* Write down what the child's own threads make durable, beginning anew; NULL behind the last. */
void fault_sync_note(void);
const char *fault_sync_noted(size_t index);

/* Let skip calls of whom pass, then hold one: its caller stands still in it (and whoever calls
 * after it) until fault_sync_release. */
void fault_sync_hold(enum fault_whom whom, int skip);
/* Wait until one is held. false after timeout_ms. */
bool fault_sync_wait_held(int timeout_ms);
void fault_sync_release(void);

#endif
