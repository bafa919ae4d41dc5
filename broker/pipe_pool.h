/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pipes for splice(2). A direction of a relayed stream holds one only while bytes are in it, so
 * that idle streams cost no pipe: an unprivileged user has 64 MiB of pipe buffers in all
 * (fs.pipe-user-pages-soft), which is 64 big ones. One thread per pool.
 */
#ifndef VMR_BROKER_PIPE_POOL_H
#define VMR_BROKER_PIPE_POOL_H

#include <stddef.h>

#define PIPE_POOL_KEEP 16u /* empty pipes kept open */
#define PIPE_POOL_BYTES                                                                            \
	(1024 * 1024) /* wanted size; smaller ones are taken when the system refuses */

struct pipe_pair {
	int read_fd, write_fd; /* non-blocking; -1 = none */
	size_t size_bytes;
};

/* Zero-initialize. */
struct pipe_pool {
	struct pipe_pair idle[PIPE_POOL_KEEP];
	size_t count;
};

/* Take an empty pipe. 0 or a negative errno (-EMFILE, ...). */
int pipe_pool_take(struct pipe_pool *pool, struct pipe_pair *ret_pair);
/* Give it back, empty; *pair becomes "none". */
void pipe_pool_give(struct pipe_pool *pool, struct pipe_pair *pair);
/* Close a pipe that still holds bytes; *pair becomes "none". "none" is allowed. */
void pipe_pair_close(struct pipe_pair *pair);
void pipe_pool_destroy(struct pipe_pool *pool);

#endif
