/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/relay_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

const char *relay_end_to_string(enum relay_end end)
{
	static const char *const words[] = {
		[RELAY_RUNNING] = "running",
		[RELAY_END_DONE] = "closed by both sides",
		[RELAY_END_PEER_LOST] = "the sender's connection broke",
		[RELAY_END_OWNER_LOST] = "the owner's connection broke",
		[RELAY_END_UNREACHABLE] = "the owner cannot be reached",
		[RELAY_END_CONNECT_TIMEOUT] = "the owner did not answer in time",
		[RELAY_END_IDLE] = "nothing moved for too long",
		[RELAY_END_NO_PIPE] = "no pipe could be made",
		[RELAY_END_STOPPED] = "the broker stops",
	};

	return end <= RELAY_END_STOPPED ? words[end] : "unknown";
}

static void direction_init(struct relay_direction *direction, int from, int to)
{
	direction->from = from;
	direction->to = to;
	direction->pipe.read_fd = direction->pipe.write_fd = -1;
}

struct relay_stream *relay_stream_new(int peer_fd, int owner_fd, const struct token_target *target,
				      int64_t now_ms)
{
	struct relay_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL) {
		close(peer_fd);
		close(owner_fd);
		return NULL;
	}
	stream->peer_fd = peer_fd;
	stream->owner_fd = owner_fd;
	stream->started_ms = stream->active_ms = now_ms;
	stream->target = *target;
	direction_init(&stream->up, peer_fd, owner_fd);
	direction_init(&stream->down, owner_fd, peer_fd);
	return stream;
}

void relay_stream_free(struct relay_stream *stream)
{
	pipe_pair_close(&stream->up.pipe);
	pipe_pair_close(&stream->down.pipe);
	close(stream->peer_fd);
	close(stream->owner_fd);
	free(stream);
}

static void stream_end(struct relay_stream *stream, enum relay_end end, int error)
{
	if (stream->end == RELAY_RUNNING) {
		stream->end = end;
		stream->error = error;
	}
}

static void stream_connect_event(struct relay_stream *stream)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(stream->owner_fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
		error = errno;
	}
	if (error != 0) {
		stream_end(stream, RELAY_END_UNREACHABLE, error);
		return;
	}
	stream->connected = true;
}

void relay_stream_event(struct relay_stream *stream, bool from_owner, uint32_t events)
{
	struct relay_direction *in = from_owner ? &stream->down : &stream->up;
	struct relay_direction *out = from_owner ? &stream->up : &stream->down;

	if (from_owner && !stream->connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
		stream_connect_event(stream);
	}
	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
		in->readable = true;
	}
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
		out->writable = true;
	}
}

/* Socket to pipe. Returns bytes moved, 0 for "not now", negative errno. */
static ssize_t direction_fill(struct relay_direction *direction, struct pipe_pool *pool)
{
	ssize_t n;
	int rc;

	if (direction->eof || !direction->readable) {
		return 0;
	}
	if (direction->pipe.read_fd < 0) {
		rc = pipe_pool_take(pool, &direction->pipe);
		if (rc < 0) {
			return rc;
		}
	}
	n = splice(direction->from, NULL, direction->pipe.write_fd, NULL,
		   direction->pipe.size_bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0) {
		direction->in_pipe += (size_t)n;
		return n;
	}
	if (n == 0) {
		direction->eof = true;
		return 0;
	}
	if (errno == EAGAIN) {
		/* With bytes in it the pipe itself may be what is full: ask the socket again once
		 * it is drained. */
		direction->readable = direction->in_pipe > 0;
		return 0;
	}
	return errno == EINTR ? 0 : -errno;
}

/* Pipe to socket. Returns bytes moved, 0 for "not now", negative errno. */
static ssize_t direction_drain(struct relay_direction *direction)
{
	ssize_t n;

	if (direction->in_pipe == 0 || !direction->writable) {
		return 0;
	}
	n = splice(direction->pipe.read_fd, NULL, direction->to, NULL, direction->in_pipe,
		   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0) {
		direction->in_pipe -= (size_t)n;
		return n;
	}
	if (n < 0 && errno == EAGAIN) {
		direction->writable = false;
		return 0;
	}
	return n == 0 || errno == EINTR ? 0 : -errno;
}

/* Move what can be moved. Returns bytes that left; *ret_more when the turn ended before the work
 * did. */
static size_t direction_turn(struct relay_stream *stream, struct relay_direction *direction,
			     struct pipe_pool *pool, bool *ret_more)
{
	bool up = direction == &stream->up;
	size_t moved = 0;

	while (moved < RELAY_TURN_BYTES) {
		ssize_t filled = direction_fill(direction, pool);
		ssize_t drained = filled < 0 ? 0 : direction_drain(direction);

		if (filled < 0) {
			bool no_pipe = direction->pipe.read_fd < 0;

			stream_end(stream,
				   no_pipe ? RELAY_END_NO_PIPE
				   : up	   ? RELAY_END_PEER_LOST
					   : RELAY_END_OWNER_LOST,
				   (int)-filled);
			return moved;
		}
		if (drained < 0) {
			stream_end(stream, up ? RELAY_END_OWNER_LOST : RELAY_END_PEER_LOST,
				   (int)-drained);
			return moved;
		}
		moved += (size_t)drained;
		/* Stalled: nothing left to read, or the other side takes nothing more. */
		if (filled == 0 && drained == 0 &&
		    (direction->in_pipe > 0 || !direction->readable || direction->eof)) {
			return moved;
		}
	}
	*ret_more = true;
	return moved;
}

/* After a turn: give the pipe back when it is empty, and pass the end of the stream on. */
static void direction_settle(struct relay_direction *direction, struct pipe_pool *pool)
{
	if (direction->in_pipe == 0 && direction->pipe.read_fd >= 0) {
		pipe_pool_give(pool, &direction->pipe);
	}
	if (direction->eof && direction->in_pipe == 0 && !direction->shut) {
		shutdown(direction->to, SHUT_WR);
		direction->shut = true;
	}
}

bool relay_stream_turn(struct relay_stream *stream, struct pipe_pool *pool, int64_t now_ms)
{
	size_t moved = 0;
	bool more = false;

	if (!stream->connected || stream->end != RELAY_RUNNING) {
		return false;
	}
	moved += direction_turn(stream, &stream->up, pool, &more);
	moved += direction_turn(stream, &stream->down, pool, &more);
	if (moved > 0) {
		atomic_fetch_add_explicit(&stream->bytes, moved, memory_order_relaxed);
		stream->active_ms = now_ms;
	}
	if (stream->end != RELAY_RUNNING) {
		return false;
	}
	direction_settle(&stream->up, pool);
	direction_settle(&stream->down, pool);
	if (stream->up.shut && stream->down.shut) {
		stream_end(stream, RELAY_END_DONE, 0);
	}
	return more && stream->end == RELAY_RUNNING;
}
