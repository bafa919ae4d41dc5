/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the preloaded library. */
#ifndef VMR_TESTS_FAULTS_SHIM_PARTS_H
#define VMR_TESTS_FAULTS_SHIM_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "tests/faults/shim.h"

#pragma GCC visibility push(hidden)

extern struct shim *shim; /* NULL: not in a test */

/* The next one of this name: looked up each time, which needs no state and is fast enough. */
void *shim_real(const char *name);
#define REAL(name) ((__typeof__(&name))shim_real(#name))

/* ---- failures (shim.c) ---- */
/* Is this call to fail? errno is set then. */
bool shim_shall_fail(enum shim_kind kind);
/* The same, of a file or directory: not of the log, a socket or an eventfd. */
bool shim_storage_shall_fail(enum shim_kind kind, int fd);

/* ---- the record (shim_record.c); of the store's files alone, and only while it is wanted ---- */
bool shim_recording(void);
/* size bytes that were just written at offset. */
void shim_record_data(int fd, uint64_t offset, uint64_t size, const struct iovec *parts, int count);
/* A truncation or zeros. */
void shim_record_range(enum shim_what what, int fd, uint64_t offset, uint64_t size);
/* Everything before begun is durable; data_only: but for its time of change. */
void shim_record_sync(int fd, uint64_t begun, bool data_only);
/* A name that was made or removed. errno stays. */
void shim_record_entry(enum shim_what what, int dir_fd, const char *path);
void shim_record_rename(int from_fd, const char *from, int to_fd, const char *to);

#pragma GCC visibility pop

#endif
