/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thread of the relay with its streams. relay.c hands streams over; all that happens to one
 * later happens here. */
#ifndef VMR_BROKER_RELAY_THREAD_H
#define VMR_BROKER_RELAY_THREAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "broker/relay.h"
#include "broker/relay_stream.h"

struct relay_thread {
	pthread_t thread;
	bool started;
	struct relay *relay;
	int epoll_fd, wake_fd;
	pthread_mutex_t
		lock; /* guards the links of both lists: the control thread looks through them */
	struct relay_stream *incoming; /* from the control thread, for this thread to take */
	struct relay_stream *streams;  /* changed by this thread only */
	size_t count;		       /* in both lists; under the lock */
	struct relay_stream *ready;    /* thread only: streams that did not finish their work */
	struct pipe_pool pipes;	       /* thread only */
	int64_t scanned_ms;	       /* thread only */
};

struct relay {
	struct relay_options options;
	struct relay_thread *threads;
	unsigned thread_count;
	atomic_bool stopping;
	atomic_uint_fast64_t finished_bytes; /* of streams that are over */
};

/* Make the thread's descriptors and start it. 0 or a negative errno; relay_thread_stop cleans up in
 * either case. */
int relay_thread_start(struct relay_thread *thread, struct relay *relay);
/* After relay->stopping was set: wait for the thread and release all. */
void relay_thread_stop(struct relay_thread *thread);
/* Hand a stream over (taken). */
void relay_thread_add(struct relay_thread *thread, struct relay_stream *stream);
size_t relay_thread_count(struct relay_thread *thread);

#endif
