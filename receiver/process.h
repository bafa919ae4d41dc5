/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children of the receiver: qemu-img and qemu-storage-daemon. They die with the receiver. Blocking:
 * workers only. */
#ifndef VMR_RECEIVER_PROCESS_H
#define VMR_RECEIVER_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#include "receiver/cell.h"

#define PROCESS_KEPT 2

struct process_setup {
	int standard[3];	 /* its standard descriptors; -1 = /dev/null */
	int kept[PROCESS_KEPT];	 /* become its descriptors 3 and 4; -1 = it has none */
	const struct cell *cell; /* what it is left with; NULL = all that we have */
};

/* Start argv (NULL-terminated; found by PATH) with those descriptors and no others. The child is
 * killed when the calling thread ends, so call it from a thread that lives as long as the receiver.
 * 0 or a negative errno. A program that cannot be run ends with status 127. */
int process_spawn(const char *const *argv, const struct process_setup *setup, pid_t *ret_pid);

/* Wait for pid: 0 with the wait status, or -ETIMEDOUT after timeout_ms (0 = only look). */
int process_wait(pid_t pid, int timeout_ms, int *ret_status);

/* SIGTERM, then SIGKILL after timeout_ms; always reaped at the end. */
void process_end(pid_t pid, int timeout_ms);

/* Run argv to its end, bounded by timeout_ms (then it is killed). 0 when it exits with 0; -EIO with
 * what it wrote to standard error, or -ETIMEDOUT; error gets a sentence. */
int process_run(const char *const *argv, const struct cell *cell, int timeout_ms, char *error,
		size_t error_size);

/* The same with one more descriptor for the child, its 3 (-1 = none). */
int process_run_with(const char *const *argv, const struct cell *cell, int kept, int timeout_ms,
		     char *error, size_t error_size);

/* Take the last line of what a child wrote into fd (a file) as a sentence into text. */
void process_last_words(int fd, char *text, size_t size);

#endif
