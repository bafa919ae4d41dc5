/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/give_way.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/authorization.h"
#include "cluster/domain_resource.h"
#include "common/cleanup.h"
#include "engine/adopted_disks.h"
#include "engine/epoch.h"
#include "engine/extended.h"
#include "engine/host_vm.h"
#include "engine/own_definition.h"
#include "engine/replica.h"
#include "engine/standing.h"

struct give_way *give_way_find(const struct engine *engine, const char *relationship)
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
	const Vmreplica__Ipc__CibResource *resource =
		domain_resource_by_id(engine_settings(way->engine), way->contact.resource);
	char error[VM_SETTINGS_ERROR_LEN];

	return resource != NULL && vm_settings_from_resource(resource, &way->settings, error) == 0;
}

/* The promise to stay, as it stands; "" = none. */
static const char *stays_now(const struct engine *engine, const char *relationship)
{
	const char *stays = standing_get(engine, STANDING_STAYS, relationship);

	return stays != NULL ? stays : "";
}

static void take_order(struct give_way *way, const struct peer_order *order)
{
	const Vmreplica__Wire__Order *message = order->order;

	epoch_from_message(message->epoch, &way->epoch);
	way->from_seq = message->cut->seq;
	snprintf(way->from_cut_id, sizeof(way->from_cut_id), "%s", message->cut->cut_id);
	way->last_seq = message->last_seq;
	snprintf(way->last_cut_id, sizeof(way->last_cut_id), "%s", message->last_cut_id);
	snprintf(way->order_job, sizeof(way->order_job), "%s", message->job);
	snprintf(way->stays, sizeof(way->stays), "%s",
		 stays_now(way->engine, order->contact.relationship));
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
	} else if (give_way_find(engine, id) != NULL ||
		   failover_job_running_id(engine, id)[0] != '\0') {
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
	const struct give_way *way = give_way_find(order->engine, id);
	const char *job = order->order->job;
	struct epoch known, theirs;

	epoch_from_message(order->order->epoch, &theirs);
	engine_epoch_known(order->engine, id, order->engine->config->site, &known);
	if (!epoch_is_near(&known, &theirs)) {
		peer_order_refuse_far(order, &known, &theirs);
	} else if (theirs.number == 0 || order->order->cut == NULL ||
		   !epoch_is_held_by(&theirs, order->order->site)) {
		peer_order_refuse(order->call, "the order names no epoch of its own, or no cut");
	} else if (job[0] != '\0' && strcmp(stays_now(order->engine, id), job) == 0) {
		peer_order_refuse(order->call,
				  "%s has given its word that it stays: order the reverse again",
				  order->engine->config->site);
	} else if (way != NULL) {
		peer_order_later(order->call, failover_job_id(way->job),
				 way->step < GIVE_WAY_BACK ? "it is under way"
							   : "an earlier order is taken back");
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

/* ---- the word that it stays ---- */

static void answer_stays(struct admin_call *call)
{
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;

	ordered.done = true;
	peer_order_answer(call, &ordered);
}

static void stayed_cb(void *arg, int error, const char *text)
{
	struct admin_call *call = arg;

	if (error < 0) {
		peer_order_later(call, "", text);
	} else {
		answer_stays(call);
	}
}

static void heard_cb(void *arg, int error, const char *text)
{
	peer_order_later(arg, "", error < 0 ? text : "its epoch is recorded");
}

void give_way_stay(struct peer_order *order)
{
	struct engine *engine = order->engine;
	const char *id = order->contact.relationship, *job = order->order->job;
	struct give_way *way = give_way_find(engine, id);
	struct epoch known, theirs;

	epoch_from_message(order->order->epoch, &theirs);
	engine_epoch_known(engine, id, engine->config->site, &known);
	if (job[0] == '\0' || strlen(job) > JOB_ID_LEN ||
	    !epoch_is_held_by(&theirs, order->order->site)) {
		peer_order_refuse(order->call,
				  "STAY without the job whose order it takes back, or its epoch");
	} else if (!epoch_is_near(&known, &theirs)) {
		peer_order_refuse_far(order, &known, &theirs);
	} else if (order->contact.role == VMREPLICA__ROLE__ROLE_REPLICA) {
		peer_order_refuse(order->call,
				  "%s has become its replica: nothing would be left to start",
				  engine->config->site);
	} else if (theirs.number > known.number) {
		/* what is taken back must not look as if it had been given back */
		engine_epoch_store(engine, id, &theirs, heard_cb, order->call);
	} else if (way != NULL) {
		snprintf(way->promised, sizeof(way->promised), "%s", job);
		way->retry_ms = 0;
		engine_wake(engine);
		peer_order_later(order->call, failover_job_id(way->job),
				 "it makes way, and takes that back now");
	} else if (strcmp(stays_now(engine, id), job) == 0) {
		answer_stays(order->call);
	} else {
		/* on another node, or of an engine that is no more, something of it may stand */
		give_way_take_back(engine, &order->contact, job, stayed_cb, order->call);
	}
}

/* ---- driving ---- */

/* A higher epoch is known here than the one that it works for, or somebody has promised the other
 * side that this one stays: nothing of it may be done any more. */
static bool is_overtaken(const struct give_way *way)
{
	const char *id = way->contact.relationship;
	struct epoch known;

	engine_epoch_known(way->engine, id, way->engine->config->site, &known);
	return known.number > way->epoch.number || way->promised[0] != '\0' ||
	       strcmp(stays_now(way->engine, id), way->stays) != 0;
}

static void way_drive(struct give_way *way)
{
	if (way->step < GIVE_WAY_END && is_overtaken(way)) {
		way->step = GIVE_WAY_BACK;
	}
	give_way_run(way);
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
			way_drive(way);
		}
		if (way->job == NULL) {
			give_way_end(way);
		}
	}
	give_way_watch(engine, now_ms);
}
