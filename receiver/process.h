/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children of the receiver: qemu-img and qemu-storage-daemon. They die with the receiver. Blocking:
 * workers only. */
#ifndef VMR_RECEIVER_PROCESS_H
#define VMR_RECEIVER_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Start argv (NULL-terminated; found by PATH) with the three descriptors given (-1 = /dev/null) and
 * no others but kept (-1 = none), which becomes its descriptor 3. The child is killed when the
 * calling thread ends, so call it from a thread that lives as long as the receiver. 0 or a negative
 * errno. A program that cannot be run ends with status 127. */
int process_spawn(const char *const *argv, int in, int out, int err, int kept, pid_t *ret_pid);

/* Wait for pid: 0 with the wait status, or -ETIMEDOUT after timeout_ms (0 = only look). */
int process_wait(pid_t pid, int timeout_ms, int *ret_status);

/* SIGTERM, then SIGKILL after timeout_ms; always reaped at the end. */
void process_end(pid_t pid, int timeout_ms);

/* Run argv to its end, bounded by timeout_ms (then it is killed). 0 when it exits with 0; -EIO with
 * what it wrote to standard error, or -ETIMEDOUT; error gets a sentence. */
int process_run(const char *const *argv, int timeout_ms, char *error, size_t error_size);

/* The same with one more descriptor for the child, its 3 (-1 = none). */
int process_run_with(const char *const *argv, int kept, int timeout_ms, char *error,
		     size_t error_size);

/* Take the last line of what a child wrote into fd (a file) as a sentence into text. */
void process_last_words(int fd, char *text, size_t size);

#endif
