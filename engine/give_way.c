/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/give_way.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/authorization.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/adopted_disks.h"
#include "engine/become_replica.h"
#include "engine/epoch.h"
#include "engine/extended.h"
#include "engine/failover_place.h"
#include "engine/host_vm.h"
#include "engine/own_definition.h"
#include "engine/replica.h"

#define POLL_MS	      1000
#define STOP_LIMIT_MS (5 * 60 * 1000)
#define STOP_GRACE_MS (90 * 1000) /* VirtualDomain's, by the timeout that it advises */

static struct give_way *find(const struct engine *engine, const char *relationship)
{
	struct give_way *way = engine->giving_way;

	while (way != NULL && strcmp(way->contact.relationship, relationship) != 0) {
		way = way->next;
	}
	return way;
}

void give_way_free(struct give_way *way)
{
	if (way != NULL) {
		vm_settings_destroy(&way->settings);
		free(way);
	}
}

static void give_way_end(struct give_way *way)
{
	struct give_way **from = &way->engine->giving_way;

	while (*from != way) {
		from = &(*from)->next;
	}
	*from = way->next;
	give_way_free(way);
}

void give_way_free_all(struct engine *engine)
{
	while (engine->giving_way != NULL) {
		give_way_end(engine->giving_way);
	}
}

/* ---- the order ---- */

/* Where the replica's store goes here; false: the new primary is not authorized. */
static bool find_storage(struct give_way *way)
{
	struct authorization_table table = {0};
	const struct authorization_entry *entry;

	if (authorization_table_load(engine_settings(way->engine), &table, NULL) < 0) {
		return false;
	}
	entry = authorization_match_name(&table, way->peer_site);
	if (entry != NULL) {
		snprintf(way->storage, sizeof(way->storage), "%s", entry->storage);
	}
	authorization_table_destroy(&table);
	return way->storage[0] != '\0';
}

/* What is replicated of the VM. */
static bool find_settings(struct give_way *way)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(way->engine);
	char error[VM_SETTINGS_ERROR_LEN];

	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, way->contact.resource) == 0) {
			return vm_settings_from_resource(settings->resources[i], &way->settings,
							 error) == 0;
		}
	}
	return false;
}

static void take_order(struct give_way *way, const struct peer_order *order)
{
	const Vmreplica__Wire__Order *message = order->order;

	epoch_from_message(message->epoch, &way->epoch);
	way->from_seq = message->cut->seq;
	snprintf(way->from_cut_id, sizeof(way->from_cut_id), "%s", message->cut->cut_id);
	way->last_seq = message->last_seq;
	snprintf(way->last_cut_id, sizeof(way->last_cut_id), "%s", message->last_cut_id);
}

struct give_way *give_way_new(struct engine *engine, const struct peer_contact *contact,
			      const char *peer_site, char error[REASON_MAX])
{
	struct give_way *way = calloc(1, sizeof(*way));

	if (way == NULL) {
		snprintf(error, REASON_MAX, "out of memory");
		return NULL;
	}
	way->engine = engine;
	way->contact = *contact;
	snprintf(way->peer_site, sizeof(way->peer_site), "%s", peer_site);
	if (find_storage(way) &&
	    own_definition_find(engine, contact->relationship, contact->vm_resource,
				way->definition) &&
	    find_settings(way)) {
		return way;
	}
	snprintf(error, REASON_MAX,
		 way->storage[0] == '\0'
			 ? "%s is not authorized at %s: vmreplica authorize add there"
			 : "the definition of the VM of %s is not to be found at %s",
		 peer_site, engine->config->site);
	give_way_free(way);
	return NULL;
}

/* Before anything is changed: it could not become the replica. On a host without a cluster what is
 * saved of the VM may be of its last stop, or nothing. -EAGAIN: it cannot be looked at now. */
static int check_run(void *arg)
{
	struct give_way *way = arg;
	cleanup_free const char **exclude = vm_settings_exclude_list(&way->settings);

	if (way->engine->config->standalone &&
	    host_vm_save(way->engine->libvirt, way->contact.vm, way->definition, way->text) < 0) {
		return -EAGAIN;
	}
	return exclude == NULL ? -EAGAIN : adopted_disks_check(way->definition, exclude, way->text);
}

static void check_done(void *arg, int result)
{
	struct give_way *way = arg;
	struct engine *engine = way->engine;
	struct admin_call *call = way->call;
	const char *id = way->contact.relationship;

	way->call = NULL;
	if (result == -ENOTSUP) {
		peer_order_refuse(call, "%s", way->text);
	} else if (result == -EAGAIN) {
		peer_order_later(call, "",
				 way->text[0] != '\0' ? way->text
						      : "its disks cannot be looked at now");
	} else if (find(engine, id) != NULL || failover_job_running_id(engine, id)[0] != '\0') {
		peer_order_later(call, "", "it is under way");
	} else {
		way->job = failover_job_begin(engine, JOB_KIND_REVERSE, way->contact.vm, id, NULL);
		if (way->job != NULL) {
			way->next = engine->giving_way;
			engine->giving_way = way;
			peer_order_later(call, failover_job_id(way->job), "it has begun");
			engine_wake(engine);
			return;
		}
		peer_order_later(call, "", "out of memory");
	}
	give_way_free(way);
}

/* The role has just changed, and Pacemaker has not restarted the resource: the store would go on as
 * it is open now, and adopt nothing. */
static bool replica_is_attached(const struct engine *engine, const char *id)
{
	const struct table_vm *heard =
		cluster_table_find(&engine->table, id, VMREPLICA__ROLE__ROLE_REPLICA);

	return engine_find_replica(engine, id) != NULL ||
	       (heard != NULL && !heard->gone && heard->detached_ms == 0 &&
		strcmp(heard->node, engine->config->node) != 0);
}

static void give_way_begin(struct peer_order *order)
{
	const char *job = failover_job_running_id(order->engine, order->contact.relationship);
	struct give_way *way;
	char error[REASON_MAX];

	if (job[0] != '\0') {
		peer_order_later(order->call, job, "another job of the VM is under way there");
		return;
	}
	if (extended_find_relationship(engine_settings(order->engine),
				       order->contact.vm_resource) != NULL) {
		peer_order_refuse(order->call,
				  "at %s it is a replica of another site, or was, and becomes no "
				  "other's: vmreplica unprotect it on both sides, then protect the "
				  "VM anew where it runs",
				  order->engine->config->site);
		return;
	}
	if (replica_is_attached(order->engine, order->contact.relationship)) {
		peer_order_later(order->call, "", "its store there is still open as a replica's");
		return;
	}
	way = give_way_new(order->engine, &order->contact, order->order->site, error);
	if (way == NULL) {
		peer_order_refuse(order->call, "%s", error);
		return;
	}
	take_order(way, order);
	way->call = order->call;
	if (workers_submit(order->engine->task_workers, check_run, check_done, way) < 0) {
		check_done(way, -EAGAIN);
	}
}

/* This side is the replica already: what came of it stands in the settings. */
static void answer_done(struct peer_order *order)
{
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;
	struct adopt_order adopt;

	ordered.done = true;
	/* nothing was adopted where a failover was taken back: the store is as it was */
	ordered.extents = !adopt_order_read(order->engine, order->contact.relationship, &adopt) ||
			  !adopt.digest;
	peer_order_answer(order->call, &ordered);
}

void give_way_ordered(struct peer_order *order)
{
	const char *id = order->contact.relationship;
	const struct give_way *way = find(order->engine, id);
	struct epoch known, theirs;

	epoch_from_message(order->order->epoch, &theirs);
	engine_epoch_known(order->engine, id, order->engine->config->site, &known);
	if (!epoch_is_near(&known, &theirs)) {
		peer_order_refuse_far(order, &known, &theirs);
	} else if (theirs.number == 0 || order->order->cut == NULL ||
		   !epoch_is_held_by(&theirs, order->order->site)) {
		peer_order_refuse(order->call, "the order names no epoch of its own, or no cut");
	} else if (way != NULL) {
		peer_order_later(order->call, failover_job_id(way->job), "it is under way");
	} else if (epoch_equal(&known, &theirs) &&
		   order->contact.role == VMREPLICA__ROLE__ROLE_REPLICA) {
		answer_done(order);
	} else if (!epoch_equal(&known, &theirs) &&
		   epoch_judge(&known, &theirs, order->engine->config->site) != EPOCH_LOST) {
		peer_order_refuse(order->call,
				  "%s knows epoch %" PRIu64 " of %s: it makes no way for %" PRIu64,
				  order->engine->config->site, known.number, order->contact.vm,
				  theirs.number);
	} else if (order->contact.role == VMREPLICA__ROLE__ROLE_REPLICA) {
		give_way_as_replica(order, &theirs);
	} else {
		give_way_begin(order);
	}
}

/* ---- the steps ---- */

static void way_next(struct give_way *way)
{
	way->busy = false;
	way->step++;
	way->retry_ms = 0;
	way->step_ms = clock_monotonic_ms();
	engine_wake(way->engine);
}

static void way_later(struct give_way *way, const char *text)
{
	way->busy = false;
	way->retry_ms = clock_monotonic_ms() + POLL_MS;
	failover_job_note(way->job, "%s", text);
}

static void changed_cb(void *arg, int error, const char *text)
{
	struct give_way *way = arg;

	if (error < 0) {
		way_later(way, text);
	} else {
		way_next(way);
	}
}

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
		way_later(way, way->text);
	} else {
		way_next(way);
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
		way_next(way);
	} else {
		way_later(way, clock_monotonic_ms() - way->step_ms > STOP_LIMIT_MS
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
		way_later(way, way->text);
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
	way_next(way);
}

static void way_read(struct give_way *way)
{
	failover_job_step(way->job, "changes", "since cycle %" PRIu64, way->last_seq);
	way->busy = workers_submit(way->engine->task_workers, read_run, read_cb, way) == 0;
}

static void way_role(struct give_way *way)
{
	failover_job_step(way->job, "role", "replica of %s", way->peer_site);
	failover_place_warn(way->job, way->storage, way->contact.vm);
	way->busy = true;
	become_replica_switch(way->engine, &way->contact, way->peer_site, &way->epoch, &way->adopt,
			      way->definition, changed_cb, way);
}

static void way_run(struct give_way *way)
{
	switch (way->step) {
	case GIVE_WAY_EPOCH:
		failover_job_step(way->job, "epoch", "%" PRIu64 " of %s", way->epoch.number,
				  way->epoch.site);
		way->busy = true;
		engine_epoch_store(way->engine, way->contact.relationship, &way->epoch, changed_cb,
				   way);
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
	case GIVE_WAY_ROLE:
		way_role(way);
		break;
	case GIVE_WAY_END:
		failover_job_finish(way->job, 0, "", "%s is a replica of %s here", way->contact.vm,
				    way->peer_site);
		way->job = NULL;
		break;
	}
}

void give_way_tick(struct engine *engine, int64_t now_ms)
{
	struct give_way *next;

	if (engine->stopping) {
		return;
	}
	for (struct give_way *way = engine->giving_way; way != NULL; way = next) {
		next = way->next;
		if (!way->busy && now_ms >= way->retry_ms) {
			way_run(way);
		}
		if (way->job == NULL) {
			give_way_end(way);
		}
	}
}
