/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP listener and the streams while they are idle: handshakes and parked streams sit on the
 * control thread's loop, a stream with something to do is handed to a worker.
 */
#ifndef VMR_RECEIVER_LISTENER_H
#define VMR_RECEIVER_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "common/tls.h"
#include "receiver/receiver.h"

struct session;

#define LISTENER_ERROR_LEN TLS_ERROR_LEN

/* Bind and listen (dual stack for "::"; port 0 = any), not accepting yet. Blocks up to 5 s while a
 * receiver that is going down still has the port. 0, or a negative errno with a sentence. */
int listener_bind(const char *address, uint16_t port, int *ret_fd, char error[LISTENER_ERROR_LEN]);
uint16_t listener_port(int fd);

/* Take fd and a reference on context, and begin to accept. NULL with errno set. Control thread,
 * like all but the kick. */
struct listener *listener_new(struct receiver *receiver, int fd, struct tls_context *context);
/* New connections use context from now on (a reference is taken). */
void listener_set_context(struct listener *listener, struct tls_context *context);
/* Does the certificate that conn was opened with still hold, by the files of now? 0, or -EKEYREJECTED
 * with a sentence. Any thread. */
int listener_recheck(struct listener *listener, struct tls_conn *conn,
		     char error[LISTENER_ERROR_LEN]);
/* Accept no more and end all streams; listener_count tells when they are gone. */
void listener_stop(struct listener *listener);
size_t listener_count(const struct listener *listener);
void listener_free(struct listener *listener); /* all streams are gone; NULL allowed */
/* Every second: handshakes that take too long, accepting again after running out of descriptors. */
void listener_tick(struct listener *listener);

/* Make a session look at its store's flags soon: a parked one is run. Any thread that keeps session
 * alive meanwhile. */
void listener_kick(struct session *session);

#endif
