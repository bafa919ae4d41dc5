/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay: its threads, and the streams that they carry. All calls are for the control thread. */
#ifndef VMR_BROKER_RELAY_H
#define VMR_BROKER_RELAY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "broker/token_table.h"

#define RELAY_THREADS		 2u
#define RELAY_STREAMS_MAX	 1024u
#define RELAY_CONNECT_TIMEOUT_MS 5000
#define RELAY_IDLE_TIMEOUT_MS                                                                      \
	3600000 /* streams may sleep between cycles; dead ones are found by keepalive */
#define RELAY_HALF_IDLE_TIMEOUT_MS 60000 /* one side has closed */

struct relay_options {
	unsigned threads; /* at least 1 */
	size_t streams_max;
	int connect_timeout_ms, idle_timeout_ms, half_idle_timeout_ms;
};

struct relay;

/* Start the threads; *options is copied, NULL = the defaults above. NULL with errno set on failure.
 */
struct relay *relay_new(const struct relay_options *options);
/* Cut all streams and end the threads. NULL allowed. */
void relay_free(struct relay *relay);

/* Carry a stream: peer_fd (taken, also on failure; non-blocking, nothing read from it) to the owner
 * at address. 0: its end is logged by the relay. -ENOBUFS (streams_max), -ENOMEM, or the errno of
 * the connect. */
int relay_start(struct relay *relay, int peer_fd, const struct sockaddr *address,
		socklen_t address_len, const struct token_target *target);

struct relay_info {
	const char *peer, *node, *relationship;
	uint64_t bytes;
	int64_t age_ms;
};
/* Call cb for each stream. The callback must not call the relay. */
void relay_for_each(struct relay *relay, void (*cb)(void *arg, const struct relay_info *info),
		    void *arg);
size_t relay_stream_count(struct relay *relay);
uint64_t relay_total_bytes(struct relay *relay); /* since the start, both directions */

#endif
