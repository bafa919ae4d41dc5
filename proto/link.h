/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame link on a control thread: non-blocking, queued (capped by bytes), over a Unix descriptor
 * on a qb_loop. Used for the socketpairs between a daemon and its children and for admin
 * connections.
 */
#ifndef VMR_PROTO_LINK_H
#define VMR_PROTO_LINK_H

#include <qb/qbloop.h>

#include "proto/frame.h"

struct link;

/* A frame came in; frame->message lives until the callback returns. payload may be NULL. Must not
 * free the link: call link_close, the teardown comes later from the loop. */
typedef void (*link_frame_cb)(void *arg, struct link *link, const struct frame *frame,
			      const uint8_t *payload);
/* The link is over (peer gone, malformed frame, queue overflow, link_close): error is 0
 * (link_close, or an end of stream between two frames) or a negative errno. Called once, from the
 * loop and not from inside another link call; the link is freed after it returns. */
typedef void (*link_closed_cb)(void *arg, struct link *link, int error);

/* Take fd (made non-blocking). NULL with errno set on failure (fd is then closed). */
struct link *link_new(qb_loop_t *loop, int fd, link_frame_cb on_frame, link_closed_cb on_closed,
		      void *arg);
/* Queue a frame. 0, -ENOBUFS when more than 8 MiB wait (the link is then closed), -EMSGSIZE (over
 * the type's limits), -ENOTCONN (closed already), -ENOMEM. Control thread only; allowed inside
 * callbacks of the same link. */
int link_send(struct link *link, enum frame_type type, const ProtobufCMessage *message);
/* Finish: what is queued is still sent (bounded by 1 s), then on_closed. */
void link_close(struct link *link);
/* Free now: what is queued is dropped and on_closed is not called. Not from inside a callback. NULL
 * allowed. */
void link_free(struct link *link);

#endif
