/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int pipe_pool_take(struct pipe_pool *pool, struct pipe_pair *ret_pair)
{
	int fds[2], size;

	if (pool->count > 0) {
		*ret_pair = pool->idle[--pool->count];
		return 0;
	}
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
		return -errno;
	}
	size = PIPE_POOL_BYTES;
	while (size > 65536 && fcntl(fds[1], F_SETPIPE_SZ, size) < 0) {
		size /= 2; /* fs.pipe-max-size or the user's share is smaller */
	}
	size = fcntl(fds[1], F_GETPIPE_SZ);
	ret_pair->read_fd = fds[0];
	ret_pair->write_fd = fds[1];
	ret_pair->size_bytes = size > 0 ? (size_t)size : 4096;
	return 0;
}

void pipe_pair_close(struct pipe_pair *pair)
{
	if (pair->read_fd >= 0) {
		close(pair->read_fd);
		close(pair->write_fd);
	}
	pair->read_fd = pair->write_fd = -1;
}

void pipe_pool_give(struct pipe_pool *pool, struct pipe_pair *pair)
{
	if (pool->count == PIPE_POOL_KEEP) {
		pipe_pair_close(pair);
		return;
	}
	pool->idle[pool->count++] = *pair;
	pair->read_fd = pair->write_fd = -1;
}

void pipe_pool_destroy(struct pipe_pool *pool)
{
	while (pool->count > 0) {
		pipe_pair_close(&pool->idle[--pool->count]);
	}
}
