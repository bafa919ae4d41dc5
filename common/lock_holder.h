/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who holds the lock of a replica's store. An OFD lock belongs to no process that could be asked
 * for, so who takes it writes its name into the file: node, pid, and when the process began,
 * because a pid alone may be another's by the time that it is read.
 */
#ifndef VMR_COMMON_LOCK_HOLDER_H
#define VMR_COMMON_LOCK_HOLDER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOCK_HOLDER_LEN 320u /* of its text with the terminator */

struct lock_holder {
	char node[256];
	pid_t pid;
	uint64_t start; /* clock ticks since boot (proc(5), starttime) */
};

/* The process pid of node, or this one. 0 or a negative errno (it is gone, no /proc). */
int lock_holder_of(pid_t pid, const char *node, struct lock_holder *ret_holder);
int lock_holder_self(const char *node, struct lock_holder *ret_holder);
/* "b1 pid 123 start 456789" and a line feed, into buf. Returns buf. */
char *lock_holder_format(const struct lock_holder *holder, char buf[LOCK_HOLDER_LEN]);
/* The other way round; what follows the line is ignored. 0 or -EINVAL. */
int lock_holder_parse(const char *text, struct lock_holder *ret_holder);
/* Send a signal (0: only look) to holder if that very process still runs program (the last
 * component of its executable). 0: sent; -ESRCH: it is gone, or its pid is another's now; or a
 * negative errno.
 */
int lock_holder_signal(const struct lock_holder *holder, const char *program, int signal_number);

#endif
