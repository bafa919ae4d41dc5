/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freezing a guest's file systems round a cut, by a process of its own (freezer.c) that thaws them
 * whatever becomes of this one. Private to source*.c and that process.
 */
#ifndef VMR_ENGINE_SOURCE_FREEZE_H
#define VMR_ENGINE_SOURCE_FREEZE_H

#include "engine/source.h"

#define SOURCE_FREEZE_NAME     "vmreplica-freeze"
#define SOURCE_FREEZE_PROGRAM  VMR_DAEMONDIR "/" SOURCE_FREEZE_NAME
#define SOURCE_FREEZE_DIR      VMR_RUNDIR "/frozen"
#define SOURCE_FREEZE_FD       3
#define SOURCE_FREEZE_LINE_LEN 512

/* The bound on the freeze, counted from its order to the thaw's: the process thaws by itself then,
 * and the cut does not count as application-consistent. Freezing itself takes as long as the guest
 * needs to write its caches out, and a cut about 80 ms. */
#define SOURCE_FREEZE_HOLD_MS 3000
/* How long a cycle waits for the guest to be frozen; after that it is crash-consistent, and what
 * was frozen too late is thawed at once. */
#define SOURCE_FREEZE_ANSWER_MS 4000
/* How long it waits to hear of the thaw, which goes on without it. */
#define SOURCE_THAW_ANSWER_MS 5000

/* What is used: the process of an installation, or a test's own. */
struct source_freeze_options {
	const char *program, *uri, *notes; /* uri NULL: libvirt's default for hosts */
};
extern const struct source_freeze_options source_freeze_installed;

/* Freeze the guest of vm. A descriptor for source_freeze_end, or a negative errno with a sentence
 * that says why it stays crash-consistent. Blocks for up to SOURCE_FREEZE_ANSWER_MS. */
int source_freeze_begin(const struct source_freeze_options *options, const char *vm,
			char error[SOURCE_ERROR_LEN]);
/* The cut is made, or failed: thaw. Takes fd. 0 when the guest was frozen all the time up to this
 * call, with how long it has been in *ret_frozen_ms; otherwise a negative errno with a sentence. */
int source_freeze_end(int fd, int64_t *ret_frozen_ms, char error[SOURCE_ERROR_LEN]);

#endif
