/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps by which the side that has failed over becomes the primary: what it had received beyond
 * its VM's beginning is listed, the old primary's side makes way, and this side's role changes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/placement.h"
#include "common/clock.h"
#include "engine/epoch.h"
#include "engine/failover.h"
#include "engine/order_client.h"
#include "engine/peer_contact.h"
#include "engine/replica_takeover.h"
#include "engine/standing.h"
#include "engine/switch_change.h"

#define LIMIT_MS	 120000
#define EXTENTS_LIMIT_MS 600000
#define PEER_LIMIT_MS	 (30 * 60 * 1000) /* it stops its VM, and reads its bitmaps */
#define PEER_RETRY_MS	 2000

#define SEE_CLUSTER "pcs status shows how the cluster is"

/* ---- what was received beyond ---- */

static const Vmreplica__Takeover *standing_takeover(const struct failover *failover)
{
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);

	return replica != NULL && replica->status != NULL ? replica->status->takeover : NULL;
}

static void extents_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct failover *failover = arg;

	if (answer->working) {
		return;
	}
	failover->busy = false;
	if (answer->error == -ECONNRESET || answer->error == -ETIMEDOUT ||
	    answer->error == -ENOTCONN || answer->error == -EAGAIN) {
		failover_later(failover, FAILOVER_RETRY_MS, EXTENTS_LIMIT_MS,
			       "vmreplica events shows what the receiver is at",
			       "the replica's store is waited for: %s", answer->text);
		return;
	}
	if (answer->error != 0) {
		/* a term is lost: nothing is known, so everything is compared */
		failover->last_cut_id[0] = failover->extents[0] = '\0';
		failover_job_note(failover->job, "everything will be compared: %s", answer->text);
	} else {
		failover->last_seq = answer->last_seq;
		snprintf(failover->last_cut_id, sizeof(failover->last_cut_id), "%s",
			 answer->last_cut_id);
		snprintf(failover->extents, sizeof(failover->extents), "%s", answer->path);
	}
	failover_done(failover);
}

void failover_step_extents(struct failover *failover)
{
	Vmreplica__Ipc__StoreExtents request = VMREPLICA__IPC__STORE_EXTENTS__INIT;
	const Vmreplica__Takeover *takeover = standing_takeover(failover);
	struct replica *replica = failover_replica(failover);
	int result = -ENOTCONN;

	if (replica != NULL && takeover != NULL) {
		failover->from_seq = takeover->seq;
		snprintf(failover->from_cut_id, sizeof(failover->from_cut_id), "%s",
			 takeover->cut_id);
		request.after_seq = takeover->seq;
		failover->busy = true;
		result = replica_takeover_extents(replica, &request, extents_cb, failover);
	}
	if (result < 0) {
		failover->busy = false;
		failover_later(failover, FAILOVER_RETRY_MS, EXTENTS_LIMIT_MS,
			       "vmreplica status shows why the store is not open",
			       "the replica's store is not open at the moment");
	}
}

/* ---- the other side makes way ---- */

struct peer_job {
	struct failover *failover; /* not touched on the worker */
	struct engine *engine;
	struct peer_contact contact;
	struct epoch epoch;
	uint64_t from_seq, last_seq;
	char from_cut_id[CUT_ID_LEN + 1], last_cut_id[CUT_ID_LEN + 1];
	char address[ENGINE_ADDRESS_LEN], job[JOB_ID_LEN + 1];
	struct order_result result;
	struct trouble trouble;
};

static int peer_run(void *arg)
{
	struct peer_job *job = arg;
	struct locate_client client = peer_contact_client(&job->contact, job->engine->tls);
	Vmreplica__Wire__Order order = VMREPLICA__WIRE__ORDER__INIT;
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	Vmreplica__Epoch epoch;

	epoch_to_message(&job->epoch, &epoch);
	cut.seq = job->from_seq;
	cut.cut_id = job->from_cut_id;
	order.kind = VMREPLICA__WIRE__ORDER_KIND__ORDER_BECOME_REPLICA;
	order.relationship = job->contact.relationship;
	order.site = job->engine->config->site;
	order.epoch = &epoch;
	order.cut = &cut;
	order.last_seq = job->last_seq;
	order.last_cut_id = job->last_cut_id;
	order.peer_address = job->address;
	order.job = job->job;
	return order_client_order(&client, &order, &job->result, &job->trouble);
}

/* Before anything of it begins: how much will be compared, and for how long. */
static void note_digest(struct failover *failover)
{
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);
	char estimate[DIGEST_ESTIMATE_LEN];
	uint64_t bytes = 0;

	for (size_t i = 0;
	     replica != NULL && replica->status != NULL && i < replica->status->n_disks; i++) {
		bytes += replica->status->disks[i]->size_bytes;
	}
	failover_job_note(failover->job,
			  "the old primary's changes are not known: everything is compared: %s",
			  digest_estimate_format(&failover->engine->digest_speed, bytes, estimate));
}

static void peer_done(void *arg, int result)
{
	struct peer_job *job = arg;
	struct failover *failover = job->failover;

	failover->busy = false;
	if (result == 0 && job->result.done) {
		if (job->result.extents) {
			failover_job_note(failover->job,
					  "the old primary's changes are known: a delta is enough");
		} else {
			note_digest(failover);
		}
		failover_done(failover);
	} else if (result < 0 && job->trouble.outcome == SCHEDULE_DENIED) {
		failover_failed(failover, result, "vmreplica jobs and events there say more", "%s",
				job->trouble.text);
	} else {
		failover_later(failover, result == 0 ? (int)job->result.retry_ms : PEER_RETRY_MS,
			       PEER_LIMIT_MS, "order it again when the other side answers", "%s",
			       result < 0 ? job->trouble.text : job->result.text);
	}
	free(job);
}

static void reversing_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error < 0) {
		failover_later(failover, FAILOVER_RETRY_MS, LIMIT_MS, SEE_CLUSTER,
			       "that the other side is ordered to make way cannot be recorded: %s",
			       text);
	} else {
		engine_wake(failover->engine);
	}
}

/* A cancel has to know of it before the other side does: it may become the replica from then on. */
static bool reversing_stands(struct failover *failover)
{
	const char *standing =
		standing_get(failover->engine, STANDING_REVERSING, failover->relationship);

	if (standing != NULL && strcmp(standing, failover->order.job) == 0) {
		return true;
	}
	failover->busy = true;
	standing_set(failover->engine, STANDING_REVERSING, failover->relationship,
		     failover->order.job, reversing_cb, failover);
	return false;
}

/* A reverse that waits for the other side gives way to a cancel. */
bool failover_end_reverse(struct engine *engine, const char *relationship)
{
	struct failover *failover = failover_find(engine, relationship);

	if (failover == NULL ||
	    (failover->state.step != STEP_EXTENTS && failover->state.step != STEP_PEER)) {
		return false;
	}
	failover->gives_way = true;
	failover->retry_ms = 0;
	engine_wake(engine);
	return true;
}

void failover_step_peer(struct failover *failover)
{
	struct engine *engine = failover->engine;
	struct peer_job *job;

	if (failover->gives_way) {
		failover_failed(failover, -ECANCELED, "", "it gives way to a --cancel");
		return;
	}
	if (!reversing_stands(failover)) {
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL || peer_contact_find(engine, failover->relationship, &job->contact) < 0 ||
	    job->contact.host[0] == '\0') {
		free(job);
		failover_failed(failover, -EDESTADDRREQ,
				"wait until the other side's broker was heard of",
				"where the other side's broker listens is not known");
		return;
	}
	job->failover = failover;
	job->engine = engine;
	job->epoch = failover->order.epoch;
	job->from_seq = failover->from_seq;
	job->last_seq = failover->last_seq;
	memcpy(job->from_cut_id, failover->from_cut_id, sizeof(job->from_cut_id));
	memcpy(job->last_cut_id, failover->last_cut_id, sizeof(job->last_cut_id));
	snprintf(job->address, sizeof(job->address), "%s", engine_broker_address(engine));
	snprintf(job->job, sizeof(job->job), "%s", failover->order.job);
	failover->busy = workers_submit(engine->task_workers, peer_run, peer_done, job) == 0;
	if (!failover->busy) {
		free(job);
		failover_later(failover, FAILOVER_RETRY_MS, LIMIT_MS, "order it again",
			       "out of memory");
	}
}

/* ---- the role ---- */

/* The change, and what it points at besides. */
struct role_change {
	struct switch_change change;
	char peer[ENGINE_ADDRESS_LEN], epoch[EPOCH_TEXT_LEN], vm[RESOURCE_ID_MAX + 1];
};

static void role_changed_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error == 0) {
		failover_done(failover);
	} else {
		failover_later(failover, FAILOVER_RETRY_MS, LIMIT_MS, SEE_CLUSTER,
			       "this side cannot become the primary yet: %s", text);
	}
}

static bool vm_is_stopped(const struct failover *failover, const char *vm_resource)
{
	const struct placement_resource *found = engine_find_place(failover->engine, vm_resource);

	return found != NULL && found->state == PLACEMENT_STOPPED;
}

static void fill_change(struct failover *failover, const struct peer_contact *contact,
			const struct replica *replica, const char *vm_resource,
			struct role_change *role)
{
	struct switch_change *change = &role->change;
	struct epoch known;

	switch_change_init(change);
	change->request.resource = (char *)(uintptr_t)contact->resource;
	if (vm_resource != NULL) { /* a host without a cluster has none */
		change->request.vm_resource = (char *)(uintptr_t)vm_resource;
		change->request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD;
		switch_change_parameter(change, "vm_resource", vm_resource);
	}
	if (vm_resource != NULL && failover->error == -ESTALE &&
	    vm_is_stopped(failover, vm_resource)) {
		/* the other side has it (failover_ask.c), and Pacemaker would try again here */
		change->request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	}
	peer_contact_format(contact, role->peer);
	switch_change_parameter(change, "role", "primary");
	switch_change_parameter(change, "peer", role->peer);
	switch_change_parameter(change, "vm", replica_definition_vm(replica, role->vm));
	/* never lowered: the other side may have failed over meanwhile, and this side have heard */
	engine_epoch_known(failover->engine, failover->relationship, failover->engine->config->site,
			   &known);
	switch_change_setting(change, EPOCH_SETTING, failover->relationship,
			      epoch_format(known.number > failover->order.epoch.number
						   ? &known
						   : &failover->order.epoch,
					   role->epoch));
	switch_change_setting(change, STANDING_EXTENTS, failover->relationship, failover->extents);
	switch_change_setting(change, STANDING_CHAIN, failover->relationship, replica->directory);
	switch_change_setting(change, STANDING_FAILOVER, failover->relationship, "");
	/* of disks that were adopted, where this side failed over before their first cycle */
	switch_change_setting(change, STANDING_ADOPT, failover->relationship, "");
	switch_change_setting(change, STANDING_DEFINED, failover->relationship, "");
	switch_change_setting(change, STANDING_BROKER, failover->relationship, "");
	switch_change_setting(change, STANDING_REVERSING, failover->relationship, "");
}

/* The VM runs on as it does. The order goes with this change: whoever has the VM from now on has
 * nothing of it to go on with. */
void failover_step_role(struct failover *failover)
{
	const Vmreplica__Ipc__CibResource *resource = failover_vm_resource(failover);
	struct cluster *cluster = &failover->engine->cluster;
	struct replica *replica = failover_replica(failover);
	struct peer_contact contact;
	struct role_change role;
	int result;

	if (replica == NULL || (resource == NULL && !failover->engine->config->standalone) ||
	    peer_contact_find(failover->engine, failover->relationship, &contact) < 0) {
		failover_later(failover, FAILOVER_RETRY_MS, LIMIT_MS, SEE_CLUSTER,
			       "the replica or its VM's resource is not there at the moment");
		return;
	}
	if (contact.host[0] == '\0') {
		failover_failed(failover, -EDESTADDRREQ,
				"vmreplica reverse VM, when the other side was heard of",
				"where the other side's broker listens is not known");
		return;
	}
	fill_change(failover, &contact, replica, resource != NULL ? resource->id : NULL, &role);
	failover->busy = true;
	result =
		cluster->ops->switch_role(cluster, &role.change.request, role_changed_cb, failover);
	if (result < 0) {
		role_changed_cb(failover, result, "Pacemaker is not reached");
	}
}
