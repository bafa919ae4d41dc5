/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/cycle_verify.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "engine/cycle.h"
#include "engine/cycle_reader.h"

#define VERIFY_WINDOW	  ((uint64_t)STREAM_DIGEST_BLOCK * STREAM_DIGEST_BLOCKS)
#define VERIFY_AHEAD	  4u	/* windows without an answer */
#define VERIFY_ANSWER_MS  60000 /* the receiver waits for its applier, and reads 16 MiB */
#define VERIFY_SEND_MS	  30000
#define VERIFY_RECHECK_MS 250

struct verify_window {
	uint32_t disk;
	uint64_t offset, length;
};

struct verify_slice {
	struct cycle *cycle;
	struct verify_state *verify;
	struct cycle_reader *reader;
	struct trouble trouble;
	struct verify_window windows[VERIFY_AHEAD]; /* asked, in order */
	unsigned int first, count;
	uint32_t disk; /* the next to ask for */
	uint64_t offset;
	int64_t deadline_ms;
	bool refused; /* the receiver could not compare: the connection is fine */
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The answers of what is asked already are all that still counts. */
static bool slice_asks_more(const struct verify_slice *slice)
{
	return slice->disk < slice->verify->disk_count && clock_monotonic_ms() < slice->deadline_ms;
}

static void slice_skip_done_disks(struct verify_slice *slice)
{
	while (slice->disk < slice->verify->disk_count &&
	       slice->offset >= slice->verify->disks[slice->disk].size_bytes) {
		slice->disk++;
		slice->offset = 0;
	}
}

static int slice_send(struct verify_slice *slice, const struct verify_window *window,
		      const uint8_t *digests)
{
	Vmreplica__Wire__Verify message = VMREPLICA__WIRE__VERIFY__INIT;
	struct peer *peer = slice->cycle->peer;
	int result;

	message.seq = slice->cycle->cut.seq;
	message.cut_id = slice->cycle->cut.cut_id;
	message.disk = slice->verify->disks[window->disk].name;
	message.offset = window->offset;
	message.block_bytes = STREAM_DIGEST_BLOCK;
	message.count =
		(uint32_t)((window->length + STREAM_DIGEST_BLOCK - 1) / STREAM_DIGEST_BLOCK);
	result = channel_send(&peer->channel, FRAME_VERIFY, &message.base, digests,
			      message.count * 16, VERIFY_SEND_MS);
	return result < 0 ? peer_failed(peer, result, "asking for a comparison", &slice->trouble)
			  : 0;
}

static int slice_ask(struct verify_slice *slice)
{
	struct verify_window window = {.disk = slice->disk, .offset = slice->offset};
	uint8_t *digests;
	int result;

	window.length = min_u64(VERIFY_WINDOW,
				slice->verify->disks[slice->disk].size_bytes - slice->offset);
	result = cycle_reader_open(slice->reader, slice->disk);
	if (result < 0) {
		return result;
	}
	digests = reader_buffer(slice->reader);
	if (digests == NULL) {
		return -ECANCELED;
	}
	result = cycle_digest_window(slice->reader, window.disk, window.offset, window.length,
				     digests);
	result = result < 0 ? result : slice_send(slice, &window, digests);
	pipeline_buffer_give(slice->cycle->pipeline, digests);
	if (result == 0) {
		slice->windows[(slice->first + slice->count++) % VERIFY_AHEAD] = window;
		slice->offset += window.length;
		slice_skip_done_disks(slice);
	}
	return result;
}

/* The next VERIFIED; scratch and cancel are watched meanwhile. */
static int slice_receive(struct verify_slice *slice, struct frame *ret_frame,
			 uint8_t map[STREAM_DIGEST_BLOCKS / 8])
{
	struct peer *peer = slice->cycle->peer;
	int64_t deadline_ms = clock_monotonic_ms() + VERIFY_ANSWER_MS;

	for (;;) {
		int result = peer_receive(peer, ret_frame, map, STREAM_DIGEST_BLOCKS / 8,
					  VERIFY_RECHECK_MS, &slice->trouble);

		if (result == 0 && ret_frame->type == FRAME_VERIFIED) {
			return 0;
		}
		if (result == 0 && ret_frame->type == FRAME_PING) {
			result = peer_pong(
				peer, ((const Vmreplica__Wire__Ping *)ret_frame->message)->value);
		}
		if (result < 0 && result != -ETIMEDOUT) {
			return result;
		}
		result = reader_watch(slice->reader);
		if (result < 0) {
			return result;
		}
		if (clock_monotonic_ms() > deadline_ms) {
			return peer_failed(peer, -ETIMEDOUT, "waiting for a comparison",
					   &slice->trouble);
		}
	}
}

static int slice_take(struct verify_slice *slice)
{
	const struct verify_window window = slice->windows[slice->first];
	struct verify_state *verify = slice->verify;
	const Vmreplica__Wire__Verified *answer;
	uint8_t map[STREAM_DIGEST_BLOCKS / 8];
	struct frame frame;
	int result = slice_receive(slice, &frame, map);

	if (result < 0) {
		return result;
	}
	answer = (const Vmreplica__Wire__Verified *)frame.message;
	slice->first = (slice->first + 1) % VERIFY_AHEAD;
	slice->count--;
	if (strcmp(answer->disk, verify->disks[window.disk].name) != 0 ||
	    answer->offset != window.offset ||
	    answer->count != (window.length + STREAM_DIGEST_BLOCK - 1) / STREAM_DIGEST_BLOCK) {
		return trouble_set(&slice->trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "a comparison answers another question");
	}
	if (answer->code[0] != '\0' || slice->refused) {
		if (!slice->refused) {
			trouble_set(&slice->trouble, -EAGAIN, SCHEDULE_MISSED, answer->code, "%s",
				    answer->reason);
		}
		slice->refused = true; /* what was asked after it does not count either */
		return 0;
	}
	verify_state_note(verify, window.disk, window.offset, window.offset + window.length,
			  STREAM_DIGEST_BLOCK, map, answer->count);
	verify->disk = window.disk;
	verify->offset = window.offset + window.length;
	atomic_fetch_add(&verify->done_bytes, window.length);
	return 0;
}

static int slice_run(struct verify_slice *slice)
{
	int result = 0;

	slice_skip_done_disks(slice);
	while (result == 0 && (slice->count > 0 || (!slice->refused && slice_asks_more(slice)))) {
		if (slice->count < VERIFY_AHEAD && !slice->refused && slice_asks_more(slice)) {
			result = slice_ask(slice);
		} else {
			result = slice_take(slice);
		}
	}
	return result;
}

static void slice_take_disks(struct verify_slice *slice)
{
	struct verify_disk disks[DISKS_MAX];

	for (uint32_t i = 0; i < slice->cycle->disk_count; i++) {
		memcpy(disks[i].name, slice->cycle->disks[i].name, sizeof(disks[i].name));
		disks[i].size_bytes = slice->cycle->disks[i].size_bytes;
	}
	verify_state_take_disks(slice->verify, disks, slice->cycle->disk_count);
	slice->disk = slice->verify->disk;
	slice->offset = slice->verify->offset;
}

/* A VM that was shut off may have been started under the reader: what was read then proves
 * nothing. */
static bool slice_is_of_the_cut(struct verify_slice *slice)
{
	char error[SOURCE_ERROR_LEN] = "";
	int result = source_job_confirm(slice->cycle->job, error);

	if (result < 0 && slice->trouble.code[0] == '\0') {
		trouble_set(&slice->trouble, result, SCHEDULE_MISSED, "job-ended", "%s", error);
	}
	return result == 0;
}

void cycle_verify_slice(struct cycle *cycle, struct cycle_reader *reader)
{
	struct verify_state *verify = cycle->verify;
	struct verify_slice slice = {.cycle = cycle,
				     .verify = verify,
				     .reader = reader,
				     .deadline_ms = clock_monotonic_ms() + verify->slice_ms};
	uint64_t before_bytes;
	bool confirmed;
	int result;

	verify->used = true;
	reader->stream = NULL;
	reader->trouble = &slice.trouble;
	slice_take_disks(&slice);
	before_bytes = atomic_load(&verify->done_bytes);
	result = (cycle->peer->features & PROTOCOL_FEATURE_VERIFY) != 0
			 ? slice_run(&slice)
			 : trouble_set(&slice.trouble, -ENOTSUP, SCHEDULE_DENIED, "version",
				       "vmreplica on %s is too old to compare: update it",
				       cycle->peer->node);
	confirmed = slice_is_of_the_cut(&slice);
	verify_state_end_slice(verify, cycle->cut.seq, before_bytes, confirmed,
			       slice.trouble.outcome == SCHEDULE_CANCELLED);
	cycle_reader_close(reader);
	if (result < 0 && slice.trouble.outcome != SCHEDULE_DENIED) {
		peer_close(cycle->peer); /* answers may be on their way that nobody waits for */
	}
	verify->trouble = slice.trouble;
}
