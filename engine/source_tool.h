/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's own tools as child processes: qemu-img and qemu-nbd, for images that no QEMU has open.
 * Private to source*.c. */
#ifndef VMR_ENGINE_SOURCE_TOOL_H
#define VMR_ENGINE_SOURCE_TOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "engine/source.h"

/* Start argv (found in PATH; NULL-terminated) with both outputs on *ret_output (to close). The
 * child dies with the thread that started it. 0 or a negative errno with a sentence. */
int source_tool_start(const char *const *argv, pid_t *ret_pid, int *ret_output,
		      char error[SOURCE_ERROR_LEN]);
/* The same as another user, without root's rights: for images that were not made by libvirt or us.
 * NULL = as we are. */
struct source_tool_user {
	uid_t uid;
	gid_t gid;
};
int source_tool_start_as(const struct source_tool_user *user, const char *const *argv,
			 pid_t *ret_pid, int *ret_output, char error[SOURCE_ERROR_LEN]);
/* End it: SIGTERM, after 2 s SIGKILL. Reaps it, unless storage holds it in the kernel. */
void source_tool_stop(pid_t pid);
/* True while it has not ended; reaps it otherwise (its pid is void then). */
bool source_tool_runs(pid_t pid);

/* Run to its end within timeout_ms. 0 with all that it wrote in *ret_output (to free; may be NULL,
 * then it is dropped); -EIO when it failed, with its last words; -ETIMEDOUT. */
int source_tool_run(const char *const *argv, int timeout_ms, char **ret_output,
		    char error[SOURCE_ERROR_LEN]);

/* Merge the images from top, which nobody has open, down to above base into base. None of them is
 * changed but base. Otherwise as source_tool_merge. */
int source_tool_commit(const char *base, const char *top, uid_t uid, const atomic_bool *stop,
		       char error[SOURCE_ERROR_LEN]);
/* Merge the images from top down to above base into base, and make image, which nobody has open,
 * stand on that, by the name it has in the store (named). As uid, which may write all three: what
 * is in the images is not trusted. It takes as long as it takes; *stop gives up (-ECANCELED), and
 * all of it can be done again. */
int source_tool_merge(const char *image, const char *base, const char *named, const char *top,
		      uid_t uid, const atomic_bool *stop, char error[SOURCE_ERROR_LEN]);

#endif
