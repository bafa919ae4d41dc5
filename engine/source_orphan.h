/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs of ours that nobody watches any more, and the jobs of others. Private to source*.c. */
#ifndef VMR_ENGINE_SOURCE_ORPHAN_H
#define VMR_ENGINE_SOURCE_ORPHAN_H

#include "engine/source.h"
#include "engine/source_private.h"

/* Our files' and sockets' names start so: how a job is known as ours, also without the engine that
 * began it. */
#define SOURCE_FILE_PREFIX    "vmreplica-"
#define SOURCE_SCRATCH_SUFFIX ".scratch"

/* Path of a VM's backup socket. To free; NULL when out of memory. */
char *source_orphan_socket(const char *socket_directory, const char *vm);

/* Make way for a job on source: ends an orphan. -EBUSY with a sentence that names the job when it
 * is another tool's or one that this process watches; -EAGAIN while the VM migrates. */
int source_orphan_clear(struct source *source, char error[SOURCE_ERROR_LEN]);

#endif
