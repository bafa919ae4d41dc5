/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole frames in blocking style, over TLS or a plain descriptor. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/tls.h"
#include "proto/frame.h"
#include "proto/limits.h"

#define CHANNEL_REST_MS	   30000	  /* a frame that has begun must go on within this ... */
#define CHANNEL_REST_BYTES (64u * 1024u)  /* ... by so much; the WAN may be slow, but not silent */
#define CHANNEL_SEND_BYTES (256u * 1024u) /* what the sender's timeout is for */
#define CHANNEL_KEEP_BYTES (64u * 1024u)  /* larger receive buffers go back after use */

void channel_init_tls(struct channel *channel, struct tls_conn *conn)
{
	*channel = (struct channel){.conn = conn, .fd = -1};
}

void channel_init_fd(struct channel *channel, int fd)
{
	*channel = (struct channel){.fd = fd};
}

void channel_destroy(struct channel *channel)
{
	free(channel->message);
	channel->message = NULL;
	channel->message_capacity = 0;
}

/* deadline_ms -1: none. 0, -ETIMEDOUT or a negative errno. */
static int fd_wait(int fd, short events, int64_t deadline_ms)
{
	struct pollfd entry = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline_ms < 0 ? -1 : deadline_ms - clock_monotonic_ms();
		int n;

		if (deadline_ms >= 0 && left < 0) {
			left = 0;
		}
		n = poll(&entry, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0) {
			return 0;
		}
		if (n == 0) {
			return -ETIMEDOUT;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

static int64_t deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : clock_monotonic_ms() + timeout_ms;
}

static int fd_read_full(int fd, void *buf, size_t len, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(fd, (uint8_t *)buf + done, len - done, MSG_DONTWAIT);

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0) {
			return -ECONNRESET;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			int r = fd_wait(fd, POLLIN, deadline);

			if (r < 0) {
				return r;
			}
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int fd_write_full(int fd, const void *buf, size_t len, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(fd, (const uint8_t *)buf + done, len - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			int r = fd_wait(fd, POLLOUT, deadline);

			if (r < 0) {
				return r;
			}
		} else if (errno == EPIPE) {
			return -ECONNRESET;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int channel_read(struct channel *channel, void *buf, size_t len, int timeout_ms)
{
	return channel->conn != NULL ? tls_read_full(channel->conn, buf, len, timeout_ms)
				     : fd_read_full(channel->fd, buf, len, timeout_ms);
}

/* What is left of a frame that has begun. -ECONNABORTED when the peer stalls. */
static int channel_read_rest(struct channel *channel, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t piece = len - done < CHANNEL_REST_BYTES ? len - done : CHANNEL_REST_BYTES;
		int r = channel_read(channel, (uint8_t *)buf + done, piece, CHANNEL_REST_MS);

		if (r < 0) {
			return r == -ETIMEDOUT ? -ECONNABORTED : r;
		}
		done += piece;
	}
	return 0;
}

/* more: further bytes of the frame follow at once. */
static int channel_write(struct channel *channel, const void *buf, size_t len, int timeout_ms,
			 bool more)
{
	if (channel->conn == NULL) {
		return fd_write_full(channel->fd, buf, len, timeout_ms);
	}
	return more ? tls_write_part(channel->conn, buf, len, timeout_ms)
		    : tls_write_full(channel->conn, buf, len, timeout_ms);
}

/* In pieces, so that the timeout asks for progress and not for a fast line. */
static int channel_write_payload(struct channel *channel, const uint8_t *payload, size_t len,
				 int timeout_ms)
{
	int r = 0;

	while (r == 0 && len > 0) {
		size_t piece = len < CHANNEL_SEND_BYTES ? len : CHANNEL_SEND_BYTES;

		r = channel_write(channel, payload, piece, timeout_ms, piece < len);
		payload += piece;
		len -= piece;
	}
	return r;
}

int channel_send(struct channel *channel, enum frame_type type, const ProtobufCMessage *message,
		 const void *payload, uint32_t payload_len, int timeout_ms)
{
	uint8_t small[512];
	cleanup_free uint8_t *large = NULL;
	size_t len = frame_size(message);
	uint8_t *buf = small;
	int r;

	if (len > sizeof(small)) {
		large = malloc(len);
		if (large == NULL) {
			return -ENOMEM;
		}
		buf = large;
	}
	r = frame_check_size(type, len - FRAME_HEADER_LEN, payload_len);
	if (r < 0) {
		return r;
	}
	frame_encode(type, message, payload_len, buf);
	r = channel_write(channel, buf, len, timeout_ms, payload_len > 0);
	return r == 0 ? channel_write_payload(channel, payload, payload_len, timeout_ms) : r;
}

static int channel_make_room(struct channel *channel, size_t len)
{
	if (channel->message_capacity > CHANNEL_KEEP_BYTES && len <= CHANNEL_KEEP_BYTES) {
		channel_destroy(channel);
	}
	if (len > channel->message_capacity) {
		uint8_t *message = realloc(channel->message, len);

		if (message == NULL) {
			return -ENOMEM;
		}
		channel->message = message;
		channel->message_capacity = len;
	}
	return 0;
}

/* The header: waits timeout_ms for its first byte alone, so that a quiet peer does not cost the
 * channel. */
static int channel_receive_header(struct channel *channel, struct frame_header *ret_header,
				  int timeout_ms)
{
	uint8_t raw[FRAME_HEADER_LEN];
	int r = channel_read(channel, raw, 1, timeout_ms);

	if (r < 0) {
		return r;
	}
	r = channel_read_rest(channel, raw + 1, sizeof(raw) - 1);
	return r == 0 ? frame_header_decode(raw, ret_header) : r;
}

int channel_receive(struct channel *channel, struct arena *arena, struct frame *ret_frame,
		    void *payload, size_t payload_size, int timeout_ms)
{
	struct frame_header header = {0};
	struct frame frame;
	int r;

	arena_reset(arena);
	r = channel_receive_header(channel, &header, timeout_ms);
	if (r < 0) {
		return r;
	}
	if (header.payload_len > payload_size) {
		return -EMSGSIZE;
	}
	r = channel_make_room(channel, header.message_len);
	if (r == 0) {
		r = channel_read_rest(channel, channel->message, header.message_len);
	}
	if (r == 0) {
		r = channel_read_rest(channel, payload, header.payload_len);
	}
	if (r < 0) {
		return r;
	}
	frame = (struct frame){.type = (enum frame_type)header.type,
			       .payload_len = header.payload_len,
			       .raw_message = channel->message,
			       .raw_message_len = header.message_len};
	frame.message = frame_decode(frame.type, channel->message, header.message_len, arena);
	if (frame.message == NULL) {
		return -EBADMSG;
	}
	*ret_frame = frame;
	return 0;
}
