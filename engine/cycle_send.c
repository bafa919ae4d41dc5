/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cycle's data: the job with its cut, then reader and sender side by side until COMMITTED. */
#include "engine/cycle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/sha256.h"
#include "engine/cycle_reader.h"

#define SEND_BEGIN_MS 60000
#define KEEP_STEP_MS  100

static int job_trouble(struct cycle *cycle, int error, const char *why)
{
	static const struct {
		int error;
		enum schedule_outcome outcome;
		const char *code;
	} table[] = {
		{-EBUSY, SCHEDULE_MISSED, "backup-job"},
		{-EAGAIN, SCHEDULE_MISSED, "vm-moving"},
		{-ENOSPC, SCHEDULE_MISSED, "scratch"},
		{-ENOENT, SCHEDULE_MISSED, "vm-unknown"},
		{-ESTALE, SCHEDULE_FAILED, "checkpoint-gone"},
		{-ETIMEDOUT, SCHEDULE_FAILED, "libvirt"},
		{-ENOTCONN, SCHEDULE_FAILED, "libvirt"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].error == error) {
			return trouble_set(&cycle->trouble, error, table[i].outcome, table[i].code,
					   "no backup job could be started: %s", why);
		}
	}
	return trouble_set(&cycle->trouble, error, SCHEDULE_FAILED, "backup",
			   "no backup job could be started: %s", why);
}

static int cycle_begin_job(struct cycle *cycle, const struct checkpoint_name *incremental,
			   const struct checkpoint_name *cut)
{
	struct source_job_request request = {
		.incremental = incremental,
		.cut = cut,
		/* An initial copy and a resynchronization are many cuts. The delta after them has
		 * its turn. */
		.application = cycle->want_application && cut != NULL &&
			       cycle->plan.kind == VMREPLICA__WIRE__MODE__MODE_DELTA,
	};
	char error[SOURCE_ERROR_LEN] = "";
	int result;

	if (canceller_is_cancelled(&cycle->peer->canceller)) {
		return trouble_set(&cycle->trouble, -ECANCELED, SCHEDULE_CANCELLED, "cancelled",
				   "stopped from this side");
	}
	result = source_job_begin(cycle->source, &request, &cycle->job, error);
	cycle->checkpoint_gone = result == -ESTALE;
	cycle->job_begin_ms = clock_monotonic_ms();
	return result < 0 ? job_trouble(cycle, result, error) : 0;
}

void cycle_end_job(struct cycle *cycle)
{
	char error[SOURCE_ERROR_LEN] = "";

	if (cycle->job == NULL) {
		return;
	}
	if (source_job_end(cycle->job, error) < 0) {
		log_warning("%s: the backup job did not end cleanly: %s", cycle->settings->vm,
			    error);
	} else if (error[0] != '\0') {
		memcpy(cycle->harm, error, sizeof(cycle->harm));
	}
	cycle->job = NULL;
}

struct cycle_reader cycle_make_reader(struct cycle *cycle)
{
	return (struct cycle_reader){
		.job = cycle->job,
		.source_index = cycle->source_index,
		.disk_sizes = cycle->disk_sizes,
		.disk_count = cycle->disk_count,
		.plan = &cycle->plan,
		.maps = cycle->maps,
		.pipeline = cycle->pipeline,
		.stream = &cycle->stream,
		.canceller = &cycle->peer->canceller,
		.trouble = &cycle->trouble,
		.checked_ms = clock_monotonic_ms(),
	};
}

/* What is dirty since K0 beyond the mark, read before the new cut. */
static int cycle_look(struct cycle *cycle)
{
	struct cycle_reader reader;
	int result;

	if (!cycle->plan.has_look) {
		return 0;
	}
	result = cycle_begin_job(cycle, &cycle->plan.look, NULL);
	if (result < 0) {
		return result;
	}
	reader = cycle_make_reader(cycle);
	result = cycle_reader_look(&reader, cycle->maps);
	cycle_reader_close(&reader);
	cycle_end_job(cycle);
	return result;
}

int cycle_make_cut(struct cycle *cycle)
{
	const char *why, *cut_id;
	int result;

	memcpy(cycle->cut.relationship, cycle->settings->relationship,
	       sizeof(cycle->cut.relationship));
	cycle->cut.epoch = cycle->epoch.number;
	cycle->cut.seq = cycle->plan.seq;
	if (name_make_cut_id(cycle->cut.cut_id) < 0) {
		return trouble_set(&cycle->trouble, -EIO, SCHEDULE_FAILED, "internal",
				   "the system gives no random numbers");
	}
	result = cycle_begin_job(
		cycle, cycle->plan.has_incremental ? &cycle->plan.incremental : NULL, &cycle->cut);
	if (result == 0) {
		cycle->application =
			source_job_application(cycle->job, &cycle->frozen_ms, &why) == 1;
		snprintf(cycle->application_why, sizeof(cycle->application_why), "%s",
			 cycle->application ? "" : why);
		cut_id = source_job_cut_id(cycle->job);
		if (cut_id != NULL) {
			snprintf(cycle->cut.cut_id, sizeof(cycle->cut.cut_id), "%s", cut_id);
		}
		cycle->cut_time_ms = source_job_cut_time_ms(cycle->job);
		cycle->kind = cycle->plan.kind;
		cycle_take_state(cycle);
	}
	return result;
}

/* The messages that CYCLE_BEGIN points at. */
struct begin_parts {
	Vmreplica__Cut base_cut;
	Vmreplica__Wire__Mark resumed;
	Vmreplica__Wire__Disk disks[DISKS_MAX];
	Vmreplica__Wire__Disk *disk_pointers[DISKS_MAX];
};

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void begin_fill_base(Vmreplica__Wire__CycleBegin *begin, struct begin_parts *parts,
			    struct peer_position *position)
{
	vmreplica__cut__init(&parts->base_cut);
	parts->base_cut.seq = position->committed_seq;
	parts->base_cut.cut_id = position->committed_cut_id;
	parts->base_cut.log_hash.data = position->committed_hash;
	parts->base_cut.log_hash.len = sizeof(position->committed_hash);
	parts->base_cut.time_ms = position->committed_time_ms;
	begin->base_cut = &parts->base_cut;
}

static void begin_fill_resumed(Vmreplica__Wire__CycleBegin *begin, struct begin_parts *parts,
			       struct resume_mark *mark)
{
	vmreplica__wire__mark__init(&parts->resumed);
	parts->resumed.mode = mark->mode;
	parts->resumed.seq = mark->seq;
	parts->resumed.cut_id = mark->cut_id;
	parts->resumed.disk = mark->disk;
	parts->resumed.offset = mark->offset;
	begin->resumed = &parts->resumed;
}

static void begin_fill_disks(Vmreplica__Wire__CycleBegin *begin, struct begin_parts *parts,
			     struct cycle *cycle)
{
	for (uint32_t i = 0; i < cycle->disk_count; i++) {
		vmreplica__wire__disk__init(&parts->disks[i]);
		parts->disks[i].name = cycle->disks[i].name;
		parts->disks[i].size_bytes = cycle->disks[i].size_bytes;
		parts->disk_pointers[i] = &parts->disks[i];
	}
	begin->disks = parts->disk_pointers;
	begin->n_disks = cycle->disk_count;
}

/* The domain's definition travels when this connection has not carried it yet, or it changed: in
 * the message, or behind it when it is long. Returns the length of such a payload. */
static uint32_t begin_fill_xml(Vmreplica__Wire__CycleBegin *begin, struct cycle *cycle)
{
	const char *xml = source_domain_xml(cycle->source);
	bool apart = (cycle->peer->features & PROTOCOL_FEATURE_DEFINITION) != 0;
	uint8_t hash[SHA256_LEN];
	size_t len = strlen(xml);

	if (sha256_of(xml, len, hash) < 0 ||
	    memcmp(hash, cycle->peer->sent_xml_hash, sizeof(hash)) == 0) {
		return 0;
	}
	memcpy(cycle->peer->sent_xml_hash, hash, sizeof(hash));
	if (len > (apart ? DOMAIN_XML_MAX : DOMAIN_XML_INLINE_MAX)) {
		log_warning("%s: its domain XML of %zu bytes is longer than what %s takes: the "
			    "replica keeps an older one or none",
			    cycle->settings->vm, len, cycle->peer->node);
		return 0;
	}
	if (len > DOMAIN_XML_INLINE_MAX) {
		return (uint32_t)len;
	}
	begin->domain_xml.data = (uint8_t *)(uintptr_t)xml;
	begin->domain_xml.len = len;
	return 0;
}

static int cycle_send_begin(struct cycle *cycle, uint64_t estimate_bytes)
{
	Vmreplica__Wire__CycleBegin begin = VMREPLICA__WIRE__CYCLE_BEGIN__INIT;
	struct begin_parts parts;
	uint32_t xml_len;
	int result;

	begin.mode = cycle->plan.kind;
	begin.seq = cycle->cut.seq;
	begin.cut_id = cycle->cut.cut_id;
	begin.cut_time_ms = cycle->cut_time_ms;
	begin.consistency = borrow(cycle->application ? "application" : "crash");
	begin.estimate_bytes = estimate_bytes;
	begin.final = cycle->final;
	if (cycle->plan.kind == VMREPLICA__WIRE__MODE__MODE_DELTA) {
		begin_fill_base(&begin, &parts, &cycle->peer->position);
	}
	if (cycle->plan.resumed) {
		begin_fill_resumed(&begin, &parts, &cycle->plan.mark);
	}
	begin_fill_disks(&begin, &parts, cycle);
	xml_len = begin_fill_xml(&begin, cycle);
	cycle->begun = true;
	result = channel_send(&cycle->peer->channel, FRAME_CYCLE_BEGIN, &begin.base,
			      xml_len > 0 ? source_domain_xml(cycle->source) : NULL, xml_len,
			      SEND_BEGIN_MS);
	return result < 0 ? peer_failed(cycle->peer, result, "beginning a cycle", &cycle->trouble)
			  : 0;
}

static int cycle_start_stream(struct cycle *cycle)
{
	cycle->stream = (struct sender_stream){
		.peer = cycle->peer,
		.pipeline = cycle->pipeline,
		.progress = cycle->progress,
		.kind = cycle->plan.kind,
		.seq = cycle->cut.seq,
		.cut_id = cycle->cut.cut_id,
	};
	if (sender_stream_start(&cycle->stream) < 0) {
		return trouble_set(&cycle->trouble, -ENOMEM, SCHEDULE_FAILED, "memory",
				   "out of memory");
	}
	return 0;
}

/* Tell the sender how the reading ended. A failed push means that the sender is over already. */
static void cycle_push_end(struct cycle *cycle, int read_result)
{
	struct pipeline_item item = {.kind = read_result == 0 ? PIPELINE_END : PIPELINE_GIVE_WAY};
	int result;

	if (cycle->trouble.outcome == SCHEDULE_CANCELLED && read_result < 0) {
		pipeline_stop(cycle->pipeline);
		return;
	}
	do {
		result = pipeline_push(cycle->pipeline, &item, 250);
	} while (result == -ETIMEDOUT && !canceller_is_cancelled(&cycle->peer->canceller));
	if (result == -ETIMEDOUT) {
		pipeline_stop(cycle->pipeline);
	}
}

/* A VM that was shut off may have been started under the reader. */
static int cycle_confirm_read(struct cycle *cycle)
{
	char error[SOURCE_ERROR_LEN] = "";
	int result = source_job_confirm(cycle->job, error);

	return result < 0 ? trouble_set(&cycle->trouble, result, SCHEDULE_MISSED, "job-ended", "%s",
					error)
			  : 0;
}

/* The job stays for a verification of this cut: its scratch is watched on while the stream ends. */
static void cycle_keep_job(struct cycle *cycle, struct cycle_reader *reader)
{
	struct trouble trouble = {0};

	reader->trouble = &trouble;
	while (cycle->job != NULL && !sender_stream_is_finished(&cycle->stream)) {
		if (reader_watch(reader) < 0) {
			cycle_end_job(cycle);
			cycle->verify->trouble = trouble;
		}
		clock_sleep_ms(KEEP_STEP_MS);
	}
	reader->trouble = &cycle->trouble;
}

/* Reader here, sender on its thread. The job ends with the last read, before the network is
 * through; but for a verification. */
static int cycle_transfer(struct cycle *cycle, struct cycle_reader *reader)
{
	int read_result, stream_result;

	read_result = cycle_start_stream(cycle);
	if (read_result < 0) {
		return read_result;
	}
	read_result = cycle_reader_run(reader);
	if (read_result == 0) {
		read_result = cycle_confirm_read(cycle);
	}
	cycle_reader_close(reader);
	if (read_result < 0 || cycle->verify == NULL) {
		cycle_end_job(cycle);
	}
	cycle_push_end(cycle, read_result);
	cycle_keep_job(cycle, reader);
	stream_result = sender_stream_join(&cycle->stream);
	cycle->data_bytes = cycle->stream.data_bytes;
	cycle->wire_bytes = atomic_load(&cycle->progress->wire_bytes);
	/* A reader that only saw the stream end has nothing to say of its own. */
	if (stream_result < 0 &&
	    (read_result == 0 || strcmp(cycle->trouble.code, READER_STREAM_OVER) == 0)) {
		cycle->trouble = cycle->stream.trouble;
		return stream_result;
	}
	if (read_result == 0 && !cycle->stream.committed) {
		return trouble_set(&cycle->trouble, -EPROTO, SCHEDULE_FAILED, "internal",
				   "the cycle ended without being committed");
	}
	return read_result;
}

static void cycle_start_progress(struct cycle *cycle, uint64_t total_bytes)
{
	struct cycle_progress *progress = cycle->progress;

	atomic_store(&progress->done_bytes, 0);
	atomic_store(&progress->total_bytes, total_bytes);
	atomic_store(&progress->wire_bytes, 0);
	atomic_store(&progress->rate_bytes_per_s, 0);
	atomic_store(&progress->is_ending, false);
	atomic_store(&progress->kind, (int)cycle->plan.kind);
}

/* The cycle is committed: what comes now may be given up at any moment. */
static void cycle_verify(struct cycle *cycle, struct cycle_reader *reader)
{
	atomic_store(&cycle->progress->is_ending, false);
	atomic_store(&cycle->progress->kind, 0);
	cycle_verify_slice(cycle, reader);
}

static int cycle_send_cut(struct cycle *cycle)
{
	struct cycle_reader reader = cycle_make_reader(cycle);
	uint64_t total_bytes = 0;
	int result = cycle_reader_estimate(&reader, &total_bytes);

	if (result == 0) {
		cycle_start_progress(cycle, total_bytes);
		result = cycle_send_begin(cycle, total_bytes);
	}
	if (result == 0) {
		result = cycle_send_state(cycle);
	}
	if (result == 0) {
		result = cycle_transfer(cycle, &reader);
		cycle->latency_ms = clock_monotonic_ms() - cycle->job_begin_ms;
		if (result == 0 && cycle->job != NULL) {
			cycle_verify(cycle, &reader);
		}
	} else {
		cycle_reader_close(&reader);
	}
	cycle_end_job(cycle);
	return result;
}

int cycle_send(struct cycle *cycle)
{
	int result = cycle_look(cycle);

	if (result == 0) {
		result = cycle_make_cut(cycle);
	}
	if (result < 0) {
		return result;
	}
	cycle->pipeline = pipeline_new(cycle->pool);
	if (cycle->pipeline == NULL) {
		cycle_end_job(cycle);
		return trouble_set(&cycle->trouble, -ENOMEM, SCHEDULE_FAILED, "memory",
				   "out of memory");
	}
	result = cycle_send_cut(cycle);
	pipeline_free(cycle->pipeline);
	cycle->pipeline = NULL;
	return result;
}
