/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that must survive a power cut. Every call is relative to an open directory, follows no
 * symbolic link in the last component, and blocks on storage: workers only. A failed fsync is
 * final: the data it was asked for is given up, because a second fsync would report success for
 * pages that the kernel has already dropped.
 */
#ifndef VMR_RECEIVER_DURABLE_H
#define VMR_RECEIVER_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Replace name in dir_fd by len bytes of data: written aside, fsynced, renamed, directory fsynced.
 * 0 or a negative errno; *ret_uncertain is then true when the rename had been made but not made
 * durable (old or new may be found after a crash), false when the old file certainly stands. */
int durable_file_replace(int dir_fd, const char *name, const void *data, size_t len,
			 bool *ret_uncertain);

/* The same by way of the file aside, which may be in a directory below dir_fd. -ENOENT when that
 * directory is gone; nothing is changed then. */
int durable_file_replace_from(int dir_fd, const char *aside, const char *name, const void *data,
			      size_t len, bool *ret_uncertain);

/* Read name whole into a terminated string (caller frees). -EFBIG above max_len, -ENOENT, ... */
int durable_file_read(int dir_fd, const char *name, size_t max_len, char **ret_data,
		      size_t *ret_len);

/* Make a directory (0750) and make its entry durable. An existing one is fine. */
int durable_directory_make(int dir_fd, const char *name);

/* fsync of the directory name below dir_fd ("." for itself), so that its entries are durable. */
int durable_directory_sync(int dir_fd, const char *name);

/* fsync of one file. */
int durable_file_sync(int dir_fd, const char *name);

/* Copy the first len bytes of from to a new file to (replaced when it exists) and fsync it.
 * -ENODATA when from is shorter. */
int durable_prefix_copy(int dir_fd, const char *from, const char *to, uint64_t len);

#endif
