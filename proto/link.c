/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "proto/limits.h"

#define LINK_QUEUE_MAX	(8u * 1024u * 1024u)
#define LINK_READ_BYTES (64u * 1024u)
#define LINK_KEEP_BYTES (256u * 1024u) /* an empty buffer above this goes back */
#define LINK_CLOSE_MS	1000
#define NS_PER_MS	1000000ull

struct link {
	qb_loop_t *loop;
	int fd;
	link_frame_cb on_frame;
	link_closed_cb on_closed;
	void *arg;
	struct byte_buffer in, out;
	size_t out_done; /* bytes at out's begin that have gone already */
	struct arena arena;
	bool closing; /* link_close was called: only what is queued still goes out */
	bool over;    /* the end timer runs and is the last thing */
	int events;   /* what the loop waits for */
	int error;    /* for on_closed */
	qb_loop_timer_handle timer;
	bool timer_set;
};

static int32_t link_dispatch_cb(int32_t fd, int32_t revents, void *data);

static void link_buffer_trim(struct byte_buffer *buf)
{
	if (buf->len == 0 && buf->capacity > LINK_KEEP_BYTES) {
		byte_buffer_destroy(buf);
	}
}

static void link_release(struct link *link)
{
	if (!link->over) {
		qb_loop_poll_del(link->loop, link->fd);
	}
	close(link->fd);
	byte_buffer_destroy(&link->in);
	byte_buffer_destroy(&link->out);
	arena_reset(&link->arena);
	free(link);
}

/* The end of a link that its owner hears of; runs from the loop, outside every callback. */
static void link_end_cb(void *data)
{
	struct link *link = data;

	link->timer_set = false;
	link->on_closed(link->arg, link, link->error);
	link_release(link);
}

/*
 * End after delay_ms. A timer and not a job: with only jobs pending libqb 2.0.6 sleeps 50 ms before
 * it looks at them.
 */
static void link_end_after(struct link *link, uint64_t delay_ms)
{
	if (link->timer_set) {
		qb_loop_timer_del(link->loop, link->timer);
	}
	link->timer_set = qb_loop_timer_add(link->loop, QB_LOOP_HIGH, delay_ms * NS_PER_MS, link,
					    link_end_cb, &link->timer) == 0;
	assert(link->timer_set); /* only fails without memory for a small struct */
}

/* Nothing more in or out; on_closed comes from the loop. */
static void link_finish(struct link *link, int error)
{
	if (link->over) {
		return;
	}
	qb_loop_poll_del(link->loop, link->fd);
	link->over = true;
	link->error = link->closing && error == -ECONNRESET ? 0 : error;
	link_end_after(link, 0);
}

static void link_want(struct link *link, int events)
{
	if (link->events != events && qb_loop_poll_mod(link->loop, QB_LOOP_MED, link->fd, events,
						       link, link_dispatch_cb) == 0) {
		link->events = events;
	}
}

/* Write what the socket takes. */
static void link_flush(struct link *link)
{
	while (link->out_done < link->out.len) {
		ssize_t n = send(link->fd, link->out.data + link->out_done,
				 link->out.len - link->out_done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			link_want(link, link->closing ? POLLOUT : POLLIN | POLLOUT);
			return;
		}
		if (n < 0) {
			link_finish(link, errno == EPIPE ? -ECONNRESET : -errno);
			return;
		}
		link->out_done += (size_t)n;
	}
	link->out.len = 0;
	link->out_done = 0;
	link_buffer_trim(&link->out);
	if (link->closing) {
		link_finish(link, 0);
	} else {
		link_want(link, POLLIN);
	}
}

/* Handle the frame at data if it is there whole. Its length, 0 = more is needed, or a negative
 * errno. */
static ssize_t link_frame_handle(struct link *link, const uint8_t *data, size_t len)
{
	struct frame_header header;
	struct frame frame;
	size_t whole;
	int r;

	if (len < FRAME_HEADER_LEN) {
		return 0;
	}
	r = frame_header_decode(data, &header);
	if (r < 0) {
		return r;
	}
	whole = (size_t)FRAME_HEADER_LEN + header.message_len + header.payload_len;
	if (len < whole) {
		return 0;
	}
	frame = (struct frame){.type = (enum frame_type)header.type,
			       .payload_len = header.payload_len,
			       .raw_message = data + FRAME_HEADER_LEN,
			       .raw_message_len = header.message_len};
	frame.message =
		frame_decode(frame.type, frame.raw_message, frame.raw_message_len, &link->arena);
	if (frame.message == NULL) {
		return -EBADMSG;
	}
	link->on_frame(link->arg, link, &frame,
		       frame.payload_len > 0 ? frame.raw_message + frame.raw_message_len : NULL);
	arena_reset(&link->arena);
	return (ssize_t)whole;
}

/* Frames stay in place while their callbacks run; the buffer moves once at the end. */
static void link_frames_handle(struct link *link)
{
	size_t done = 0;

	while (!link->closing && !link->over) {
		ssize_t n = link_frame_handle(link, link->in.data + done, link->in.len - done);

		if (n == 0) {
			break;
		}
		if (n < 0) {
			link_finish(link, (int)n);
			return;
		}
		done += (size_t)n;
	}
	byte_buffer_consume(&link->in, done);
	link_buffer_trim(&link->in);
}

static void link_read(struct link *link)
{
	int r = byte_buffer_reserve(&link->in, LINK_READ_BYTES);
	ssize_t n;

	if (r < 0) {
		link_finish(link, r);
		return;
	}
	n = recv(link->fd, link->in.data + link->in.len, LINK_READ_BYTES, MSG_DONTWAIT);
	if (n > 0) {
		link->in.len += (size_t)n;
		link_frames_handle(link);
	} else if (n == 0) {
		link_finish(link, link->in.len > 0 ? -ECONNRESET : 0);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		link_finish(link, -errno);
	}
}

static int32_t link_dispatch_cb(int32_t fd, int32_t revents, void *data)
{
	struct link *link = data;

	(void)fd;
	if (!link->over && (revents & POLLOUT) != 0) {
		link_flush(link);
	}
	/* HUP and ERR come unasked; reading tells what they mean. */
	if (!link->over && !link->closing && (revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		link_read(link);
	}
	if (!link->over && link->closing && (revents & (POLLHUP | POLLERR)) != 0) {
		link_finish(link, 0);
	}
	return 0;
}

struct link *link_new(qb_loop_t *loop, int fd, link_frame_cb on_frame, link_closed_cb on_closed,
		      void *arg)
{
	struct link *link = calloc(1, sizeof(*link));
	int r = link == NULL ? -ENOMEM : 0;

	if (r == 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		r = -errno;
	}
	if (r == 0) {
		link->loop = loop;
		link->fd = fd;
		link->on_frame = on_frame;
		link->on_closed = on_closed;
		link->arg = arg;
		link->events = POLLIN;
		arena_init(&link->arena, ARENA_LOCAL_MAX);
		r = qb_loop_poll_add(loop, QB_LOOP_MED, fd, POLLIN, link, link_dispatch_cb);
	}
	if (r < 0) {
		free(link);
		close(fd);
		errno = -r;
		return NULL;
	}
	return link;
}

int link_send(struct link *link, enum frame_type type, const ProtobufCMessage *message)
{
	size_t len = frame_size(message);
	int r = frame_check_size(type, len - FRAME_HEADER_LEN, 0);

	if (link->closing || link->over) {
		return -ENOTCONN;
	}
	if (r < 0) {
		return r;
	}
	if (link->out.len - link->out_done + len > LINK_QUEUE_MAX) {
		link_finish(link, -ENOBUFS);
		return -ENOBUFS;
	}
	byte_buffer_consume(&link->out, link->out_done);
	link->out_done = 0;
	r = byte_buffer_reserve(&link->out, len);
	if (r < 0) {
		return r;
	}
	link->out.len += frame_encode(type, message, 0, link->out.data + link->out.len);
	/* While bytes wait for the socket, the loop says when it is time. */
	if ((link->events & POLLOUT) == 0) {
		link_flush(link);
	}
	return 0;
}

void link_close(struct link *link)
{
	if (link->closing || link->over) {
		return;
	}
	link->closing = true;
	link_end_after(link, LINK_CLOSE_MS);
	link_flush(link);
}

void link_free(struct link *link)
{
	if (link == NULL) {
		return;
	}
	if (link->timer_set) {
		qb_loop_timer_del(link->loop, link->timer);
	}
	link_release(link);
}
