/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of a failover that go through the receiver, and those that make the VM's resource. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/epoch.h"
#include "engine/failover.h"
#include "engine/failover_place.h"
#include "engine/replica_takeover.h"
#include "engine/standing.h"
#include "engine/store_directory.h"
#include "proto/message_copy.h"

/* Pacemaker's configuration, the receiver: what is away for a while comes back. */
#define SETTING_LIMIT_MS  120000
#define RECEIVER_LIMIT_MS 600000
#define BUSY_LIMIT_MS	  120000

#define TEST	VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST
#define CLEANUP VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST_CLEANUP
#define PLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED
#define CANCEL	VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL

#define SEE_CLUSTER "pcs status shows how the cluster is"

/* ---- the receiver ---- */

static bool is_passing(int error)
{
	return error == -ECONNRESET || error == -ETIMEDOUT || error == -ESHUTDOWN ||
	       error == -ENOTCONN || error == -EAGAIN;
}

static int keep_taken(struct failover *failover, const Vmreplica__Ipc__StoreTaken *answer)
{
	Vmreplica__Ipc__StoreTaken *copy =
		(Vmreplica__Ipc__StoreTaken *)message_copy(&answer->base);

	if (copy == NULL) {
		return -ENOMEM;
	}
	if (failover->taken != NULL) {
		vmreplica__ipc__store_taken__free_unpacked(failover->taken, NULL);
	}
	failover->taken = copy;
	return 0;
}

/* True: the answer is final and good. Otherwise the step goes on, or has failed. */
static bool receiver_answered(struct failover *failover, const Vmreplica__Ipc__StoreTaken *answer)
{
	if (answer->working) {
		failover_job_note(failover->job, "%" PRIu64 " MiB of cycles are to be applied",
				  answer->bytes >> 20);
		return false;
	}
	failover->busy = false;
	if (answer->error == 0) {
		return true;
	}
	if (is_passing(answer->error)) {
		failover_later(failover, FAILOVER_RETRY_MS, RECEIVER_LIMIT_MS,
			       "vmreplica events shows what the receiver is at",
			       "the replica's store is waited for: %s", answer->text);
	} else if (answer->error == -EBUSY) {
		failover_later(failover, FAILOVER_RETRY_MS, BUSY_LIMIT_MS,
			       "end what holds it, then order it again", "%s", answer->text);
	} else {
		failover_failed(failover, answer->error, "vmreplica points lists what there is",
				"%s", answer->text);
	}
	return false;
}

static void receiver_away(struct failover *failover)
{
	failover_later(failover, FAILOVER_RETRY_MS, RECEIVER_LIMIT_MS,
		       "vmreplica status shows why the store is not open",
		       "the replica's store is not open at the moment");
}

static void taken_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct failover *failover = arg;
	char stamp[RFC3339_LEN];

	if (!receiver_answered(failover, answer)) {
		return;
	}
	if (keep_taken(failover, answer) < 0) {
		failover_failed(failover, -ENOMEM, "order it again", "out of memory");
		return;
	}
	failover_job_note(failover->job, "cycle %" PRIu64 " of %s, %s-consistent", answer->seq,
			  clock_format_rfc3339(answer->time_ms, stamp), answer->consistency);
	failover_done(failover);
}

void failover_step_takeover(struct failover *failover)
{
	Vmreplica__Ipc__StoreTakeover request = VMREPLICA__IPC__STORE_TAKEOVER__INIT;
	bool test = failover->order.kind == TEST;
	struct replica *replica = failover_replica(failover);
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
	char holder[RESOURCE_ID_MAX + 1];
	int result = -ENOTCONN;

	if (failover_stops_refused(failover) ||
	    (replica != NULL && failover_asks_primary(failover))) {
		return;
	}
	if (replica != NULL) {
		request.kind = test ? VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST
				    : VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
		request.holder = test ? failover_test_name(failover, holder)
				      : replica_definition_vm(replica, holder);
		request.latest = failover->order.latest;
		request.seq = failover->order.seq;
		request.cut_id = failover->order.cut_id;
		request.planned = failover->order.kind == PLANNED;
		if (!test) {
			epoch_to_message(&failover->order.epoch, &epoch);
			request.epoch = &epoch;
		}
		failover->busy = true;
		result = replica_takeover_ask(replica, &request, taken_cb, failover);
	}
	if (result < 0) {
		failover->busy = false;
		receiver_away(failover);
	}
}

static void released_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct failover *failover = arg;
	struct replica *replica = failover_replica(failover);

	if (!receiver_answered(failover, answer)) {
		return;
	}
	if (replica != NULL && failover->order.kind != TEST && failover->order.kind != CLEANUP) {
		replica->failed_over = false;
	}
	if (failover->order.kind == CANCEL) {
		snprintf(failover->outcome, sizeof(failover->outcome),
			 "%s receives again, from where it was", failover->vm);
	} else if (failover->order.kind == CLEANUP) {
		snprintf(failover->outcome, sizeof(failover->outcome),
			 "nothing of the test failover of %s is left", failover->vm);
	}
	failover_done(failover);
}

void failover_step_release(struct failover *failover)
{
	bool test = failover->order.kind == TEST || failover->order.kind == CLEANUP;
	Vmreplica__Ipc__StoreTakeoverEnd request = VMREPLICA__IPC__STORE_TAKEOVER_END__INIT;
	struct replica *replica = failover_replica(failover);
	Vmreplica__Epoch message = VMREPLICA__EPOCH__INIT;
	struct epoch epoch;
	int result = -ENOTCONN;

	if (replica != NULL && !test) {
		result = failover_release_epoch(failover, replica, &epoch);
		if (result < 0) {
			failover_failed(failover, result, "order it again", "no epoch: %s",
					strerror(-result));
			return;
		}
		epoch_to_message(&epoch, &message);
		request.epoch = &message;
		/* what it holds the receiver alone knows: the last status may be of before */
		request.undo = failover->state.undo;
	}
	if (replica != NULL) {
		request.end = test ? VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CLEANUP
				   : VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CANCEL;
		failover->busy = true;
		result = replica_takeover_end(replica, &request, released_cb, failover);
	}
	if (result < 0) {
		failover->busy = false;
		receiver_away(failover);
	}
}

static void points_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct failover *failover = arg;

	if (!receiver_answered(failover, answer)) {
		return;
	}
	if (keep_taken(failover, answer) < 0) {
		failover_failed(failover, -ENOMEM, "order it again", "out of memory");
		return;
	}
	failover_job_note(failover->job, "the other recovery points are dropped");
	failover_done(failover);
}

void failover_step_points(struct failover *failover)
{
	Vmreplica__Ipc__StoreTakeoverEnd request = VMREPLICA__IPC__STORE_TAKEOVER_END__INIT;
	struct replica *replica = failover_replica(failover);
	int result = -ENOTCONN;

	if (replica != NULL) {
		request.end = VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_COMMIT;
		failover->busy = true;
		result = replica_takeover_end(replica, &request, points_cb, failover);
	}
	if (result < 0) {
		failover->busy = false;
		receiver_away(failover);
	}
}

/* ---- the definition and the resource ---- */

static void defined_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error == 0) {
		failover_done(failover);
	} else {
		failover_failed(failover, error, "vmreplica check shows what the VM lacks here",
				"the VM's definition cannot be made: %s", text);
	}
}

void failover_step_definition(struct failover *failover)
{
	struct definition_images *images = calloc(1, sizeof(*images));
	struct replica *replica = failover_replica(failover);
	int result = images == NULL ? -ENOMEM : -ENOTCONN;

	for (size_t i = 0; images != NULL && i < failover->taken->n_disks && i < DISKS_MAX; i++) {
		const Vmreplica__Ipc__TakenDisk *disk = failover->taken->disks[i];

		snprintf(images->disks[i].target, sizeof(images->disks[i].target), "%s",
			 disk->name);
		snprintf(images->disks[i].path, sizeof(images->disks[i].path), "%s", disk->path);
		images->count++;
	}
	if (replica != NULL && images != NULL) {
		snprintf(images->state, sizeof(images->state), "%s", failover->taken->state);
		replica->failed_over = true;
		failover->busy = true;
		result = replica_definition_write(replica->definition, images, NULL, defined_cb,
						  failover);
	}
	free(images);
	if (result < 0) {
		failover->busy = false;
		failover_later(failover, 100, RECEIVER_LIMIT_MS,
			       "vmreplica status shows how the replica is",
			       "the definition waits: %s", strerror(-result));
	}
}

static void made_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error == 0) {
		failover_done(failover);
	} else if (error == -EEXIST || error == -EINVAL) {
		failover_failed(failover, error, SEE_CLUSTER, "%s", text);
	} else {
		failover_later(failover, FAILOVER_RETRY_MS, SETTING_LIMIT_MS, SEE_CLUSTER,
			       "the VM's resource cannot be made: %s", text);
	}
}

/* Made when the replica was enrolled; by an older broker it was not. */
void failover_step_resource(struct failover *failover)
{
	struct cluster *cluster = &failover->engine->cluster;
	struct replica *replica = failover_replica(failover);
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(failover->engine);
	char id[RESOURCE_ID_MAX + 1], config[PATH_LEN_MAX + 1];
	struct domain_resource domain;
	int result;

	if (replica == NULL) {
		receiver_away(failover);
		return;
	}
	if (failover_asks_primary(failover)) {
		return;
	}
	if (!failover->name_is_free && !failover_was_started(failover)) {
		failover_check_name(failover);
		return;
	}
	if (failover->engine->config->standalone || failover_vm_resource(failover) != NULL) {
		failover_done(failover);
		return;
	}
	domain_resource_id(settings, failover->vm, failover->relationship, replica->settings.peer,
			   id);
	if (store_directory_definition(replica->settings.storage, replica->settings.peer,
				       failover->vm, failover->relationship, config,
				       sizeof(config)) < 0) {
		failover_failed(failover, -ENAMETOOLONG, "", "the definition's path is too long");
		return;
	}
	domain_resource_fill(&domain, settings, id, failover->relationship, config,
			     failover_place(failover->engine, replica->settings.storage));
	failover->busy = true;
	result = cluster->ops->create_domain(cluster, &domain.request, made_cb, failover);
	if (result < 0) {
		made_cb(failover, result, "Pacemaker is not reached");
	}
}
