/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps by which an old primary's side makes way. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/domain_resource.h"
#include "cluster/nvpair_list.h"
#include "common/clock.h"
#include "engine/become_replica.h"
#include "engine/epoch.h"
#include "engine/failover_place.h"
#include "engine/give_way.h"
#include "engine/host_vm.h"
#include "engine/standing.h"

#define POLL_MS	      1000
#define STOP_LIMIT_MS (5 * 60 * 1000)
#define STOP_GRACE_MS (90 * 1000) /* VirtualDomain's, by the timeout that it advises */

void give_way_next(struct give_way *way)
{
	way->busy = false;
	way->step++;
	way->retry_ms = 0;
	way->step_ms = clock_monotonic_ms();
	engine_wake(way->engine);
}

void give_way_later(struct give_way *way, const char *text)
{
	way->busy = false;
	way->retry_ms = clock_monotonic_ms() + POLL_MS;
	failover_job_note(way->job, "%s", text);
}

static void changed_cb(void *arg, int error, const char *text)
{
	struct give_way *way = arg;

	if (error < 0) {
		give_way_later(way, text);
	} else {
		give_way_next(way);
	}
}

/* ---- that it makes way ---- */

/* A VM that was off is not started when all is taken back. What an earlier order found stands. */
static void note_record(struct give_way *way, bool runs)
{
	const char *standing = standing_get(way->engine, STANDING_WAY, way->contact.relationship);
	char value[JOB_ID_LEN + sizeof(" " STANDING_WAY_RUN) + 1];

	if (standing != NULL) {
		runs = give_way_ran(standing);
	}
	snprintf(value, sizeof(value), "%s %s", way->order_job[0] != '\0' ? way->order_job : "-",
		 runs ? STANDING_WAY_RUN : "Stopped");
	way->busy = true;
	standing_set(way->engine, STANDING_WAY, way->contact.relationship, value, changed_cb, way);
}

static int note_run(void *arg)
{
	struct give_way *way = arg;
	enum source_run_state state = SOURCE_RUN_ABSENT;
	int result = source_run_state(way->engine->libvirt, way->contact.vm, &state, way->text);

	way->ran = state == SOURCE_RUN_RUNNING;
	return result;
}

static void note_cb(void *arg, int result)
{
	struct give_way *way = arg;

	if (result < 0) {
		give_way_later(way, way->text);
	} else {
		note_record(way, way->ran);
	}
}

static void way_note(struct give_way *way)
{
	const Vmreplica__Ipc__CibResource *vm =
		domain_resource_by_id(engine_settings(way->engine), way->contact.vm_resource);
	const char *target = vm != NULL ? nvpair_find(vm->meta, vm->n_meta, "target-role") : NULL;

	if (way->engine->config->standalone) {
		way->busy = workers_submit(way->engine->task_workers, note_run, note_cb, way) == 0;
	} else {
		note_record(way, target == NULL || strcasecmp(target, "Stopped") != 0);
	}
}

/* ---- the VM stops ---- */

static int stop_run(void *arg)
{
	struct give_way *way = arg;

	return host_vm_stop(way->engine->libvirt, way->contact.vm, way->definition, STOP_GRACE_MS,
			    way->text);
}

static void stop_cb(void *arg, int result)
{
	struct give_way *way = arg;

	if (result < 0) {
		give_way_later(way, way->text);
	} else {
		give_way_next(way);
	}
}

static void way_stop(struct give_way *way)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	struct cluster *cluster = &way->engine->cluster;
	int result;

	failover_job_step(way->job, "stop", "%s may run here no more", way->contact.vm);
	if (way->engine->config->standalone) {
		way->busy = workers_submit(way->engine->task_workers, stop_run, stop_cb, way) == 0;
		return;
	}
	request.resource = way->contact.resource;
	request.vm_resource = way->contact.vm_resource;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	way->busy = true;
	result = cluster->ops->switch_role(cluster, &request, changed_cb, way);
	if (result < 0) {
		changed_cb(way, result, "Pacemaker is not reached");
	}
}

/* Without a cluster libvirt has ended it already. Pacemaker ends it, however long it takes: nothing
 * is read before. */
static void way_stopped(struct give_way *way)
{
	const struct placement_resource *place =
		engine_find_place(way->engine, way->contact.vm_resource);

	if (way->engine->config->standalone ||
	    (place != NULL && place->state == PLACEMENT_STOPPED && place->pending == NULL)) {
		give_way_next(way);
	} else {
		give_way_later(way,
			       clock_monotonic_ms() - way->step_ms > STOP_LIMIT_MS
				       ? "Pacemaker has not stopped it yet: pcs status says why"
				       : "it is shutting down");
	}
}

static int read_run(void *arg)
{
	return give_way_read(arg);
}

static void read_cb(void *arg, int result)
{
	struct give_way *way = arg;
	char estimate[DIGEST_ESTIMATE_LEN];

	if (result < 0) {
		give_way_later(way, way->text);
		return;
	}
	if (way->adopt.digest) {
		failover_job_note(way->job, "everything will be compared (%s): %s",
				  digest_estimate_format(&way->engine->digest_speed,
							 way->size_bytes, estimate),
				  way->text);
	} else {
		failover_job_note(way->job, "%" PRIu64 " MiB differ from cycle %" PRIu64,
				  way->bytes >> 20, way->last_seq);
	}
	give_way_next(way);
}

static void way_read(struct give_way *way)
{
	failover_job_step(way->job, "changes", "since cycle %" PRIu64, way->last_seq);
	way->busy = workers_submit(way->engine->task_workers, read_run, read_cb, way) == 0;
}

/* ---- does it still hold that epoch? ---- */

static int ask_run(void *arg)
{
	struct give_way *way = arg;
	struct locate_client client = peer_contact_client(&way->contact, way->engine->tls);

	return order_client_query(&client, way->contact.relationship, way->engine->config->site,
				  &way->epoch, &way->answer, &way->trouble);
}

static void heard_cb(void *arg, int error, const char *text)
{
	give_way_later(arg, error < 0 ? text : "the other side has changed its mind");
}

/* An admin may have started the VM while the other side kept silent. It is stopped and its disks
 * are read once more: adopted as they were read before, they would be a wrong replica. */
static void way_again(struct give_way *way)
{
	way->waited = false;
	way->step = GIVE_WAY_STOP - 1;
	give_way_next(way);
}

static void ask_cb(void *arg, int result)
{
	struct give_way *way = arg;
	const struct epoch *theirs = &way->answer.epoch;

	if (result < 0) {
		way->waited = true;
		give_way_later(way, way->trouble.text);
	} else if (way->answer.known && epoch_equal(theirs, &way->epoch) && way->waited) {
		way_again(way);
	} else if (way->answer.known && epoch_equal(theirs, &way->epoch)) {
		give_way_next(way);
	} else if (way->answer.known && theirs->number > way->epoch.number &&
		   epoch_is_near(&way->epoch, theirs)) {
		engine_epoch_store(way->engine, way->contact.relationship, theirs, heard_cb, way);
	} else {
		way->waited = true;
		give_way_later(way, "the other side does not say that it holds the VM");
	}
}

/* What comes next cannot be taken back from here: an order of a while ago is not enough for it. */
static void way_ask(struct give_way *way)
{
	failover_job_step(way->job, "word", "%s is asked once more", way->peer_site);
	memset(&way->answer, 0, sizeof(way->answer));
	way->busy = workers_submit(way->engine->task_workers, ask_run, ask_cb, way) == 0;
}

static void way_role(struct give_way *way)
{
	failover_job_step(way->job, "role", "replica of %s", way->peer_site);
	failover_place_warn(way->job, way->storage, way->contact.vm);
	way->busy = true;
	become_replica_switch(way->engine, &way->contact, way->peer_site, &way->epoch, &way->adopt,
			      way->definition, way->stays, changed_cb, way);
}

/* ---- the way back ---- */

/* -ESTALE: the change of role has been made after all, and only its answer was lost. */
static void back_cb(void *arg, int error, const char *text)
{
	struct give_way *way = arg;

	if (error == -ESTALE) {
		way->step = GIVE_WAY_ROLE;
		give_way_next(way);
	} else {
		changed_cb(way, error, text);
	}
}

static void way_back(struct give_way *way)
{
	failover_job_step(way->job, "back", "%s stays", way->contact.vm);
	way->busy = true;
	give_way_take_back(way->engine, &way->contact, way->promised, back_cb, way);
}

static void way_stayed(struct give_way *way)
{
	struct epoch known;

	engine_epoch_known(way->engine, way->contact.relationship, way->engine->config->site,
			   &known);
	failover_job_finish(way->job, -ECANCELED, "",
			    epoch_is_held_by(&known, way->engine->config->site)
				    ? "%s was given back by %s: it stays here"
				    : "%s stays; it starts here again, if it was to run, as soon "
				      "as %s has given it back",
			    way->contact.vm, way->peer_site);
	way->job = NULL;
}

void give_way_run(struct give_way *way)
{
	switch (way->step) {
	case GIVE_WAY_EPOCH:
		failover_job_step(way->job, "epoch", "%" PRIu64 " of %s", way->epoch.number,
				  way->epoch.site);
		way->busy = true;
		engine_epoch_store(way->engine, way->contact.relationship, &way->epoch, changed_cb,
				   way);
		break;
	case GIVE_WAY_NOTE:
		way_note(way);
		break;
	case GIVE_WAY_STOP:
		way_stop(way);
		break;
	case GIVE_WAY_STOPPED:
		way_stopped(way);
		break;
	case GIVE_WAY_READ:
		way_read(way);
		break;
	case GIVE_WAY_ASK:
		way_ask(way);
		break;
	case GIVE_WAY_ROLE:
		way_role(way);
		break;
	case GIVE_WAY_END:
		failover_job_finish(way->job, 0, "", "%s is a replica of %s here", way->contact.vm,
				    way->peer_site);
		way->job = NULL;
		break;
	case GIVE_WAY_BACK:
		way_back(way);
		break;
	case GIVE_WAY_STAYED:
		way_stayed(way);
		break;
	}
}
