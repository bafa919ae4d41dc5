/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/relay_thread.h"
#include "common/cleanup.h"
#include "common/clock.h"

#define RELAY_USER_TIMEOUT_MS 60000

struct relay *relay_new(const struct relay_options *options)
{
	static const struct relay_options defaults = {
		.threads = RELAY_THREADS,
		.streams_max = RELAY_STREAMS_MAX,
		.connect_timeout_ms = RELAY_CONNECT_TIMEOUT_MS,
		.idle_timeout_ms = RELAY_IDLE_TIMEOUT_MS,
		.half_idle_timeout_ms = RELAY_HALF_IDLE_TIMEOUT_MS,
	};
	struct relay *relay = calloc(1, sizeof(*relay));

	if (relay == NULL) {
		return NULL;
	}
	relay->options = options != NULL ? *options : defaults;
	relay->threads = calloc(relay->options.threads, sizeof(*relay->threads));
	for (unsigned i = 0; relay->threads != NULL && i < relay->options.threads; i++) {
		int rc = relay_thread_start(&relay->threads[i], relay);

		relay->thread_count++;
		if (rc < 0) {
			relay_free(relay);
			errno = -rc;
			return NULL;
		}
	}
	if (relay->threads == NULL) {
		free(relay);
		return NULL;
	}
	return relay;
}

void relay_free(struct relay *relay)
{
	if (relay == NULL) {
		return;
	}
	atomic_store(&relay->stopping, true);
	for (unsigned i = 0; i < relay->thread_count; i++) {
		relay_thread_stop(&relay->threads[i]);
	}
	free(relay->threads);
	free(relay);
}

static void socket_tune(int fd)
{
	int on = 1, idle = 30, interval = 10, count = 3, user_timeout = RELAY_USER_TIMEOUT_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof(user_timeout));
}

size_t relay_stream_count(struct relay *relay)
{
	size_t count = 0;

	for (unsigned i = 0; i < relay->thread_count; i++) {
		count += relay_thread_count(&relay->threads[i]);
	}
	return count;
}

static void relay_hand_over(struct relay *relay, struct relay_stream *stream)
{
	struct relay_thread *best = &relay->threads[0];

	for (unsigned i = 1; i < relay->thread_count; i++) {
		if (relay_thread_count(&relay->threads[i]) < relay_thread_count(best)) {
			best = &relay->threads[i];
		}
	}
	relay_thread_add(best, stream);
}

int relay_start(struct relay *relay, int peer_fd, const struct sockaddr *address,
		socklen_t address_len, const struct token_target *target)
{
	cleanup_close int peer = peer_fd, owner = -1;
	struct relay_stream *stream;

	if (relay_stream_count(relay) >= relay->options.streams_max) {
		return -ENOBUFS;
	}
	owner = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (owner < 0) {
		return -errno;
	}
	socket_tune(peer);
	socket_tune(owner);
	if (connect(owner, address, address_len) < 0 && errno != EINPROGRESS) {
		return -errno;
	}
	stream = relay_stream_new(steal_fd(&peer), steal_fd(&owner), target, clock_monotonic_ms());
	if (stream == NULL) {
		return -ENOMEM;
	}
	relay_hand_over(relay, stream);
	return 0;
}

static uint64_t list_visit(const struct relay_stream *stream, int64_t now,
			   void (*cb)(void *arg, const struct relay_info *info), void *arg)
{
	uint64_t total = 0;

	for (; stream != NULL; stream = stream->next) {
		struct relay_info info = {
			.peer = stream->target.peer,
			.node = stream->target.node,
			.relationship = stream->target.relationship,
			.bytes = atomic_load(&stream->bytes),
			.age_ms = now - stream->started_ms,
		};

		total += info.bytes;
		if (cb != NULL) {
			cb(arg, &info);
		}
	}
	return total;
}

static uint64_t relay_visit(struct relay *relay,
			    void (*cb)(void *arg, const struct relay_info *info), void *arg)
{
	int64_t now = clock_monotonic_ms();
	uint64_t total = 0;

	for (unsigned i = 0; i < relay->thread_count; i++) {
		struct relay_thread *thread = &relay->threads[i];

		pthread_mutex_lock(&thread->lock);
		total += list_visit(thread->incoming, now, cb, arg);
		total += list_visit(thread->streams, now, cb, arg);
		pthread_mutex_unlock(&thread->lock);
	}
	return total;
}

void relay_for_each(struct relay *relay, void (*cb)(void *arg, const struct relay_info *info),
		    void *arg)
{
	relay_visit(relay, cb, arg);
}

uint64_t relay_total_bytes(struct relay *relay)
{
	uint64_t live = relay_visit(relay, NULL, NULL);

	return live + atomic_load(&relay->finished_bytes);
}
