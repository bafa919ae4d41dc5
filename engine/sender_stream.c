/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/sender_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "engine/stream_frames.h"

#define STREAM_COMMIT_MS                                                                           \
	300000 /* the receiver flushes, and may hold the answer while its spool is full */
#define STREAM_ABORT_MS 15000

static void stream_note_wire(struct sender_stream *stream)
{
	uint64_t wire = tls_bytes_sent(stream->peer->conn) - stream->wire_start;
	uint64_t before = atomic_load(&stream->progress->wire_bytes);

	if (wire > before) {
		rate_meter_add(&stream->meter, wire - before, clock_monotonic_ms());
	}
	atomic_store(&stream->progress->wire_bytes, wire);
	atomic_store(&stream->progress->rate_bytes_per_s, (uint64_t)stream->meter.bytes_per_s);
	pipeline_set_link_rate(stream->pipeline, (uint64_t)stream->meter.bytes_per_s);
}

static void stream_move_position(struct sender_stream *stream, const struct pipeline_item *item)
{
	atomic_fetch_add(&stream->progress->done_bytes, item->progress);
	if (item->markable) {
		stream->position_disk = item->disk;
		stream->position_offset = item->offset + item->length;
		stream->position_markable = true;
		stream->position_marked = false;
	}
}

/* Wait until condition is false or the time is over. */
static int stream_await(struct sender_stream *stream, bool *is_over, bool until, int timeout_ms,
			const char *what)
{
	int64_t deadline = clock_monotonic_ms() + timeout_ms;

	while (*is_over != until) {
		int result = stream_receive(stream, STREAM_IDLE_MS);

		if (result < 0) {
			return result;
		}
		if (result == 0 && canceller_is_cancelled(&stream->peer->canceller)) {
			return peer_failed(stream->peer, -ECANCELED, what, &stream->trouble);
		}
		if (*is_over != until && clock_monotonic_ms() > deadline) {
			return peer_failed(stream->peer, -ETIMEDOUT, what, &stream->trouble);
		}
	}
	return 0;
}

/* The cycle ends here for now: what was sent shall not be sent again. */
static int stream_give_way(struct sender_stream *stream)
{
	Vmreplica__Wire__CycleAbort abort_message = VMREPLICA__WIRE__CYCLE_ABORT__INIT;
	int result = stream_await(stream, &stream->mark_awaited, false, STREAM_ABORT_MS,
				  "waiting for a mark");

	if (result == 0 && stream->position_markable && !stream->position_marked) {
		result = stream_request_mark(stream);
		if (result == 0) {
			result = stream_await(stream, &stream->mark_awaited, false, STREAM_ABORT_MS,
					      "waiting for a mark");
		}
	}
	if (result < 0) {
		return result;
	}
	abort_message.reason = (char *)(uintptr_t) "the sender goes on with another cut";
	stream->ended = true;
	return stream_send(stream, FRAME_CYCLE_ABORT, &abort_message.base, NULL, 0);
}

static int stream_end(struct sender_stream *stream)
{
	Vmreplica__Wire__CycleEnd end = VMREPLICA__WIRE__CYCLE_END__INIT;
	uint8_t digest[SHA256_LEN];
	int result;

	sha256_final(stream->hash, digest);
	end.seq = stream->seq;
	end.cut_id = (char *)(uintptr_t)stream->cut_id;
	end.chunks = stream->chunks;
	end.data_bytes = stream->data_bytes;
	end.stream_hash.data = digest;
	end.stream_hash.len = sizeof(digest);
	stream->ended = true;
	atomic_store(&stream->progress->is_ending, true);
	result = stream_send(stream, FRAME_CYCLE_END, &end.base, NULL, 0);
	return result < 0 ? result
			  : stream_await(stream, &stream->committed, true, STREAM_COMMIT_MS,
					 "waiting for the commitment");
}

static int stream_handle(struct sender_stream *stream, const struct pipeline_item *item)
{
	int result = 0;

	switch (item->kind) {
	case PIPELINE_DATA:
		result = stream_send_data(stream, item);
		break;
	case PIPELINE_ZERO:
		result = stream_send_zero(stream, item->disk, item->offset, item->length);
		break;
	case PIPELINE_DIGEST:
		return stream_send_digest(stream, item);
	case PIPELINE_POSITION:
		break;
	case PIPELINE_GIVE_WAY:
		return stream_give_way(stream);
	case PIPELINE_END:
		return stream_end(stream);
	}
	stream_move_position(stream, item);
	return result;
}

static void stream_wait(struct sender_stream *stream)
{
	struct pollfd fds[2] = {{.fd = pipeline_fd(stream->pipeline), .events = POLLIN},
				{.fd = tls_fd(stream->peer->conn), .events = POLLIN}};

	if (poll(fds, 2, STREAM_IDLE_MS) > 0 && (fds[0].revents & POLLIN) != 0) {
		pipeline_fd_drain(stream->pipeline);
	}
}

static int stream_run(struct sender_stream *stream)
{
	int result = 0;

	while (result == 0 && !stream->ended) {
		struct pipeline_item *item;

		result = pipeline_take(stream->pipeline, &item);
		if (result == 0) {
			result = stream_handle(stream, item);
			pipeline_release(stream->pipeline);
		} else if (result == -EAGAIN) {
			stream_wait(stream);
			result = stream_ping_if_idle(stream);
		} else {
			return trouble_set(&stream->trouble, result, SCHEDULE_CANCELLED,
					   "cancelled", "the reader stopped the cycle");
		}
		stream_note_wire(stream);
		if (result == 0 && !stream->ended) {
			result = stream_receive_all(stream);
		}
		if (result == 0 && !stream->ended) {
			result = stream_mark_if_due(stream);
		}
	}
	return result;
}

static void *stream_main(void *arg)
{
	struct sender_stream *stream = arg;
	int result = stream_run(stream);

	if (result < 0) {
		pipeline_stop(stream->pipeline);
	}
	pthread_mutex_lock(&stream->reply_lock);
	stream->finished = true;
	pthread_cond_broadcast(&stream->reply_changed);
	pthread_mutex_unlock(&stream->reply_lock);
	return (void *)(intptr_t)result;
}

int sender_stream_start(struct sender_stream *stream)
{
	int64_t now = clock_monotonic_ms();
	pthread_condattr_t attr;
	int result;

	stream->hash = sha256_new();
	if (stream->hash == NULL) {
		return -ENOMEM;
	}
	rate_bucket_init(&stream->bucket, atomic_load(&stream->progress->limit_bytes_per_s), now);
	rate_meter_init(&stream->meter, now);
	stream->wire_start = tls_bytes_sent(stream->peer->conn);
	stream->mark_wire = stream->wire_start;
	stream->mark_ms = now;
	stream->sent_ms = now;
	pthread_mutex_init(&stream->reply_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stream->reply_changed, &attr);
	pthread_condattr_destroy(&attr);
	result = -pthread_create(&stream->thread, NULL, stream_main, stream);
	if (result < 0) {
		sha256_free(stream->hash);
	}
	return result;
}

int sender_stream_join(struct sender_stream *stream)
{
	void *result = NULL;

	pthread_join(stream->thread, &result);
	pthread_cond_destroy(&stream->reply_changed);
	pthread_mutex_destroy(&stream->reply_lock);
	sha256_free(stream->hash);
	return (int)(intptr_t)result;
}

bool sender_stream_is_finished(struct sender_stream *stream)
{
	bool finished;

	pthread_mutex_lock(&stream->reply_lock);
	finished = stream->finished;
	pthread_mutex_unlock(&stream->reply_lock);
	return finished;
}

int sender_stream_next_reply(struct sender_stream *stream, struct stream_reply *ret_reply,
			     int timeout_ms)
{
	struct timespec deadline;
	int result = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_nsec -= 1000000000;
		deadline.tv_sec++;
	}
	pthread_mutex_lock(&stream->reply_lock);
	while (stream->reply_in == stream->reply_out && !stream->finished && result == 0) {
		result = -pthread_cond_timedwait(&stream->reply_changed, &stream->reply_lock,
						 &deadline);
	}
	if (stream->reply_in != stream->reply_out) {
		*ret_reply = stream->replies[stream->reply_out++ % STREAM_REPLIES];
		result = 0;
	} else if (stream->finished) {
		result = -ECANCELED;
	}
	pthread_mutex_unlock(&stream->reply_lock);
	return result;
}
