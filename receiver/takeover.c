/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about takeovers, and their answers. */
#include "receiver/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/validate.h"
#include "receiver/borrow.h"
#include "receiver/image.h"
#include "receiver/overlay.h"
#include "receiver/stores.h"
#include "receiver/takeover_job.h"

/* ---- answers ---- */

/* One disk of an answer, and what its fields point at. */
struct disk_answer {
	Vmreplica__Ipc__TakenDisk message;
	char path[IMAGE_PATH_LEN], backing[IMAGE_PATH_LEN];
	char **chain; /* owned, with its texts */
};

static void disk_answer_destroy(struct disk_answer *answer)
{
	for (size_t i = 0; i < answer->message.n_chain; i++) {
		free(answer->chain[i]);
	}
	free(answer->chain);
}

static int chain_fill(const struct takeover_job *job, struct disk_answer *answer)
{
	const struct manifest_disk *disk = manifest_image_find(&job->chains, answer->message.name);
	char path[IMAGE_PATH_LEN];

	if (disk == NULL) {
		return 0;
	}
	answer->chain = calloc(disk->layer_count + 1, sizeof(*answer->chain));
	if (answer->chain == NULL) {
		return -ENOMEM;
	}
	answer->message.chain = answer->chain;
	for (size_t i = takeover_merge_base(disk); i < disk->layer_count; i++) {
		char *layer = strdup(image_path(job->store, disk->layers[i].file, path));

		if (layer == NULL) {
			return -ENOMEM;
		}
		answer->chain[answer->message.n_chain++] = layer;
	}
	return 0;
}

static int disk_fill(const struct takeover_job *job, const struct manifest_taken_disk *disk,
		     struct disk_answer *answer)
{
	const char *top = disk->built.file[0] != '\0' ? disk->built.file : disk->base;

	vmreplica__ipc__taken_disk__init(&answer->message);
	image_path(job->store, top, answer->backing);
	if (job->taken.kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER) {
		overlay_path(job->store, &job->taken, disk->name, answer->path);
	}
	answer->message.name = borrow(disk->name);
	answer->message.path = answer->path;
	answer->message.backing = answer->backing;
	answer->message.size_bytes = disk->size_bytes;
	return chain_fill(job, answer);
}

static void taken_fill(const struct takeover_job *job, Vmreplica__Ipc__StoreTaken *message)
{
	message->id = job->id;
	message->relationship = borrow(job->relationship);
	message->bytes = job->bytes;
	message->seq = job->taken.cut.seq;
	message->cut_id = borrow(job->taken.cut.cut_id);
	message->time_ms = job->taken.cut.time_ms;
	message->consistency = borrow(job->taken.application ? "application" : "crash");
	message->path = borrow(job->path);
	message->state = borrow(job->state);
	message->last_seq = job->last.seq;
	message->last_cut_id = borrow(job->last.cut_id);
}

static void taken_send(const struct takeover_job *job, int error)
{
	Vmreplica__Ipc__StoreTaken message = VMREPLICA__IPC__STORE_TAKEN__INIT;
	const size_t count = error == 0 ? job->taken.disk_count : 0;
	cleanup_free struct disk_answer *disks = calloc(count + 1, sizeof(*disks));
	cleanup_free Vmreplica__Ipc__TakenDisk **list = calloc(count + 1, sizeof(*list));

	taken_fill(job, &message);
	message.error = disks == NULL || list == NULL ? -ENOMEM : error;
	message.text = borrow(message.error == error ? job->error : "out of memory");
	for (size_t i = 0; message.error == 0 && i < count; i++) {
		message.error = disk_fill(job, &job->taken.disks[i], &disks[i]);
		list[i] = &disks[i].message;
		message.n_disks = i + 1;
	}
	message.disks = list;
	if (job->receiver->link != NULL) {
		link_send(job->receiver->link, FRAME_STORE_TAKEN, &message.base);
	}
	for (size_t i = 0; disks != NULL && i < message.n_disks; i++) {
		disk_answer_destroy(&disks[i]);
	}
}

/* ---- "working" ---- */

struct working {
	struct receiver *receiver;
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t id, bytes;
};

static void working_send_cb(void *arg)
{
	Vmreplica__Ipc__StoreTaken message = VMREPLICA__IPC__STORE_TAKEN__INIT;
	struct working *working = arg;

	message.id = working->id;
	message.relationship = working->relationship;
	message.working = true;
	message.bytes = working->bytes;
	if (working->receiver->link != NULL) {
		link_send(working->receiver->link, FRAME_STORE_TAKEN, &message.base);
	}
	free(working);
}

void takeover_tell(struct takeover_job *job, uint64_t bytes)
{
	struct working *working = calloc(1, sizeof(*working));

	if (working == NULL) {
		return; /* it is only told */
	}
	working->receiver = job->receiver;
	working->id = job->id;
	working->bytes = bytes;
	snprintf(working->relationship, sizeof(working->relationship), "%s", job->relationship);
	if (receiver_post(job->receiver, working_send_cb, working) < 0) {
		free(working);
	}
}

/* ---- jobs, one at a time of a store ---- */

static void job_free(struct takeover_job *job)
{
	store_unref(job->store);
	manifest_takeover_destroy(&job->taken);
	manifest_image_destroy(&job->chains);
	free(job);
}

static void job_fail(struct takeover_job *job, int error, const char *text)
{
	snprintf(job->error, sizeof(job->error), "%s", text);
	taken_send(job, error);
	job_free(job);
}

static int job_run(void *arg)
{
	struct takeover_job *job = arg;
	struct store *store = job->store;
	int rc;

	pthread_mutex_lock(&store->lock);
	store->taking = true;
	rc = takeover_check(job);
	rc = rc < 0 ? rc : job->run(job);
	store->taking = false;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static void job_submit(struct takeover_job *job);

static void job_done_cb(void *arg, int result)
{
	struct takeover_job *job = arg;
	struct takeover_job *next = job->next;

	if (result < 0 && !job->estimate) {
		log_warning("%s: %s", job->store->vm, job->error);
	}
	job->store->takeover = next;
	taken_send(job, result);
	job_free(job);
	if (next != NULL) {
		job_submit(next);
	}
}

static void job_submit(struct takeover_job *job)
{
	job->store->takeover = job;
	if (workers_submit(job->receiver->takeover_workers, job_run, job_done_cb, job) < 0) {
		snprintf(job->error, sizeof(job->error), "out of memory");
		job_done_cb(job, -ENOMEM);
	}
}

/* Behind what is under way; an end does not wait for long. */
static void job_queue(struct takeover_job *job, bool ends)
{
	struct takeover_job *first = job->store->takeover;

	if (first == NULL) {
		job_submit(job);
		return;
	}
	if (first->next != NULL) {
		job_fail(job, -EBUSY, "other requests about this store are under way: ask again");
		return;
	}
	first->next = job;
	if (ends) {
		atomic_store(&first->stop, true);
	}
}

static struct takeover_job *job_new(struct receiver *receiver, uint64_t id,
				    const char *relationship)
{
	struct takeover_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		return NULL; /* the engine's request runs into its timeout */
	}
	job->receiver = receiver;
	job->id = id;
	atomic_init(&job->stop, false);
	snprintf(job->relationship, sizeof(job->relationship), "%s", relationship);
	job->store = stores_find(receiver, job->relationship);
	if (job->store == NULL) {
		job_fail(job, -ENOENT, "the replica's store is not open here");
		return NULL;
	}
	return job;
}

static void epoch_take(const Vmreplica__Epoch *from, struct manifest_epoch *to)
{
	if (from != NULL) {
		to->number = from->number;
		snprintf(to->lineage, sizeof(to->lineage), "%s", from->lineage);
		snprintf(to->site, sizeof(to->site), "%s", from->site);
	}
}

static bool epoch_is_sound(const struct manifest_epoch *epoch)
{
	return epoch->number != 0 && epoch->number <= INT64_MAX && validate_uuid(epoch->lineage) &&
	       validate_site_name(epoch->site);
}

void takeover_request(struct receiver *receiver, const Vmreplica__Ipc__StoreTakeover *request)
{
	bool test = request->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST;
	struct takeover_job *job = job_new(receiver, request->id, request->relationship);

	if (job == NULL) {
		return;
	}
	job->wish.latest = request->latest;
	job->wish.seq = request->seq;
	job->planned = request->planned;
	job->estimate = request->estimate;
	job->run = test ? takeover_test_run : takeover_failover_run;
	epoch_take(request->epoch, &job->epoch);
	snprintf(job->wish.cut_id, sizeof(job->wish.cut_id), "%s", request->cut_id);
	snprintf(job->holder, sizeof(job->holder), "%s", request->holder);
	if (!test && request->kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER) {
		job_fail(job, -EINVAL, "neither a failover nor a test");
	} else if (!job->estimate && (!validate_vm_name(request->holder) ||
				      strlen(request->holder) > MANIFEST_HOLDER_MAX)) {
		job_fail(job, -EINVAL, "the VM's name is not a plain name");
	} else if (!test && !job->estimate && !epoch_is_sound(&job->epoch)) {
		job_fail(job, -EINVAL, "the failover has no epoch");
	} else {
		job_queue(job, false);
	}
}

void takeover_end_request(struct receiver *receiver,
			  const Vmreplica__Ipc__StoreTakeoverEnd *request)
{
	struct takeover_job *job = job_new(receiver, request->id, request->relationship);

	if (job == NULL) {
		return;
	}
	epoch_take(request->epoch, &job->epoch);
	switch (request->end) {
	case VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CLEANUP:
		job->run = takeover_cleanup_run;
		break;
	case VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CANCEL:
		job->run = takeover_cancel_run;
		job->undo = request->undo;
		break;
	case VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_COMMIT:
		job->run = takeover_commit_run;
		break;
	case VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_MERGED:
		job->run = takeover_merged_run;
		break;
	case VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_ADVANCE:
		job->run = takeover_advance_run;
		break;
	default:
		job_fail(job, -EINVAL, "no end of a takeover");
		return;
	}
	if (job->run == takeover_cancel_run && !epoch_is_sound(&job->epoch)) {
		job_fail(job, -EINVAL, "the cancel has no epoch");
		return;
	}
	job_queue(job, job->run == takeover_cleanup_run || job->run == takeover_cancel_run);
}

void takeover_extents_request(struct receiver *receiver,
			      const Vmreplica__Ipc__StoreExtents *request)
{
	struct takeover_job *job = job_new(receiver, request->id, request->relationship);

	if (job == NULL) {
		return;
	}
	job->wish.seq = request->after_seq;
	job->run = takeover_extents_run;
	if (request->path[0] != '\0') {
		job_fail(job, -EINVAL, "the receiver chooses the file's place, in the store");
	} else {
		job_queue(job, false);
	}
}

int takeover_wait_idle(struct store *store, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (store->taking) {
		if (clock_monotonic_ms() > deadline_ms) {
			return -ETIMEDOUT;
		}
		store_wait(store, 500);
	}
	return 0;
}
